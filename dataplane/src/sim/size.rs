//! Promises about sizes.

use crate::{accept, shard::Shard, wire::Wire};
use std::{future::Future, net::IpAddr, rc::Rc};

/// The most that the future of a connection with its exchange may take in its place, in bytes: the largest of the
/// allocator's sizes below a page.
const EXCHANGE_BYTES_MAX: usize = 3_584;

/// The size of the place for what a function gives, without calling it.
fn size_of_result<F: Future>(_: impl Fn(Rc<Shard>, Wire, Option<IpAddr>) -> F) -> usize {
    size_of::<Option<F>>()
}

#[test]
fn an_exchange_fits_into_less_than_a_page() {
    let size = size_of_result(accept::converse);
    println!("the walk's future takes {size} bytes");
    assert!(size <= EXCHANGE_BYTES_MAX, "the walk's future takes {size} bytes");
}
