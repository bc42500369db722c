//! Envoy as a reverse proxy, set up as well as we know how: one worker, upstream connections kept,
//! nothing logged, TLS verified.

use crate::{
    child::{Place, Process, free_port},
    nginx::Upstreams,
};
use serde_json::{Value, json};
use std::{ffi::OsStr, fs, io, net::SocketAddr, path::Path};

/// Connections and requests at once: its usual limits of 1,024 are not what is compared.
const AT_ONCE: u32 = 65_536;

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    pub(crate) process: Process,
    /// Passes on plainly.
    pub(crate) plain: SocketAddr,
    /// Passes on over TLS.
    pub(crate) tls: SocketAddr,
}

/// Starts it there.
pub(crate) fn start(program: &Path, upstreams: &Upstreams<'_>, folder: &Path, place: Place) -> io::Result<Envoy> {
    let folder = folder.join("envoy");
    fs::create_dir_all(&folder)?;
    let (plain, tls) = (free_port()?, free_port()?);
    let config = folder.join("envoy.json");
    fs::write(&config, serde_json::to_string_pretty(&configuration(upstreams, plain, tls)).map_err(io::Error::other)?)?;
    let arguments: [&OsStr; 7] = [
        "-c".as_ref(),
        config.as_os_str(),
        "--concurrency".as_ref(),
        "1".as_ref(),
        // No shared memory and no socket that another one on this machine could mean.
        "--disable-hot-restart".as_ref(),
        "-l".as_ref(),
        "warning".as_ref(),
    ];
    let process = Process::start(program, &arguments, &[], place, &folder.join("envoy.log"))?;
    Ok(Envoy { process, plain, tls })
}

/// A message of its interface.
fn typed(name: &str, mut value: Value) -> Value {
    value["@type"] = json!(format!("type.googleapis.com/{name}"));
    value
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}

fn configuration(upstreams: &Upstreams<'_>, plain: SocketAddr, tls: SocketAddr) -> Value {
    json!({"static_resources": {
        "listeners": [listener("plain", plain), listener("tls", tls)],
        "clusters": [
            cluster("plain", upstreams.plain, None),
            cluster("tls", upstreams.tls, Some(trust(upstreams.ca))),
        ],
    }})
}

fn listener(name: &str, at: SocketAddr) -> Value {
    let router = json!({"name": "envoy.filters.http.router", "typed_config":
        typed("envoy.extensions.filters.http.router.v3.Router", json!({"suppress_envoy_headers": true}))});
    let connections = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": name,
            "codec_type": "HTTP1",
            "generate_request_id": false,
            "http_filters": [router],
            "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "75s"}},
            ]}]},
        }),
    );
    json!({
        "name": name, "address": address(at), "tcp_backlog_size": 4_096, "enable_reuse_port": false,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}],
    })
}

fn cluster(name: &str, to: SocketAddr, tls: Option<Value>) -> Value {
    let limits = json!({"max_connections": AT_ONCE, "max_pending_requests": AT_ONCE, "max_requests": AT_ONCE});
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(to)}}]}]},
    });
    if let Some(tls) = tls {
        cluster["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": tls});
    }
    cluster
}

/// The only authority and name that are trusted.
fn trust(ca: &Path) -> Value {
    typed(
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        json!({
            "sni": "localhost",
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "validation_context": {
                    "trusted_ca": {"filename": ca},
                    "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}],
                },
            },
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::configuration;
    use crate::nginx::Upstreams;
    use std::path::Path;

    #[test]
    fn upstreams_are_told_apart_and_tls_is_verified() {
        let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let upstreams = Upstreams { plain: at(1), tls: at(2), ca: Path::new("/ca.pem") };
        let config = configuration(&upstreams, at(3), at(4));
        let port = |place: &str| config.pointer(&format!("/static_resources/{place}/socket_address/port_value")).cloned();
        let endpoint = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
        assert_eq!([port("listeners/0/address"), port("listeners/1/address")], [Some(3.into()), Some(4.into())]);
        assert_eq!([port(&format!("clusters/0/{endpoint}")), port(&format!("clusters/1/{endpoint}"))], [Some(1.into()), Some(2.into())]);
        assert!(config.pointer("/static_resources/clusters/0/transport_socket").is_none());
        let trusted =
            "/static_resources/clusters/1/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
        assert_eq!(config.pointer(trusted), Some(&"/ca.pem".into()));
    }
}
