//! Bytes in and out: HTTP/1.1 heads and bodies, JSON, server-sent events, provider dialects.
//!
//! Everything here is incremental (it may be stopped at any byte and go on with the next
//! segment), bounded (every buffer, count and depth has a constant beside it) and total (no input
//! panics). There is no I/O, no clock, no randomness and no policy: a caller reads bytes, asks
//! what they mean, and decides elsewhere.
//!
//! One strict grammar per format and no tolerant mode: what two readers could understand in two
//! ways is refused, because a gateway stands between two readers.

#![forbid(unsafe_code)]

pub mod body;
pub mod dialect;
pub mod fuzz;
pub mod head;
pub mod json;
pub mod proxy;
pub mod schema;
pub mod sse;
