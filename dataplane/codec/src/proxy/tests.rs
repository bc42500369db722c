use super::*;

fn read(bytes: &[u8]) -> Result<Option<(Option<String>, usize)>, Malformed> {
    introduction(bytes).map(|found| found.map(|(said, used)| (said.source.map(|address| address.to_string()), used)))
}

fn binary_header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend_from_slice(&[command, family]);
    bytes.extend_from_slice(&(addresses.len() as u16).to_be_bytes());
    bytes.extend_from_slice(addresses);
    bytes
}

fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let mut six = vec![0; 36];
    six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
    let mut mapped = vec![0; 36];
    mapped[..16].copy_from_slice(&"::ffff:192.0.2.9".parse::<Ipv6Addr>().unwrap().octets());
    let four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb];
    let with_tlvs = [&four[..], &[4, 0, 3, 1, 2, 3]].concat();
    vec![
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".to_vec(), Some("192.0.2.1")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::8 56324 443\r\n".to_vec(), Some("2001:db8::7")),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 0 65535\r\n".to_vec(), Some("192.0.2.1")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff:f...f:ffff whatever 1 2 3\r\n".to_vec(), None),
        (binary_header(0x21, 0x11, &four), Some("192.0.2.1")),
        (binary_header(0x21, 0x11, &with_tlvs), Some("192.0.2.1")),
        (binary_header(0x21, 0x21, &six), Some("2001:db8::7")),
        (binary_header(0x21, 0x21, &mapped), Some("192.0.2.9")),
        (binary_header(0x20, 0x00, &[]), None),
        (binary_header(0x20, 0x11, &four), None),
        (binary_header(0x21, 0x00, &[1, 2, 3]), None),
        (binary_header(0x21, 0x31, &[0; 216]), None),
    ]
}

#[test]
fn a_header_is_read_to_its_end_and_no_further() {
    for (bytes, source) in good() {
        let expected = (source.map(str::to_owned), bytes.len());
        assert_eq!(read(&bytes), Ok(Some(expected.clone())), "{bytes:?}");
        let longer = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&longer), Ok(Some(expected)), "{bytes:?}");
    }
}

#[test]
fn any_beginning_of_a_header_waits_for_more() {
    for (bytes, _) in good() {
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Ok(None), "{:?}", &bytes[..end]);
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let too_long = binary_header(0x21, 0x11, &vec![0; SIZE_MAX]);
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; LINE_SIZE_MAX]].concat();
    let table: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 192.0.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        binary_header(0x11, 0x11, &[0; 12]),
        binary_header(0x22, 0x11, &[0; 12]),
        binary_header(0x21, 0x11, &[0; 11]),
        binary_header(0x21, 0x21, &[0; 35]),
        too_long,
        endless,
    ];
    for bytes in table {
        assert_eq!(read(&bytes), Err(Malformed), "{:?}", String::from_utf8_lossy(&bytes));
    }
}
