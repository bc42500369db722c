//! Tables of bodies; those of the chunked coding follow RFC 9112 7.1.

use proptest::prelude::*;

use super::*;

/// The content and what is left over, or the fault.
fn read(framing: Framing, max: u64, input: &[u8]) -> Result<(Vec<u8>, bool, &[u8]), Fault> {
    let mut decoder = Decoder::new(framing, max)?;
    let mut content = Vec::new();
    let mut rest = input;
    loop {
        let step = decoder.decode(rest)?;
        content.extend_from_slice(&rest[step.data]);
        rest = &rest[step.used..];
        if step.done || step.used == 0 {
            return Ok((content, step.done, rest));
        }
    }
}

fn check_chunked(input: &[u8], expected: Result<(&[u8], bool, &[u8]), Fault>) {
    let found = read(Framing::Chunked, 1 << 20, input);
    let found = found.as_ref().map(|(content, done, rest)| (content.as_slice(), *done, *rest));
    assert_eq!(found.map_err(|fault| *fault), expected, "{}", input.escape_ascii());
    crate::fuzz::body(input);
}

#[test]
fn chunked_accepted() {
    type Row = (&'static [u8], &'static [u8], bool, &'static [u8]);
    let table: [Row; 16] = [
        // RFC 9112 7.1.
        (b"0\r\n\r\n", b"", true, b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", true, b""),
        (b"5\r\nhello\r\n0\r\n\r\nGET /", b"hello", true, b"GET /"),
        (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", true, b""),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", true, b""),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", true, b""),
        (b"0000000000000001\r\nx\r\n0\r\n\r\n", b"x", true, b""),
        (b"000\r\n\r\n", b"", true, b""),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", true, b""),
        // RFC 9112 7.1.1: extensions are ignored.
        (b"1;a\r\nx\r\n0;b=c\r\n\r\n", b"x", true, b""),
        (b"1;a=\"b;\\\"c\\\\ \t\";d=e\r\nx\r\n0\r\n\r\n", b"x", true, b""),
        (b"1;a=\"\"\r\nx\r\n0\r\n\r\n", b"x", true, b""),
        // RFC 9112 7.1.2: trailers are dropped.
        (b"0\r\nA: b\r\nC:\r\n\r\nrest", b"", true, b"rest"),
        (b"0\r\nContent-Length: 5\r\n\r\n", b"", true, b""),
        // Not complete.
        (b"5\r\nhel", b"hel", false, b""),
        (b"5\r\nhello\r\n", b"hello", false, b""),
    ];
    for (input, content, done, rest) in table {
        check_chunked(input, Ok((content, done, rest)));
    }
}

#[test]
fn chunked_refused() {
    use Fault::*;
    let table: [(&[u8], Fault); 52] = [
        // RFC 9112 7.1: chunk-size = 1*HEXDIG. The first one ends a body in httparse.
        (b"\r\n", ChunkSize),
        (b"\r\n\r\n", ChunkSize),
        (b"5\r\nhello\r\n\r\n", ChunkSize),
        (b"0x5\r\nhello", ChunkSize),
        (b"+5\r\nhello", ChunkSize),
        (b"-5\r\nhello", ChunkSize),
        (b"5_0\r\n", ChunkSize),
        (b" 5\r\nhello", ChunkSize),
        (b"\t5\r\nhello", ChunkSize),
        (b"5 \r\nhello", ChunkSize),
        (b"5\t\r\nhello", ChunkSize),
        (b"5 ;a\r\nhello", ChunkSize),
        (b"5.\r\nhello", ChunkSize),
        (b"5,\r\nhello", ChunkSize),
        (b"\"5\"\r\nhello", ChunkSize),
        (b"zz\r\n", ChunkSize),
        (b"g\r\n", ChunkSize),
        (b"5\x00\r\nhello", ChunkSize),
        (b"\xef\xbc\x95\r\nhello", ChunkSize),
        (b";a\r\n", ChunkSize),
        (b"\n0\r\n\r\n", ChunkSize),
        (b"00000000000000001\r\nx", ChunkSize),
        (b"0000000000000000000000000000000000000000\r\n\r\n", ChunkSize),
        // Sizes beyond the limit, before any arithmetic with them.
        (b"FFFFFFFFFFFFFFF0\r\n", TooLarge),
        (b"FFFFFFFFFFFFFFFF\r\n", TooLarge),
        (b"FFFFFFFFFFFFFFFFF\r\n", TooLarge),
        (b"10000000000000000\r\n", TooLarge),
        (b"100001\r\n", TooLarge),
        // RFC 9112 7.1: exactly CRLF.
        (b"5\nhello", ChunkEnd),
        (b"5\rhello", ChunkEnd),
        (b"5\r\rhello", ChunkEnd),
        (b"5\r\nhello0\r\n\r\n", ChunkEnd),
        (b"5\r\nhello!\r\n", ChunkEnd),
        (b"5\r\nhello\n0\r\n\r\n", ChunkEnd),
        (b"5\r\nhello\rX", ChunkEnd),
        (b"5;a\rX", ChunkEnd),
        // RFC 9112 7.1.1: extensions, where httparse takes an LF as part of one.
        (b"2;\nxx\r\n", ChunkExtension),
        (b"5;a\nb\r\n", ChunkExtension),
        (b"5;a\x00b\r\n", ChunkExtension),
        (b"5;\r\nhello", ChunkExtension),
        (b"5; a\r\nhello", ChunkExtension),
        (b"5;a=\r\nhello", ChunkExtension),
        (b"5;a = b\r\nhello", ChunkExtension),
        (b"5;a=\"b\r\nhello", ChunkExtension),
        (b"5;a=\"b\nc\"\r\nhello", ChunkExtension),
        (b"5;a=\"b\"c\r\nhello", ChunkExtension),
        (b"5;;a\r\nhello", ChunkExtension),
        (b"5;a=b=c\r\nhello", ChunkExtension),
        // RFC 9112 7.1.2.
        (b"0\r\n\n", Trailer),
        (b"0\r\n folded\r\n\r\n", Trailer),
        (b"0\r\nA : b\r\n\r\n", Trailer),
        (b"0\r\nA: b\nC: d\r\n\r\n", Trailer),
    ];
    for (input, fault) in table {
        check_chunked(input, Err(fault));
    }
}

#[test]
fn limits_of_chunked() {
    let extension = |size: usize| format!("1;{}\r\nx\r\n", "e".repeat(size - 1)).into_bytes();
    let end = b"0\r\n\r\n".to_vec();
    check_chunked(&[extension(EXTENSION_SIZE_MAX), end.clone()].concat(), Ok((b"x", true, b"")));
    check_chunked(&extension(EXTENSION_SIZE_MAX + 1), Err(Fault::ChunkExtension));
    // 4 KiB of extensions in a body. Enough content comes first to pay for them.
    let content = [b"1000\r\n".as_slice(), &[b'c'; 4096], b"\r\n"].concat();
    let full = [content.clone(), extension(EXTENSION_SIZE_MAX).repeat(16)].concat();
    assert!(matches!(read(Framing::Chunked, 1 << 20, &full), Ok((_, false, _))));
    let over = [full, extension(2)].concat();
    assert_eq!(read(Framing::Chunked, 1 << 20, &over), Err(Fault::ChunkExtension));

    let trailer = |size: usize| format!("0\r\nT: {}\r\n\r\n", "v".repeat(size - 7)).into_bytes();
    check_chunked(&trailer(TRAILERS_SIZE_MAX), Ok((b"", true, b"")));
    check_chunked(&trailer(TRAILERS_SIZE_MAX + 1), Err(Fault::Trailer));

    // One byte in each chunk costs five of framing and is allowed; twenty are too many.
    let thin = b"1\r\nx\r\n".repeat(10_000);
    assert!(matches!(read(Framing::Chunked, 1 << 20, &thin), Ok((_, false, _))));
    let padded = b"0000000000000001;abcdef\r\nx\r\n".repeat(500);
    assert_eq!(read(Framing::Chunked, 1 << 20, &padded), Err(Fault::Overhead));

    // The limit of the content is exact, over all chunks.
    assert!(matches!(read(Framing::Chunked, 2, b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), Ok((_, true, _))));
    assert_eq!(read(Framing::Chunked, 1, b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), Err(Fault::TooLarge));
}

#[test]
fn other_framings() {
    use Framing::{Length, UntilClose};
    let row = |content: &[u8], done, rest: &'static [u8]| Ok((content.to_vec(), done, rest));
    let table = [
        (Framing::None, 9, &b"next"[..], row(b"", true, b"next")),
        (Length(4), 9, b"bodynext", row(b"body", true, b"next")),
        (Length(4), 4, b"body", row(b"body", true, b"")),
        (Length(4), 9, b"bo", row(b"bo", false, b"")),
        (Length(4), 3, b"body", Err(Fault::TooLarge)),
        (Length(u64::MAX), 9, b"", Err(Fault::TooLarge)),
        (Length(u64::MAX), u64::MAX, b"x", row(b"x", false, b"")),
        (UntilClose, 9, b"all of it", row(b"all of it", false, b"")),
        (UntilClose, 8, b"all of it", Err(Fault::TooLarge)),
    ];
    for (framing, max, input, expected) in table {
        assert_eq!(read(framing, max, input), expected, "{framing:?} {max}");
    }
}

#[test]
fn a_closed_connection_ends_only_what_ends_so() {
    let table: [(Framing, &[u8], Result<(), Fault>); 6] = [
        (Framing::None, b"", Ok(())),
        (Framing::Length(2), b"ab", Ok(())),
        (Framing::Length(2), b"a", Err(Fault::Truncated)),
        (Framing::UntilClose, b"a", Ok(())),
        (Framing::Chunked, b"1\r\na\r\n0\r\n", Err(Fault::Truncated)),
        (Framing::Chunked, b"1\r\na\r\n", Err(Fault::Truncated)),
    ];
    for (framing, input, expected) in table {
        let mut decoder = Decoder::new(framing, 100).unwrap();
        let mut rest = input;
        while !rest.is_empty() {
            rest = &rest[decoder.decode(rest).unwrap().used..];
        }
        assert_eq!(decoder.close(), expected, "{framing:?}");
        assert_eq!(decoder.done(), expected.is_ok());
    }
}

#[test]
fn faults_say_something() {
    for fault in Fault::ALL {
        assert_eq!(fault.status(), if *fault == Fault::TooLarge { 413 } else { 400 });
        assert_eq!(Fault::ALL.iter().filter(|other| other.code() == fault.code()).count(), 1);
        assert!(fault.message().ends_with('.'));
    }
}

proptest! {
    #[test]
    fn chunks_that_are_written_are_read_again(parts in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..300), 0..8)
    ) {
        let mut wire = Vec::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            write_chunk_head(&mut wire, part.len());
            wire.extend_from_slice(part);
            wire.extend_from_slice(CHUNK_END);
        }
        wire.extend_from_slice(LAST_CHUNK);
        let found = read(Framing::Chunked, 1 << 20, &wire).unwrap();
        prop_assert_eq!(found, (parts.concat(), true, &b""[..]));
        crate::fuzz::body(&wire);
    }
}

#[test]
fn chunk_heads() {
    for (size, expected) in [(0, ""), (1, "1\r\n"), (255, "ff\r\n"), (4096, "1000\r\n")] {
        let mut out = Vec::new();
        write_chunk_head(&mut out, size);
        assert_eq!(out, expected.as_bytes());
    }
}
