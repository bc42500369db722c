//! A steady exchange allocates nothing on its shard: the real ring, real sockets on the loopback,
//! and an allocator that counts for the one thread that matters.

use dataplane::{
    current::Policy,
    io::{Instant, Settings, ring},
    process::Process,
    shard,
};
use policy::{
    Auth, Balance, Chain, ChainId, Dialect, Draft, Gateway, Key, KeyId, Member, Model, Origin, OriginId, Provider, ProviderId, Secret,
    Secrets, Snapshot, Step, Target, TargetId, chain::Name,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

/// Exchanges before counting begins: pools and slabs have grown by then.
const WARM_UP: usize = 200;
/// Exchanges that are counted.
const MEASURED: usize = 1_000;
/// They are counted in so many parts.
const BATCHES: usize = 10;

/// Counts what the shard's thread allocates while it is told to.
struct Counting;

thread_local! {
    // Without a destructor, so that the allocator may read it at any time.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static MEASURING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

impl Counting {
    fn note(&self) {
        if COUNTED.get() && MEASURING.load(Relaxed) {
            ALLOCATIONS.fetch_add(1, Relaxed);
            if std::env::var_os("THROWOVER_ALLOCATIONS").is_some() {
                COUNTED.set(false);
                eprintln!("{}", std::backtrace::Backtrace::force_capture());
                COUNTED.set(true);
            }
        }
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of its
// own but two atomics and a cell that needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: the caller's duties are those of the callee.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are those of the callee, which made the pointer.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.note();
        // SAFETY: the caller's duties are those of the callee, which made the pointer.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn draft(provider: SocketAddr) -> Draft {
    let mut draft = Draft { generation: 1, gateway: Gateway { admin: None, shards: 1, ..Gateway::default() }, ..Draft::default() };
    draft.origins.insert(
        OriginId(0),
        Origin {
            host: provider.ip().to_string(),
            port: provider.port(),
            tls: None,
            server_name: provider.ip().to_string(),
            proxy: None,
            warm: 1,
            connections_max: 8,
        },
    );
    draft.providers.insert(
        ProviderId(0),
        Provider {
            name: "canned".to_owned(),
            dialect: Dialect::OpenAi,
            speaks: Dialect::OpenAi.speaks(),
            quirks: 0,
            origin: OriginId(0),
            base_path: "/v1".to_owned(),
            auth: Auth::Bearer,
            keys: vec![Key::new(KeyId(0), 1)],
            in_flight_max: 8,
            retries: policy::Retries::default(),
            concurrency: policy::Concurrency::default(),
            headers: Vec::new(),
            regions: Vec::new(),
            checks: Vec::new(),
        },
    );
    draft.targets.insert(
        TargetId(0),
        Target {
            name: "canned/small".to_owned(),
            provider: ProviderId(0),
            model: Model::Named("small".to_owned()),
            reasoning: false,
            context_window: None,
            price: None,
            understands: policy::Understands::default(),
            disabled: None,
        },
    );
    let steps = vec![Step::of(Balance::Weighted, vec![Member { target: TargetId(0), weight: 1, wording: None }])];
    draft.chains.insert(ChainId(0), Chain { attempts_max: 3, ..Chain::over("main", steps) });
    draft.names.push(Name { name: "main".to_owned(), chain: ChainId(0), listed: true });
    draft
}

/// Answers every request with the same bytes, on every connection, until it is closed.
fn provide(listener: TcpListener) {
    let body = br#"{"id":"a","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), body].concat();
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let answer = answer.clone();
        thread::spawn(move || {
            stream.set_nodelay(true).expect("a socket option");
            while read_message(&mut stream).is_some() && stream.write_all(&answer).is_ok() {}
        });
    }
}

/// Reads one message with a length; `None` when the other side has ended.
fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).expect("a length");
            let length: usize = length.trim().parse().expect("a number");
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        match stream.read(&mut part) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}

fn ask(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).expect("the gateway reads");
    let answer = read_message(stream).expect("the gateway answers");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_steady_exchange_allocates_nothing() {
    let Ok(capabilities) = ring::probe::probe() else {
        eprintln!("no ring can be made here, so there is nothing to count");
        return;
    };
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let provider = upstream.local_addr().expect("an address");
    thread::spawn(|| provide(upstream));

    let process = Arc::new(Process::new(Instant::now()));
    let secrets = Secrets { keys: vec![(KeyId(0), Secret::new(b"sk-test".to_vec()))], identity: None };
    let snapshot = Snapshot::try_new(draft(provider)).expect("the policy is sound");
    let policy = Policy::build(snapshot, &secrets, [0; 32], None).expect("no file is read");
    process.current.store(Arc::new(policy));
    process.seat(1);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let gateway = listener.local_addr().expect("an address");
    let settings = capabilities.fit(Settings { connections: 256, downstream_max: 128, ..Settings::default() }, 1);
    let shared = process.clone();
    let shard = ring::host::launch(None, settings, move |io| {
        COUNTED.set(true);
        shard::main(io, shared, 0, 4 << 20, vec![shard::Socket { descriptor: listener.into(), introduced: false, shared: false }])
    })
    .expect("a thread");

    let body = br#"{"model":"main","messages":[{"role":"user","content":"hello there"}]}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    let mut stream = TcpStream::connect(gateway).expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket option");
    // The recorder's part: the ring of records is emptied as it fills.
    let sweep = || while process.seats()[0].ledger.pop().is_some() {};
    MEASURING.store(true, Relaxed);
    for _ in 0..WARM_UP {
        ask(&mut stream, &request);
        sweep();
    }
    let before = ALLOCATIONS.swap(0, Relaxed);
    assert!(before > 0, "growing pools allocate, or nothing is counted at all");
    // The shard's housekeeping goes by the clock and may fall into a batch; an exchange that
    // allocates shows in every one.
    let batches: Vec<u64> = (0..BATCHES)
        .map(|_| {
            for _ in 0..MEASURED / BATCHES {
                ask(&mut stream, &request);
                sweep();
            }
            ALLOCATIONS.swap(0, Relaxed)
        })
        .collect();
    MEASURING.store(false, Relaxed);
    let count = batches.iter().min().copied().expect("there are batches");
    drop(stream);
    process.drain(Some(1_000));
    shard.join().expect("the shard ends");
    println!("{before} allocations in the first {WARM_UP} exchanges, {batches:?} in the next {MEASURED}");
    assert_eq!(count, 0, "allocations in the best of the batches {batches:?}");
}
