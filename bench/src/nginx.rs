//! nginx as a reverse proxy, set up as well as we know how: one worker, upstream connections
//! kept, TLS verified and its sessions resumed. It listens twice for each kind of upstream: once
//! it logs nothing, once a buffered line of JSON for each request, as Throwover does.

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
    /// The same two with an access log.
    pub(crate) logging: (SocketAddr, SocketAddr),
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
    let logging = (free_port()?, free_port()?);
    let config = folder.join("nginx.conf");
    fs::write(&config, text(&folder, upstreams, [plain, logging.0], [tls, logging.1]))?;
    let log = folder.join("nginx.log");
    let arguments: [&OsStr; 6] = ["-p".as_ref(), folder.as_os_str(), "-e".as_ref(), log.as_os_str(), "-c".as_ref(), config.as_os_str()];
    let process = Process::start(program, &arguments, &[], place, &log)?;
    Ok(Nginx { process, plain, tls, logging })
}

/// What is known of a request, in one line.
const LOG_FORMAT: &str = r#"  log_format line escape=json '{"at":$msec,"request":"$request_id","path":"$uri","status":$status,'
    '"total_s":$request_time,"bytes_in":$request_length,"bytes_out":$bytes_sent,"upstream":"$upstream_addr",'
    '"connect_s":"$upstream_connect_time","head_s":"$upstream_header_time","answer_s":"$upstream_response_time"}';
"#;

/// The first address of each pair logs nothing, the second does.
fn text(folder: &Path, upstreams: &Upstreams<'_>, plain: [SocketAddr; 2], tls: [SocketAddr; 2]) -> String {
    let folder = folder.display();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let to = |name: &str, address: SocketAddr| {
        format!("  upstream {name} {{ server {address}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 75s; }}\n")
    };
    let from = |address: SocketAddr, log: &str, pass: &str, further: &str| {
        format!(
            "  server {{\n    listen {address} backlog=4096;\n    access_log {log};\n    location / {{\n      proxy_pass {pass};\n      proxy_http_version 1.1;\n      \
             proxy_set_header Connection \"\";\n{further}    }}\n  }}\n"
        )
    };
    let further = format!(
        "      proxy_ssl_protocols TLSv1.3;\n      proxy_ssl_verify on;\n      proxy_ssl_trusted_certificate {};\n      \
         proxy_ssl_name localhost;\n      proxy_ssl_server_name on;\n      proxy_ssl_session_reuse on;\n",
        upstreams.ca.display()
    );
    let log = format!("{folder}/access.log line buffer=64k flush=1s");
    // Bodies stay in memory: its defaults would send those above 16 KiB through files, which is
    // not what is compared here.
    [
        format!("{user}daemon off;\nworker_processes 1;\nworker_rlimit_nofile 65536;\npid {folder}/nginx.pid;\n"),
        "events { worker_connections 32768; }\n".to_owned(),
        format!("http {{\n{LOG_FORMAT}"),
        "  keepalive_requests 1000000000;\n  keepalive_timeout 75s;\n  tcp_nodelay on;\n".to_owned(),
        "  client_max_body_size 64m;\n  client_body_buffer_size 512k;\n  proxy_max_temp_file_size 0;\n".to_owned(),
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n")).concat(),
        to("plain", upstreams.plain),
        to("tls", upstreams.tls),
        from(plain[0], "off", "http://plain", ""),
        from(tls[0], "off", "https://tls", &further),
        from(plain[1], &log, "http://plain", ""),
        from(tls[1], &log, "https://tls", &further),
        "}\n".to_owned(),
    ]
    .concat()
}
