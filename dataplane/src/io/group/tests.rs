use super::*;

#[test]
fn a_buffer_comes_home_with_its_last_chunk() {
    let group = Group::new(4, 64).expect("a page can be mapped");
    let mut whole = group.fill(b"hello world").expect("four are free");
    assert_eq!((group.lent(), group.at_home()), (1, 3));
    let tail = whole.slice(6..);
    let head = whole.split_to(5);
    assert_eq!((&*head, &*whole, &*tail), (&b"hello"[..], &b" world"[..], &b"world"[..]));
    drop(whole);
    drop(head);
    assert_eq!(group.lent(), 1);
    drop(tail);
    assert_eq!((group.lent(), group.at_home()), (0, 4));
}

#[test]
fn only_the_sole_holder_may_write() {
    let group = Group::new(2, 64).expect("a page can be mapped");
    let mut chunk = group.fill(b"abc").expect("two are free");
    let other = chunk.clone();
    assert!(chunk.unique_mut().is_none());
    drop(other);
    chunk.unique_mut().expect("alone again")[0] = b'x';
    assert_eq!(&*chunk, b"xbc");
    chunk.advance(1);
    chunk.truncate(1);
    assert_eq!(&*chunk, b"b");
}

#[test]
fn an_empty_group_gives_nothing() {
    let group = Group::new(2, 8).expect("a page can be mapped");
    let kept: Vec<_> = (0..3).map(|_| group.fill(b"x")).collect();
    assert!(kept[0].is_some() && kept[1].is_some() && kept[2].is_none());
    assert!(group.fill(&[0; 9]).is_none(), "too long for a buffer");
}

#[test]
#[should_panic(expected = "did not have")]
fn a_buffer_cannot_come_twice() {
    let group = Group::new(2, 8).expect("a page can be mapped");
    let buffer = group.provide().expect("two are free");
    let _first = group.receive(buffer, 1);
    group.receive(buffer, 1);
}

#[test]
#[should_panic(expected = "out of bounds")]
fn slicing_checks_its_bounds() {
    let group = Group::new(2, 8).expect("a page can be mapped");
    let chunk = group.fill(b"abc").expect("two are free");
    let _beyond = chunk.slice(2..5);
}
