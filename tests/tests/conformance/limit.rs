//! Sizes: targets, heads and counts of fields, on both sides of each limit.

use super::case::{Case, refuse, serve, torn};

pub(crate) const CASES: &[Case] = &[
    serve("RFC 9112 3", "a target of 8,000 bytes and more", b"POST /v1/chat/completions?{8000*x} HTTP/1.1|host: g|content-length: {n}||{body}"),
    refuse("RFC 9110 15.5.15", "a target of 9,000 bytes", &[414], b"POST /v1/chat/completions?{9000*x} HTTP/1.1|host: g|content-length: {n}||{body}"),
    refuse("RFC 9110 15.5.15", "a target beyond the limit of heads", &[414], b"POST /{40000*x} HTTP/1.1|host: g|content-length: {n}||{body}"),
    refuse("RFC 9110 15.5.15", "a target without end", &[414], b"POST /{70000*x}"),
    refuse("RFC 9112 3", "a method without end", &[400, 414, 501], b"{70000*X}"),
    refuse("RFC 9112 3", "a long method", &[400, 414, 501], b"{9000*X} / HTTP/1.1|host: g||"),
    refuse("RFC 9112 3", "a long version", &[400, 414, 505], b"POST / HTTP/{9000*1}|host: g||"),
    serve("RFC 6585 5", "ninety-eight fields and two", b"{post}{fields 98}content-length: {n}||{body}"),
    refuse("RFC 6585 5", "a hundred and one fields", &[431], b"{post}{fields 99}content-length: {n}||{body}"),
    refuse("RFC 6585 5", "a thousand fields", &[431], b"{post}{fields 1000}content-length: {n}||{body}"),
    serve("RFC 6585 5", "a field of 20,000 bytes", b"{post}x-a: {20000*x}|content-length: {n}||{body}"),
    refuse("RFC 6585 5", "a field of 40,000 bytes", &[431], b"{post}x-a: {40000*x}|content-length: {n}||{body}"),
    refuse("RFC 6585 5", "a name of 40,000 bytes", &[431], b"{post}{40000*x}: 1|content-length: {n}||{body}"),
    refuse("RFC 6585 5", "a field without end", &[431], b"{post}x-a: {70000*x}"),
    refuse("RFC 6585 5", "many fields that are too much together", &[431], b"{post}{90*x-a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|}content-length: {n}||{body}"),
    refuse("RFC 6585 5", "blanks without end", &[400, 431], b"{post}x-a:{40000* }|content-length: {n}||{body}"),
    refuse("RFC 9112 5.1", "zeros without end in a length", &[400, 413, 431], b"{post}content-length: {1000*0}{n}||{body}"),
    torn("RFC 9112 8", "a large head that ends too soon", b"{post}x-a: {20000*x}"),
];
