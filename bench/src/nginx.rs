//! nginx as a reverse proxy, set up as well as we know how: one worker, upstream connections
//! kept, nothing logged, TLS verified and its sessions resumed.

use crate::child::{Place, Process, free_port};
use std::{ffi::OsStr, fs, io, net::SocketAddr, path::Path};

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) process: Process,
    /// Passes on plainly.
    pub(crate) plain: SocketAddr,
    /// Passes on over TLS.
    pub(crate) tls: SocketAddr,
}

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams<'a> {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// The only authority that is trusted.
    pub(crate) ca: &'a Path,
}

/// Starts it there.
pub(crate) fn start(program: &Path, upstreams: &Upstreams<'_>, folder: &Path, place: Place) -> io::Result<Nginx> {
    let folder = folder.join("nginx");
    fs::create_dir_all(&folder)?;
    let (plain, tls) = (free_port()?, free_port()?);
    let config = folder.join("nginx.conf");
    fs::write(&config, text(&folder, upstreams, plain, tls))?;
    let log = folder.join("nginx.log");
    let arguments: [&OsStr; 6] = ["-p".as_ref(), folder.as_os_str(), "-e".as_ref(), log.as_os_str(), "-c".as_ref(), config.as_os_str()];
    let process = Process::start(program, &arguments, &[], place, &log)?;
    Ok(Nginx { process, plain, tls })
}

fn text(folder: &Path, upstreams: &Upstreams<'_>, plain: SocketAddr, tls: SocketAddr) -> String {
    let folder = folder.display();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let to = |name: &str, address: SocketAddr| {
        format!("  upstream {name} {{ server {address}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 75s; }}\n")
    };
    let from = |address: SocketAddr, pass: &str, further: &str| {
        format!(
            "  server {{\n    listen {address} backlog=4096;\n    location / {{\n      proxy_pass {pass};\n      proxy_http_version 1.1;\n      \
             proxy_set_header Connection \"\";\n{further}    }}\n  }}\n"
        )
    };
    let further = format!(
        "      proxy_ssl_protocols TLSv1.3;\n      proxy_ssl_verify on;\n      proxy_ssl_trusted_certificate {};\n      \
         proxy_ssl_name localhost;\n      proxy_ssl_server_name on;\n      proxy_ssl_session_reuse on;\n",
        upstreams.ca.display()
    );
    // Bodies stay in memory: its defaults would send those above 16 KiB through files, which is
    // not what is compared here.
    [
        format!("{user}daemon off;\nworker_processes 1;\nworker_rlimit_nofile 65536;\npid {folder}/nginx.pid;\n"),
        "events { worker_connections 32768; }\n".to_owned(),
        "http {\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 75s;\n  tcp_nodelay on;\n".to_owned(),
        "  client_max_body_size 64m;\n  client_body_buffer_size 512k;\n  proxy_max_temp_file_size 0;\n".to_owned(),
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n")).concat(),
        to("plain", upstreams.plain),
        to("tls", upstreams.tls),
        from(plain, "http://plain", ""),
        from(tls, "https://tls", &further),
        "}\n".to_owned(),
    ]
    .concat()
}
