use super::*;

#[test]
fn the_budget_holds_and_memory_is_used_again() {
    let arena = Arena::new(8, 20);
    let (first, second) = (arena.take(), arena.take());
    assert!(first.is_some() && second.is_some());
    assert!(arena.take().is_none(), "20 bytes are two blocks of 8");
    let address = first.as_ref().map(|block| block.as_ptr());
    drop(first);
    let again = arena.take();
    assert_eq!(again.as_ref().map(|block| block.as_ptr()), address);
    drop((second, again));
    assert_eq!((arena.outstanding(), arena.peak(), arena.available()), (0, 2, 2));
    arena.trim(0);
    assert!(arena.take().is_some());
}

#[test]
fn a_shared_block_refuses_to_grow() {
    let arena = Arena::new(4, 8);
    let mut block = arena.take().expect("the budget is fresh");
    assert_eq!(block.append(b"abcdef"), 4);
    assert_eq!((block.append(b"x"), block.room()), (0, 0));
    let other = block.clone();
    assert!(!block.is_unique() && block.unique_mut().is_none());
    drop(other);
    block.unique_mut().expect("alone again")[0] = b'z';
    assert_eq!(&*block, b"zbcd");
    drop(block);
    let fresh = arena.take().expect("one block is in use at most");
    assert!(fresh.is_empty(), "a block used again starts empty");
}
