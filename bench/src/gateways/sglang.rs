//! SGLang's router: one worker, which is the sink, and one thread.

use super::Start;
use std::net::SocketAddr;

/// Its launcher, with a port for metrics that nobody else has.
pub(super) fn start(listen: SocketAddr, metrics: SocketAddr, sink: SocketAddr) -> Start {
    let words = [
        "launch".to_owned(),
        "--worker-urls".to_owned(),
        format!("http://{sink}"),
        format!("--host={}", listen.ip()),
        format!("--port={}", listen.port()),
        format!("--prometheus-host={}", metrics.ip()),
        format!("--prometheus-port={}", metrics.port()),
        // One worker is all there is; the usual policy keeps a tree of prompts for nothing.
        "--policy=round_robin".to_owned(),
        "--worker-startup-check-interval=1".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    Start {
        arguments: words.map(Into::into).into(),
        variables: vec![("TOKIO_WORKER_THREADS", "1".to_owned()), ("NO_PROXY", "*".to_owned())],
        file: None,
    }
}
