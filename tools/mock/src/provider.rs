//! One provider: its settings, faults, certificate and counters.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use rustls::{HandshakeKind, ServerConfig};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::certs::{Authority, CertError, CertificateKind};
use crate::config::Answers;
use crate::dialect::Dialect;
use crate::fault::{Fault, Stage};
use crate::script::{Random, Script};

macro_rules! counters {
    ($($name:ident $help:literal)*) => {
        /// What a provider has counted since its start or the last reset.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $help] pub $name: AtomicU64,)*
        }

        impl Counters {
            fn json(&self) -> Value {
                json!({$(stringify!($name): self.$name.load(Ordering::Relaxed)),*})
            }

            /// Starts again from nothing. What is open or in flight stays counted.
            fn reset(&self) {
                let lasting = ["open", "in_flight"];
                $(if !lasting.contains(&stringify!($name)) {
                    self.$name.store(0, Ordering::Relaxed);
                })*
            }
        }
    };
}

counters! {
    accepted "Connections accepted."
    open "Connections open now."
    handshakes_full "TLS handshakes in full."
    handshakes_resumed "TLS handshakes resumed by ticket."
    handshakes_failed "TLS handshakes that failed, among them refused certificates."
    requests "Requests read."
    in_flight "Requests whose answer is not complete yet."
    hang_ups "Callers that hung up before their answer was complete."
    faults_struck "Faults that struck."
}

/// The certificate shown now.
#[derive(Debug)]
struct Shown {
    kind: CertificateKind,
    config: Arc<ServerConfig>,
}

/// What changes at run time.
#[derive(Debug)]
struct Changing {
    script: Script,
    answers: Arc<Answers>,
    shown: Option<Shown>,
    last_hang_up: Option<Instant>,
}

/// One provider.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// The API that it speaks.
    pub dialect: Dialect,
    /// Where it listens for plain HTTP.
    pub address: SocketAddr,
    /// Where it listens for TLS.
    pub tls_address: Option<SocketAddr>,
    /// What it has counted.
    pub counters: Counters,
    /// Counts changes of the script; listeners watch it.
    pub changes: watch::Sender<u64>,
    /// How many changes each listener has acted upon: plain, TLS.
    pub acted: [watch::Sender<u64>; 2],
    /// Counts the moments at which every open connection is to be reset.
    pub resets: watch::Sender<u64>,
    seed: u64,
    changing: Mutex<Changing>,
}

impl Provider {
    /// A provider at these addresses.
    pub fn new(
        config: &crate::config::ProviderConfig,
        addresses: (SocketAddr, Option<SocketAddr>),
        authority: Option<&Authority>,
        seed: u64,
    ) -> Result<Provider, CertError> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (seed, &config.name).hash(&mut hasher);
        let seed = hasher.finish();
        let mut script = Script::new(seed);
        script.set(config.faults.clone(), Instant::now());
        let shown = authority.map(|authority| shown(authority, CertificateKind::Good)).transpose()?;
        let (address, tls_address) = addresses;
        Ok(Provider {
            name: config.name.clone(),
            dialect: config.dialect,
            address,
            tls_address,
            counters: Counters::default(),
            changes: watch::Sender::new(0),
            acted: [watch::Sender::new(0), watch::Sender::new(0)],
            resets: watch::Sender::new(0),
            seed,
            changing: Mutex::new(Changing { script, answers: Arc::new(config.answers.clone()), shown, last_hang_up: None }),
        })
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().expect("nothing panics while it holds a provider")
    }

    /// Replaces all faults, or adds to them.
    pub fn set_faults(&self, faults: Vec<Fault>, replace: bool) {
        let now = Instant::now();
        let mut changing = self.changing();
        match replace {
            true => changing.script.set(faults, now),
            false => changing.script.add(faults, now),
        }
        drop(changing);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Waits until every listener has acted upon the changes so far.
    pub async fn settled(&self) {
        let wanted = *self.changes.borrow();
        let listeners = if self.tls_address.is_some() { 2 } else { 1 };
        for acted in &self.acted[..listeners] {
            // The sender lives as long as the provider, so this fails only when nothing waits.
            drop(acted.subscribe().wait_for(|count| *count >= wanted).await);
        }
    }

    /// Takes the faults that strike now.
    pub fn strike(&self, stage: Stage, facts: crate::script::Facts<'_>) -> (Vec<Fault>, Random) {
        let mut changing = self.changing();
        let struck = changing.script.strike(stage, facts, Instant::now());
        let random = changing.script.fork();
        self.counters.faults_struck.fetch_add(struck.len() as u64, Ordering::Relaxed);
        (struck, random)
    }

    /// The fault that closes the listeners, and how long until time changes that.
    pub fn refusal(&self) -> (Option<Fault>, Option<std::time::Duration>) {
        let now = Instant::now();
        let changing = self.changing();
        (changing.script.refusal(now), changing.script.next_change(now))
    }

    /// How it answers.
    pub fn answers(&self) -> Arc<Answers> {
        Arc::clone(&self.changing().answers)
    }

    /// Changes how it answers.
    pub fn set_answers(&self, answers: Answers) {
        self.changing().answers = Arc::new(answers);
    }

    /// The TLS side with the certificate shown now.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.changing().shown.as_ref().map(|shown| Arc::clone(&shown.config))
    }

    /// Shows another certificate from the next handshake on; tickets given before are void.
    pub fn show(&self, authority: &Authority, kind: CertificateKind) -> Result<(), CertError> {
        let next = shown(authority, kind)?;
        self.changing().shown = Some(next);
        Ok(())
    }

    /// Counts a handshake.
    pub fn count_handshake(&self, kind: Option<HandshakeKind>) {
        let counter = match kind {
            Some(HandshakeKind::Resumed) => &self.counters.handshakes_resumed,
            Some(_) => &self.counters.handshakes_full,
            None => &self.counters.handshakes_failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a hang-up.
    pub fn count_hang_up(&self) {
        self.counters.hang_ups.fetch_add(1, Ordering::Relaxed);
        self.changing().last_hang_up = Some(Instant::now());
    }

    /// Heals everything and forgets every count.
    pub fn reset(&self, authority: Option<&Authority>) -> Result<(), CertError> {
        if let Some(authority) = authority {
            self.show(authority, CertificateKind::Good)?;
        }
        self.counters.reset();
        let mut changing = self.changing();
        changing.last_hang_up = None;
        changing.script = Script::new(self.seed);
        drop(changing);
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Its state, for the admin port.
    pub fn state(&self) -> Value {
        let now = Instant::now();
        let changing = self.changing();
        let refused = changing.script.refusal(now).is_some();
        let faults = changing.script.list(now);
        let ago = changing.last_hang_up.map(|at| at.elapsed().as_millis());
        json!({
            "name": self.name,
            "dialect": self.dialect,
            "state": if refused { "refusing" } else if faults.is_empty() { "well" } else { "faulty" },
            "address": self.address,
            "tls": self.tls_address,
            "certificate": changing.shown.as_ref().map(|shown| shown.kind),
            "faults": faults,
            "answers": shown_answers(&changing.answers),
            "counters": self.counters.json(),
            "last_hang_up_ms_ago": ago.map(|ago| u64::try_from(ago).unwrap_or(u64::MAX)),
        })
    }
}

/// The settings without the keys.
fn shown_answers(answers: &Answers) -> Value {
    let mut value = json!(answers);
    value["keys"] = json!(answers.keys.len());
    value
}

fn shown(authority: &Authority, kind: CertificateKind) -> Result<Shown, CertError> {
    let config = authority.server_config(kind)?;
    Ok(Shown { kind, config })
}
