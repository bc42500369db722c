//! HAProxy as a reverse proxy, set up as well as we know how: one thread, upstream connections kept
//! and shared, nothing logged, TLS verified.

use crate::{
    child::{Place, Process, free_port},
    nginx::Upstreams,
};
use std::{ffi::OsStr, fs, io, net::SocketAddr, path::Path};

/// A running HAProxy.
#[derive(Debug)]
pub(crate) struct Haproxy {
    pub(crate) process: Process,
    /// Passes on plainly.
    pub(crate) plain: SocketAddr,
    /// Passes on over TLS.
    pub(crate) tls: SocketAddr,
}

/// What it is set up for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) connections: usize,
    /// Events are passed on as they come; otherwise it may hold the last bytes back for 40 ms, to fill packets.
    pub(crate) streams: bool,
}

/// Starts it there.
pub(crate) fn start(program: &Path, upstreams: &Upstreams<'_>, traffic: Traffic, folder: &Path, place: Place) -> io::Result<Haproxy> {
    let folder = folder.join("haproxy");
    fs::create_dir_all(&folder)?;
    let (plain, tls) = (free_port()?, free_port()?);
    let config = folder.join("haproxy.cfg");
    fs::write(&config, text(upstreams, traffic, plain, tls))?;
    let arguments: [&OsStr; 3] = ["-db".as_ref(), "-f".as_ref(), config.as_os_str()];
    let process = Process::start(program, &arguments, &[], place, &folder.join("haproxy.log"))?;
    Ok(Haproxy { process, plain, tls })
}

fn text(upstreams: &Upstreams<'_>, traffic: Traffic, plain: SocketAddr, tls: SocketAddr) -> String {
    let pass = |name: &str, from: SocketAddr, to: SocketAddr, further: &str| {
        format!(
            "frontend {name}\n  bind {from} backlog 4096\n  default_backend {name}\n\
             backend {name}\n  http-reuse always\n  server one {to} pool-max-conn 256 pool-purge-delay 75s{further}\n"
        )
    };
    let further =
        format!(" ssl verify required ca-file {} sni str(localhost) verifyhost localhost ssl-min-ver TLSv1.3", upstreams.ca.display());
    [
        // It asks for two descriptors for each of these, and does not start with fewer.
        format!("global\n  nbthread 1\n  maxconn {}\n", traffic.connections + 512),
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 75s\n  timeout server 75s\n  timeout http-keep-alive 75s\n"
            .to_owned(),
        if traffic.streams { "  option http-no-delay\n" } else { "" }.to_owned(),
        pass("plain", plain, upstreams.plain, ""),
        pass("tls", tls, upstreams.tls, &further),
    ]
    .concat()
}
