//! As much of an HTTP/1.1 client as the demonstration needs: one connection, one request at a time.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// Longest line of a head or of an event stream, in bytes.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most fields of a head.
const FIELDS_MAX: usize = 100;

/// A connection that is kept alive.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

/// A head.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Status.
    pub(super) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// A field by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its head.
    pub(super) head: Head,
    /// Its body.
    pub(super) body: Vec<u8>,
    /// When the first bytes of the body that `marks` were there.
    pub(super) marked: Option<Instant>,
}

impl Connection {
    /// Connects.
    pub(super) fn open(to: SocketAddr, patience: Duration) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Asks and reads the whole answer; `marks` says which part of the body counts as its first.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &[u8], marks: impl Fn(&[u8]) -> bool) -> io::Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        let head = self.head()?;
        let (mut body, mut marked) = (Vec::new(), None);
        let mut take = |part: &[u8], body: &mut Vec<u8>| {
            if marked.is_none() && marks(part) {
                marked = Some(Instant::now());
            }
            body.extend_from_slice(part);
            if body.len() > BODY_BYTES_MAX { Err(wrong("the body is too long")) } else { Ok(()) }
        };
        if head.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line()?;
                let size =
                    usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16).map_err(|_| wrong("a chunk has no size"))?;
                if size > BODY_BYTES_MAX {
                    return Err(wrong("a chunk is too long"));
                }
                let mut part = vec![0; size];
                self.stream.read_exact(&mut part)?;
                if !self.line()?.is_empty() {
                    return Err(wrong("a chunk does not end where it said"));
                }
                if size == 0 {
                    break;
                }
                take(&part, &mut body)?;
            }
        } else {
            let length = head.field("content-length").and_then(|text| text.parse::<usize>().ok());
            let length = length.filter(|length| *length <= BODY_BYTES_MAX).ok_or_else(|| wrong("the body has no length"))?;
            let mut part = vec![0; length];
            self.stream.read_exact(&mut part)?;
            take(&part, &mut body)?;
        }
        Ok(Answer { head, body, marked })
    }

    fn head(&mut self) -> io::Result<Head> {
        let first = self.line()?;
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let mut head = Head { status: status.ok_or_else(|| wrong("this is no HTTP/1.1 answer"))?, fields: Vec::new() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(head);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("a field has no name"))?;
            if head.fields.len() == FIELDS_MAX {
                return Err(wrong("there are too many fields"));
            }
            head.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// One line without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within an answer"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| wrong("a line is no text"))
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
