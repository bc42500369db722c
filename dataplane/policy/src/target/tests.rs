use super::*;

fn origin(proxy: Option<(&str, u16)>) -> Origin {
    Origin {
        host: "provider.test".to_owned(),
        port: 443,
        tls: None,
        server_name: "provider.test".to_owned(),
        proxy: proxy.map(|(host, port)| (host.to_owned(), port)),
        warm: 1,
        connections_max: 1,
    }
}

#[test]
fn behind_a_proxy_only_the_proxy_is_looked_up() {
    assert_eq!(origin(None).first_hop(), ("provider.test", 443));
    assert_eq!(origin(Some(("proxy.test", 3128))).first_hop(), ("proxy.test", 3128));
}
