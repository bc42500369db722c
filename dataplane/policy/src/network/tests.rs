use super::*;

fn network(text: &str) -> Network {
    Network::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn an_address_is_in_a_network_when_its_leading_bits_are() {
    let table = [
        ("10.0.0.0/8", "10.255.1.2", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "10.0.0.1", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::1", "::1", true),
        // An IPv4 address on a socket of both families.
        ("10.0.0.0/8", "::ffff:10.2.3.4", true),
        ("::/0", "::ffff:10.2.3.4", false),
        ("192.168.4.128/25", "192.168.4.127", false),
        ("192.168.4.128/25", "192.168.4.128", true),
    ];
    for (text, address, inside) in table {
        assert_eq!(network(text).contains(address.parse().unwrap()), inside, "{address} in {text}");
    }
}

#[test]
fn what_is_no_network_is_refused() {
    for text in
        ["", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/-1", "10.0.0.0/", "example.com", "10.0.0/8", "::ffff:10.0.0.1", "1/2/3"]
    {
        assert!(Network::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn it_is_shown_as_it_is_read() {
    for text in ["10.0.0.0/8", "2001:db8::/32", "::1/128", "0.0.0.0/0"] {
        assert_eq!(network(text).to_string(), text);
    }
}
