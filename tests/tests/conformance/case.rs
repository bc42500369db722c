//! What a case is, and the short words that its bytes are written with.

/// A body that would be answered, were it to get through.
pub(crate) const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi!!"}]}"#;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// It ends, and nothing behind the case is read as a request.
    Closes,
    /// It goes on, and what is behind the case is the next request.
    Stays,
    /// The tenant says that it has sent everything; what it is answered, if anything, is the last.
    Fin,
}

/// What may have reached the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// Not one byte.
    Nothing,
    /// One request with [`BODY`], well-formed and framed by its length.
    One,
}

/// One input and what must come of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Where the rule stands.
    pub(crate) rule: &'static str,
    /// What is sent, for people.
    pub(crate) name: &'static str,
    /// Which answers are right; 0 stands for none.
    pub(crate) status: &'static [u16],
    pub(crate) connection: Connection,
    pub(crate) upstream: Upstream,
    /// What is sent, to be written out by [`parts`].
    send: &'static [u8],
    /// A sound request goes before it, in the same write, and is answered first.
    pub(crate) second: bool,
}

/// Refused, and the connection ends.
pub(crate) const fn refuse(rule: &'static str, name: &'static str, status: &'static [u16], send: &'static [u8]) -> Case {
    Case { rule, name, status, connection: Connection::Closes, upstream: Upstream::Nothing, send, second: false }
}

/// Answered by the gateway itself, and the connection goes on.
pub(crate) const fn answer(rule: &'static str, name: &'static str, status: &'static [u16], send: &'static [u8]) -> Case {
    Case { rule, name, status, connection: Connection::Stays, upstream: Upstream::Nothing, send, second: false }
}

/// Answered by the provider, and the connection goes on.
pub(crate) const fn serve(rule: &'static str, name: &'static str, send: &'static [u8]) -> Case {
    Case { rule, name, status: &[200], connection: Connection::Stays, upstream: Upstream::One, send, second: false }
}

/// Answered by the provider, and the connection ends.
pub(crate) const fn last(rule: &'static str, name: &'static str, send: &'static [u8]) -> Case {
    Case { rule, name, status: &[200], connection: Connection::Closes, upstream: Upstream::One, send, second: false }
}

/// Not whole when the tenant stops sending: nothing of it may reach a provider.
pub(crate) const fn torn(rule: &'static str, name: &'static str, send: &'static [u8]) -> Case {
    Case { rule, name, status: &[0, 400, 408], connection: Connection::Fin, upstream: Upstream::Nothing, send, second: false }
}

impl Case {
    /// Refused as the second request of a connection, whose first one is served.
    pub(crate) const fn pipelined(rule: &'static str, name: &'static str, status: &'static [u16], send: &'static [u8]) -> Case {
        Case { upstream: Upstream::One, second: true, ..refuse(rule, name, status, send) }
    }

    /// The bytes, and where there is more than one part: a `100 Continue` comes in between.
    ///
    /// `|` is CRLF. In braces: `body`, `body A B` (a part of it), `n` (its length), `hex` (the
    /// same as a chunk size), `post` (request line and Host), `te` (a whole head that announces
    /// chunks), `chunk` (the body in one chunk), `chunked` (the same and the end), `100` (wait),
    /// `brace` (one that opens), `N*x` (N times x), `fields N`.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![Vec::new()];
        if self.second {
            write(b"{post}content-length: {n}||{body}", &mut parts);
        }
        write(self.send, &mut parts);
        parts
    }

    /// Its answer has no body, whatever its head says.
    pub(crate) fn is_head(&self) -> bool {
        self.send.starts_with(b"HEAD ")
    }
}

fn write(mut text: &[u8], parts: &mut Vec<Vec<u8>>) {
    while let Some((&byte, rest)) = text.split_first() {
        text = rest;
        let word = rest.iter().position(|&byte| byte == b'}').filter(|_| byte == b'{');
        if let Some(end) = word {
            let word = std::str::from_utf8(&rest[..end]).expect("words are ASCII");
            text = &rest[end + 1..];
            expand(word, parts);
            continue;
        }
        let out = parts.last_mut().expect("there is always one");
        if byte == b'|' { out.extend_from_slice(b"\r\n") } else { out.push(byte) }
    }
}

fn expand(word: &str, parts: &mut Vec<Vec<u8>>) {
    let out = parts.last_mut().expect("there is always one");
    match word {
        "body" => out.extend_from_slice(BODY.as_bytes()),
        "n" => out.extend_from_slice(BODY.len().to_string().as_bytes()),
        "hex" => out.extend_from_slice(format!("{:x}", BODY.len()).as_bytes()),
        "post" => write(b"POST /v1/chat/completions HTTP/1.1|host: g|", parts),
        "te" => write(b"{post}transfer-encoding: chunked||", parts),
        "chunk" => write(b"{hex}|{body}|", parts),
        "chunked" => write(b"{chunk}0||", parts),
        "100" => parts.push(Vec::new()),
        "brace" => out.push(b'{'),
        _ => {
            if let Some((from, to)) = word.strip_prefix("body ").and_then(|range| range.split_once(' ')) {
                let place = |text: &str| text.parse::<usize>().expect("a place in the body is a number");
                out.extend_from_slice(&BODY.as_bytes()[place(from)..place(to)]);
            } else if let Some((times, what)) = word.split_once('*') {
                let times = times.parse().expect("a number stands before the asterisk");
                let what: Vec<u8> = what.replace('|', "\r\n").into_bytes();
                (0..times).for_each(|_| out.extend_from_slice(&what));
            } else {
                let count = word.strip_prefix("fields ").and_then(|count| count.parse::<u32>().ok());
                let count = count.unwrap_or_else(|| panic!("the tables know no {{{word}}}"));
                (0..count).for_each(|number| out.extend_from_slice(format!("x-{number}: 1\r\n").as_bytes()));
            }
        }
    }
}
