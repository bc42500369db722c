//! A tenant: a small blocking HTTP/1.1 client that shows every byte.

use super::{PATIENCE, certs};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use serde_json::{Value, json};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// The largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing says; the connection may go on.
    Complete,
    /// The connection ended where the framing has no end.
    Cut,
    /// The connection ended, which is the end of a body without a length (HTTP/1.0).
    Closed,
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Its fields, names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its head.
    pub head: Head,
    /// Its body without framing.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name, where it has one.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// `error.code` of a JSON error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whole events of a stream, comments left out.
    pub fn events(&self) -> Vec<Event> {
        events(&self.text())
    }

    /// What the model says: of a JSON answer or of a stream, on any surface.
    pub fn content(&self) -> String {
        if self.head.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return self.events().iter().map(|event| content_of(&event.data)).collect();
        }
        let json = self.json();
        let places = ["/choices/0/message/content", "/choices/0/text", "/output/0/content/0/text"];
        places.iter().find_map(|place| json.pointer(place)?.as_str()).unwrap_or_default().to_owned()
    }

    /// The stream has its terminal marker.
    pub fn done(&self) -> bool {
        self.events().iter().any(|event| event.data == "[DONE]" || event.name == "response.completed")
    }

    /// The error event of a stream.
    pub fn error_event(&self) -> Option<Value> {
        self.events().iter().find_map(|event| {
            let data: Value = serde_json::from_str(&event.data).ok()?;
            (data.get("error").is_some_and(Value::is_object) || event.name == "error").then_some(data)
        })
    }
}

/// The events of an event stream that are whole.
pub fn events(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n");
    let whole = text.rfind("\n\n").map_or("", |at| &text[..at]);
    let blocks = whole.split("\n\n").map(|block| {
        let mut event = Event { name: String::new(), data: String::new() };
        for line in block.lines() {
            if let Some(name) = line.strip_prefix("event:") {
                name.trim().clone_into(&mut event.name);
            } else if let Some(data) = line.strip_prefix("data:") {
                event.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        event
    });
    blocks.filter(|event| !event.data.is_empty()).collect()
}

fn content_of(data: &str) -> String {
    let json: Value = serde_json::from_str(data).unwrap_or_default();
    if json["type"] == "response.output_text.delta" {
        return json["delta"].as_str().unwrap_or_default().to_owned();
    }
    let places = ["/choices/0/delta/content", "/choices/0/text"];
    places.iter().find_map(|place| json.pointer(place)?.as_str()).unwrap_or_default().to_owned()
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
    Over,
}

/// One connection to the gateway.
pub struct Tenant {
    wire: Wire,
    received: Vec<u8>,
    framing: Framing,
    ended: bool,
}

impl Tenant {
    /// Connects by plain HTTP.
    pub fn connect(address: SocketAddr) -> Tenant {
        Tenant::over(Wire::Plain(open(address)))
    }

    /// Connects by TLS, trusting the CA in `ca`.
    ///
    /// # Errors
    /// The handshake fails.
    pub fn connect_tls(address: SocketAddr, ca: &Path) -> io::Result<Tenant> {
        let name = ServerName::try_from("localhost").expect("a host name");
        let session = ClientConnection::new(certs::trust(ca), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, open(address));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Tenant::over(Wire::Tls(Box::new(stream))))
    }

    fn over(wire: Wire) -> Tenant {
        Tenant { wire, received: Vec::new(), framing: Framing::Over, ended: false }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The gateway has hung up.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(bytes),
            Wire::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the gateway takes what it is sent");
    }

    /// Sends one request and reads its answer.
    pub fn ask(&mut self, request: &Ask) -> Answer {
        self.send(&request.bytes());
        self.answer()
    }

    /// Reads a whole answer; interim ones are passed over.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        self.rest(head)
    }

    /// Reads the rest of an answer whose head was read, and perhaps some of its body.
    pub fn rest(&mut self, head: Head) -> Answer {
        let mut body = Vec::new();
        while let Some(part) = self.part() {
            body.extend_from_slice(&part);
            assert!(body.len() <= ANSWER_BYTES_MAX, "the answer has no end");
        }
        let end = match self.framing {
            Framing::Over => End::Complete,
            Framing::UntilClose => End::Closed,
            _ => End::Cut,
        };
        Answer { head, body, end }
    }

    /// Reads a head, interim ones passed over.
    pub fn head(&mut self) -> Head {
        loop {
            let head = self.any_head().unwrap_or_else(|| panic!("the gateway hung up instead of answering; {}", self.seen()));
            if head.status >= 200 {
                return head;
            }
        }
    }

    /// Reads a head of any status; `None` when the connection ends before one.
    pub fn any_head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                return None;
            }
        };
        let bytes: Vec<u8> = self.received.drain(..end).collect();
        let text = String::from_utf8(bytes).expect("heads of ours are ASCII");
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("this is no status line: {text:?}"));
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let fields = lines.map(|line| field(line).unwrap_or_else(|| panic!("this is no field: {line:?}"))).collect();
        let head = Head { status, fields };
        for (index, (name, _)) in head.fields.iter().enumerate() {
            assert!(head.fields[..index].iter().all(|(other, _)| other != name), "`{name}` stands twice in {text:?}");
        }
        self.framing = match (head.field("transfer-encoding"), head.field("content-length")) {
            (Some(coding), None) => {
                assert_eq!(coding, "chunked");
                Framing::Chunked
            }
            (None, Some(length)) => Framing::Length(length.parse().expect("a length is a number")),
            (Some(_), Some(_)) => panic!("an answer with two lengths: {text:?}"),
            (None, None) if status < 200 || status == 204 => Framing::Over,
            (None, None) => Framing::UntilClose,
        };
        Some(head)
    }

    /// The next part of the body; `None` at its end, and where the connection ends.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        match self.framing {
            Framing::Over => None,
            Framing::Length(0) => {
                self.framing = Framing::Over;
                None
            }
            Framing::Length(missing) => {
                if self.received.is_empty() && !self.more() {
                    return None;
                }
                let count = missing.min(self.received.len());
                self.framing = Framing::Length(missing - count);
                Some(self.received.drain(..count).collect())
            }
            Framing::UntilClose => {
                if self.received.is_empty() && !self.more() {
                    return None;
                }
                Some(std::mem::take(&mut self.received))
            }
            Framing::Chunked => self.chunk(),
        }
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = loop {
            if let Some(at) = self.received.windows(2).position(|two| two == b"\r\n") {
                break at;
            }
            if !self.more() {
                return None;
            }
        };
        let text = String::from_utf8_lossy(&self.received[..line]).into_owned();
        let size = usize::from_str_radix(&text, 16).unwrap_or_else(|_| panic!("this is no chunk size: {text:?}"));
        while self.received.len() < line + 2 + size + 2 {
            if !self.more() {
                return None;
            }
        }
        let data: Vec<u8> = self.received.drain(..line + 2 + size + 2).skip(line + 2).take(size).collect();
        if size == 0 {
            self.framing = Framing::Over;
            return None;
        }
        Some(data)
    }

    /// Reads parts until `text` has come; returns what came.
    pub fn body_until(&mut self, text: &str) -> String {
        let mut body = String::new();
        while !body.contains(text) {
            let part = self.part().unwrap_or_else(|| panic!("the body ended before {text:?} came: {body:?}"));
            body.push_str(&String::from_utf8_lossy(&part));
        }
        body
    }

    /// True when the gateway has said something that was not read yet, or has hung up.
    pub fn has_news(&self) -> bool {
        let socket = self.socket();
        socket.set_nonblocking(true).expect("a socket can be told not to block");
        let news = !matches!(socket.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        socket.set_nonblocking(false).expect("a socket can be told to block");
        news || !self.received.is_empty()
    }

    /// True once the gateway has closed the connection and nothing more was sent.
    pub fn closed(&mut self) -> bool {
        self.received.is_empty() && !self.more()
    }

    /// True when the connection ends and nothing that came looks like HTTP.
    pub fn ends_without_http(&mut self) -> bool {
        while self.more() {}
        !self.received.starts_with(b"HTTP/")
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.socket().shutdown(Shutdown::Write).expect("the connection stands");
    }

    /// Closes with RST instead of FIN.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
    }

    fn socket(&self) -> &TcpStream {
        match &self.wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => &stream.sock,
        }
    }

    /// Receives something; false when the connection has ended, however it did.
    fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let mut part = [0; 64 * 1024];
        let read = match &mut self.wire {
            Wire::Plain(stream) => stream.read(&mut part),
            Wire::Tls(stream) => stream.read(&mut part),
        };
        match read {
            Ok(count) => self.received.extend_from_slice(&part[..count]),
            // A process that was stopped and goes on: with a timeout the kernel does not try again, see signal(7).
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the gateway said nothing for {} s; {}", PATIENCE.as_secs(), self.seen())
            }
            Err(_) => {}
        }
        self.ended = !matches!(read, Ok(1..));
        !self.ended
    }

    fn seen(&self) -> String {
        let shown = &self.received[..self.received.len().min(2_000)];
        format!("not yet read: {:?}", String::from_utf8_lossy(shown))
    }
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.set_nodelay(true).expect("TCP has the option");
    stream
}

/// A request to be.
#[derive(Clone, Debug)]
pub struct Ask {
    method: &'static str,
    path: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// `POST` of a JSON document.
    pub fn post(path: &str, body: &Value) -> Ask {
        Ask::raw(path, body.to_string().as_bytes())
    }

    /// `POST` of bytes that are called JSON.
    pub fn raw(path: &str, body: &[u8]) -> Ask {
        let fields = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ask { method: "POST", path: path.to_owned(), fields, body: body.to_vec() }
    }

    /// `GET`.
    pub fn get(path: &str) -> Ask {
        Ask { method: "GET", path: path.to_owned(), fields: Vec::new(), body: Vec::new() }
    }

    /// A chat of one message.
    pub fn chat(model: &str) -> Ask {
        Ask::post("/v1/chat/completions", &json!({"model": model, "messages": [{"role": "user", "content": "hi"}]}))
    }

    /// The same, as a stream.
    pub fn stream(model: &str) -> Ask {
        Ask::post("/v1/chat/completions", &json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hi"}]}))
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Ask {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Presents a key.
    #[must_use]
    pub fn key(self, key: &str) -> Ask {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The head, its blank line included.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: gateway\r\n", self.method, self.path);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The whole request.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
