//! Tables of heads, each line with the section of the RFC that it stands on.

use super::*;

const MAX: usize = 32 * 1024;

/// The refusal of a head, or a short description of what it became.
fn verdict(head: &[u8]) -> Result<Option<Request>, Refusal> {
    request(head, MAX).map(|found| found.map(|(head, _)| head))
}

fn check_refused(head: &[u8], expected: Refusal) {
    assert_eq!(verdict(head), Err(expected), "{}", head.escape_ascii());
}

fn accepted(head: &[u8]) -> Request {
    match verdict(head) {
        Ok(Some(request)) => request,
        other => panic!("{}: {other:?}", head.escape_ascii()),
    }
}

/// Heads as `line|line|…` with CRLF and the blank line added, so that tables stay readable.
fn lines(text: &str) -> Vec<u8> {
    format!("{}\r\n\r\n", text.replace('|', "\r\n")).into_bytes()
}

mod accepted;
mod refused;
mod responses;
mod writing;
