//! A small blocking caller, and a zoo to call.

// Each suite uses its own part of this module.
#![allow(dead_code)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mock::client::Client;
use mock::journal::{Entry, Outcome};
use mock::{Answers, Config, Dialect, Fault, ProviderConfig, Zoo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// Longer than anything takes on a busy machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN, and over TLS `close_notify` before it.
    Clean,
    /// FIN over TLS without `close_notify`.
    Truncated,
    /// RST.
    Reset,
}

/// A zoo of two providers, `a` and `b`, with TLS and an admin port.
pub(crate) struct World {
    pub(crate) zoo: Zoo,
    pub(crate) admin: Client,
    pub(crate) folder: PathBuf,
}

static FOLDERS: AtomicU64 = AtomicU64::new(0);

impl World {
    pub(crate) fn new() -> World {
        World::with(Answers { words: 8, ..Answers::default() })
    }

    pub(crate) fn with(answers: Answers) -> World {
        World::speaking(Dialect::Openai, answers)
    }

    /// Both providers speak this dialect.
    pub(crate) fn speaking(dialect: Dialect, answers: Answers) -> World {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("mock-{}-{number}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let provider = |name: &str| ProviderConfig { dialect, answers: answers.clone(), ..ProviderConfig::named(name) };
        let zoo = Zoo::start(Config {
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            tls_dir: Some(folder.join("tls")),
            ports_file: Some(folder.join("ports.json")),
            keep_bodies: true,
            providers: vec![provider("a"), provider("b")],
            ..Config::default()
        });
        let zoo = zoo.expect("the zoo starts on ports of the kernel's choice");
        let admin = Client::new(zoo.addresses().admin.expect("an admin port was asked for"));
        World { zoo, admin, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.zoo.addresses().provider("a").expect("a is configured").address
    }

    pub(crate) fn tls_address(&self) -> SocketAddr {
        let a = self.zoo.addresses().provider("a").expect("a is configured");
        a.tls.expect("there is a TLS folder")
    }

    pub(crate) fn call(&self) -> Caller {
        Caller::plain(self.address())
    }

    pub(crate) fn call_tls(&self) -> Caller {
        Caller::secure(self.tls_address(), self.trust()).expect("the certificate is good")
    }

    pub(crate) fn trust(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let path = self.folder.join("tls/ca.pem");
        let ca = CertificateDer::from_pem_file(path).expect("the zoo writes its CA");
        roots.add(ca).expect("the CA is a CA");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the usual versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    pub(crate) fn fault(&self, written: &str) {
        let faults = Fault::parse_list(written).expect("the test writes faults that exist");
        self.admin.set_faults("a", &faults).expect("the admin port takes them");
    }

    pub(crate) fn heal(&self) {
        self.admin.heal("a").expect("the admin port heals");
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let state = self.admin.provider("a").expect("a is configured");
        state["counters"][name].as_u64().expect("the counter exists")
    }

    /// Waits until the state is as wanted. Asks over and over instead of sleeping.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut(&World) -> Option<T>) -> T {
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(found) = look(self) {
                return found;
            }
            std::thread::yield_now();
        }
        panic!("never happened: {what}");
    }

    pub(crate) fn log(&self) -> Vec<Entry> {
        self.admin.log(Some("a"), 0).expect("the log can be read").0
    }

    /// Waits for the last entry to be settled.
    pub(crate) fn settled(&self) -> Entry {
        self.until("the last answer is settled", |world| {
            let last = world.log().pop()?;
            (last.outcome != Outcome::InFlight).then_some(last)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A folder that stays behind lies in the target directory and harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A reply, decoded.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    /// The `data:` lines of a stream.
    pub(crate) fn data(&self) -> Vec<String> {
        data_lines(&self.text())
    }
}

pub(crate) fn data_lines(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

/// One connection to a provider.
pub(crate) struct Caller {
    stream: Box<dyn Stream>,
    seen: Vec<u8>,
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect_timeout(&address, PATIENCE).expect("the provider listens");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a positive time");
    tcp.set_write_timeout(Some(PATIENCE)).expect("a positive time");
    tcp
}

impl Caller {
    pub(crate) fn plain(address: SocketAddr) -> Caller {
        Caller { stream: Box::new(connect(address)), seen: Vec::new() }
    }

    /// Connects and finishes the handshake.
    pub(crate) fn secure(address: SocketAddr, trust: Arc<ClientConfig>) -> io::Result<Caller> {
        let name = ServerName::try_from("localhost").expect("a valid name");
        let mut session = ClientConnection::new(trust, name).map_err(io::Error::other)?;
        let mut tcp = connect(address);
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Caller { stream: Box::new(StreamOwned::new(session, tcp)), seen: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the provider takes bytes");
        self.stream.flush().expect("the provider takes bytes");
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\r\n", body.len());
        self.send(format!("{head}{body}").as_bytes());
    }

    pub(crate) fn chat(&mut self, stream: bool) {
        self.chat_with("", stream);
    }

    pub(crate) fn chat_with(&mut self, headers: &str, stream: bool) {
        let body = chat_body("gpt-4o", stream).to_string();
        self.request("POST", "/v1/chat/completions", headers, &body);
    }

    pub(crate) fn ask(&mut self, path: &str, body: &Value) -> Reply {
        self.request("POST", path, "", &body.to_string());
        self.reply()
    }

    /// Asks with Anthropic's headers.
    pub(crate) fn messages(&mut self, body: &Value) -> Reply {
        self.request("POST", "/v1/messages", "anthropic-version: 2023-06-01\r\n", &body.to_string());
        self.reply()
    }

    /// Reads until `done` says that it has seen enough, or the end.
    pub(crate) fn read_until(&mut self, done: impl Fn(&[u8]) -> bool) -> Result<(), End> {
        let mut space = vec![0; 64 * 1024];
        while !done(&self.seen) {
            match self.stream.read(&mut space) {
                Ok(0) => return Err(End::Clean),
                Ok(count) => self.seen.extend_from_slice(&space[..count]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(End::Truncated);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(End::Reset);
                }
                // A process that is stopped and goes on: sockets with a time-out say so.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => panic!("neither bytes nor an end: {error}"),
            }
        }
        Ok(())
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(mut self) -> (Vec<u8>, End) {
        match self.read_until(|_| false) {
            Err(end) => (self.seen, end),
            Ok(()) => unreachable!("the condition is never met"),
        }
    }

    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// One reply; what follows it stays for the next.
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply().expect("a whole reply")
    }

    pub(crate) fn try_reply(&mut self) -> Result<Reply, String> {
        let ended = |end: End| format!("ended: {end:?}");
        self.read_until(|seen| find(seen, b"\r\n\r\n").is_some()).map_err(ended)?;
        let head_end = find(&self.seen, b"\r\n\r\n").expect("it was just found") + 4;
        let (status, headers) = parse_head(&self.seen[..head_end]);
        self.seen.drain(..head_end);
        let mut reply = Reply { status, headers, body: Vec::new() };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = self.chunks()?;
        } else if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().map_err(|_| "no length".to_owned())?;
            self.read_until(|seen| seen.len() >= length).map_err(ended)?;
            reply.body = self.seen.drain(..length).collect();
        }
        Ok(reply)
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            self.read_until(|seen| find(seen, b"\r\n").is_some()).map_err(|end| format!("{end:?}"))?;
            let line_end = find(&self.seen, b"\r\n").expect("it was just found");
            let line = String::from_utf8_lossy(&self.seen[..line_end]).into_owned();
            let size = usize::from_str_radix(&line, 16).map_err(|_| format!("bad chunk `{line}`"))?;
            let whole = line_end + 2 + size + 2;
            self.read_until(|seen| seen.len() >= whole).map_err(|end| format!("{end:?}"))?;
            body.extend_from_slice(&self.seen[line_end + 2..whole - 2]);
            self.seen.drain(..whole);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

pub(crate) fn parse_head(bytes: &[u8]) -> (u16, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let pairs = lines.filter_map(|line| line.split_once(": "));
    (status.parse().expect("a status code"), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    bytes.windows(needle.len()).position(|window| window == needle)
}

pub(crate) fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).count()
}

pub(crate) fn chat_body(model: &str, stream: bool) -> Value {
    json!({
        "model": model, "stream": stream,
        "messages": [{"role": "user", "content": "What is the weather in Oslo?"}]
    })
}

/// The content of a chat stream, joined.
pub(crate) fn chat_text(data: &[String]) -> String {
    let content = |line: &String| {
        let value: Value = serde_json::from_str(line).ok()?;
        value["choices"][0]["delta"]["content"].as_str().map(str::to_owned)
    };
    data.iter().filter_map(content).collect()
}
