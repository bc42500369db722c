//! Portkey's gateway: one process of node; where it sends a request is in the request.

use super::Start;
use std::net::SocketAddr;

/// What it passes on to the provider.
pub(super) const KEY: &str = "bench-provider-key-0123456789abcdef";

/// Its program, without its page of recent requests.
pub(super) fn start(listen: SocketAddr) -> Start {
    Start {
        arguments: vec![format!("--port={}", listen.port()).into(), "--headless".into()],
        variables: vec![("NODE_ENV", "production".to_owned())],
        file: None,
    }
}

/// Who answers, and where.
pub(super) fn fields(sink: SocketAddr) -> String {
    format!("x-portkey-provider: openai\r\nx-portkey-custom-host: http://{sink}/v1\r\n")
}
