use super::super::arena::Arena;
use super::super::group::Group;
use super::*;

#[test]
fn every_kind_of_piece_shows_its_bytes() {
    let group = Group::new(1, 16).expect("a page can be mapped");
    let arena = Arena::new(16, 16);
    let mut block = arena.take().expect("the budget is fresh");
    assert_eq!(block.append(b"a block"), 7);
    let chunk = group.fill(b"a chunk").expect("one is free");
    let pieces = [Piece::from(chunk), Piece::from(b"a vector".to_vec()), Piece::Block(block, 2..7), Piece::from(&b"static"[..])];
    let shown: Vec<&[u8]> = pieces.iter().map(Deref::deref).collect();
    assert_eq!(shown, [&b"a chunk"[..], b"a vector", b"block", b"static"]);
}

#[test]
fn vectors_are_used_again_but_giants_are_not_kept() {
    let vectors = Vectors::default();
    let mut first = vectors.take();
    first.extend_from_slice(b"head");
    let address = first.as_ptr();
    vectors.done(Piece::Vec(first));
    let again = vectors.take();
    assert!(again.is_empty() && again.as_ptr() == address);
    vectors.give(Vec::with_capacity(1 << 20));
    vectors.give(Vec::new());
    assert!(vectors.spare.borrow().is_empty());
}
