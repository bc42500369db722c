//! Many short queues in one slab.
//!
//! A socket's queues are three numbers each and own no memory of their own, so an idle connection
//! stays small and a busy one allocates nothing: nodes come from a free list that stays warm.

const NONE: u32 = u32::MAX;

/// One queue. Meaningless without the [`Links`] that it was filled from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
    len: u32,
}

impl Queue {
    pub(super) const EMPTY: Queue = Queue { head: NONE, tail: NONE, len: 0 };

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    next: u32,
}

/// The nodes of all queues of one kind.
#[derive(Debug)]
pub(super) struct Links<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    used: usize,
}

impl<T> Links<T> {
    pub(super) fn new() -> Links<T> {
        Links { nodes: Vec::new(), free: NONE, used: 0 }
    }

    /// Nodes in use, over all queues.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    fn node(&mut self, value: T, next: u32) -> u32 {
        self.used += 1;
        if self.free == NONE {
            self.nodes.push(Node { value: Some(value), next });
            return self.nodes.len() as u32 - 1;
        }
        let index = self.free;
        let node = &mut self.nodes[index as usize];
        self.free = node.next;
        *node = Node { value: Some(value), next };
        index
    }

    pub(super) fn push_back(&mut self, queue: &mut Queue, value: T) {
        let index = self.node(value, NONE);
        if queue.tail == NONE {
            queue.head = index;
        } else {
            self.nodes[queue.tail as usize].next = index;
        }
        queue.tail = index;
        queue.len += 1;
    }

    pub(super) fn push_front(&mut self, queue: &mut Queue, value: T) {
        let index = self.node(value, queue.head);
        if queue.tail == NONE {
            queue.tail = index;
        }
        queue.head = index;
        queue.len += 1;
    }

    pub(super) fn pop_front(&mut self, queue: &mut Queue) -> Option<T> {
        let index = queue.head;
        let node = self.nodes.get_mut(index as usize)?;
        queue.head = node.next;
        if queue.head == NONE {
            queue.tail = NONE;
        }
        queue.len -= 1;
        node.next = self.free;
        self.free = index;
        self.used -= 1;
        node.value.take()
    }

    pub(super) fn front(&self, queue: &Queue) -> Option<&T> {
        self.nodes.get(queue.head as usize)?.value.as_ref()
    }

    pub(super) fn back_mut(&mut self, queue: &Queue) -> Option<&mut T> {
        self.nodes.get_mut(queue.tail as usize)?.value.as_mut()
    }

    pub(super) fn iter(&self, queue: Queue) -> impl Iterator<Item = &T> {
        let mut index = queue.head;
        std::iter::from_fn(move || {
            let node = self.nodes.get(index as usize)?;
            index = node.next;
            node.value.as_ref()
        })
    }
}

#[cfg(test)]
mod tests;
