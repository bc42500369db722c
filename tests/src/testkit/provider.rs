//! Providers that fail on command: the mock zoo, in this process.

use super::until;
use mock::{
    Answers, CertificateKind, Config, Dialect, Fault, ProviderConfig, Zoo,
    client::Client,
    journal::{Entry, Outcome},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

/// The usual first and second provider of a chain.
pub const NAMES: [&str; 2] = ["primary", "backup"];

/// Words of every answer, unless a test says otherwise.
pub const WORDS: u64 = 12;

/// Some providers, each with a plain and a TLS listener.
#[derive(Debug)]
pub struct Provider {
    zoo: Zoo,
    admin: Client,
    folder: PathBuf,
}

impl Default for Provider {
    fn default() -> Self {
        Provider::new()
    }
}

impl Provider {
    /// [`NAMES`], both well.
    pub fn new() -> Provider {
        Provider::with(&NAMES, &Answers { words: WORDS, ..Answers::default() })
    }

    /// Providers of these names that answer so.
    pub fn with(names: &[&str], answers: &Answers) -> Provider {
        let providers = names.iter().map(|name| ProviderConfig { answers: answers.clone(), ..ProviderConfig::named(name) });
        Provider::of(providers.collect())
    }

    /// Providers of these names, each with its own dialect.
    pub fn speaking(dialects: &[(&str, Dialect)]) -> Provider {
        let answers = Answers { words: WORDS, ..Answers::default() };
        let providers = dialects.iter().map(|(name, dialect)| ProviderConfig {
            answers: answers.clone(),
            dialect: *dialect,
            ..ProviderConfig::named(name)
        });
        Provider::of(providers.collect())
    }

    fn of(providers: Vec<ProviderConfig>) -> Provider {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("throwover-zoo-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let zoo = Zoo::start(Config {
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            tls_dir: Some(folder.clone()),
            keep_bodies: true,
            providers,
            ..Config::default()
        });
        let zoo = zoo.expect("the zoo starts on ports of the kernel's choice");
        let admin = Client::new(zoo.addresses().admin.expect("an admin port was asked for"));
        Provider { zoo, admin, folder }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        // A chain asks the first one first, so that the order of NAMES counts.
        let mut names: Vec<String> = self.zoo.addresses().providers.keys().cloned().collect();
        names.sort_by_key(|name| NAMES.iter().position(|known| known == name).unwrap_or(NAMES.len()));
        names
    }

    /// Where one listens for plain HTTP.
    pub fn plain(&self, name: &str) -> SocketAddr {
        self.zoo.addresses().provider(name).expect("the provider exists").address
    }

    /// Where one listens for TLS.
    pub fn tls(&self, name: &str) -> SocketAddr {
        self.zoo.addresses().provider(name).and_then(|found| found.tls).expect("every provider listens for TLS")
    }

    /// The CA to trust.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Replaces the faults of one; several are separated by commas.
    pub fn fault(&self, name: &str, written: &str) {
        let faults = Fault::parse_list(written).expect("the test writes faults that exist");
        self.admin.set_faults(name, &faults).expect("the admin port takes them");
    }

    /// Adds to the faults of one.
    pub fn add_fault(&self, name: &str, written: &str) {
        let faults = Fault::parse_list(written).expect("the test writes faults that exist");
        self.admin.add_faults(name, &faults).expect("the admin port takes them");
    }

    /// Takes all faults of one away.
    pub fn heal(&self, name: &str) {
        self.admin.heal(name).expect("the admin port heals");
    }

    /// Shows another certificate from now on.
    pub fn certificate(&self, name: &str, kind: CertificateKind) {
        self.admin.set_certificate(name, kind).expect("the admin port takes certificates");
    }

    /// Changes how one answers, field by field.
    pub fn answers(&self, name: &str, fields: &serde_json::Value) {
        self.admin.set_answers(name, fields).expect("the admin port takes answers");
    }

    /// A counter of one.
    pub fn counter(&self, name: &str, counter: &str) -> u64 {
        let state = self.admin.provider(name).expect("the provider exists");
        state["counters"][counter].as_u64().expect("the counter exists")
    }

    /// All that was received, by all of them.
    pub fn log(&self) -> Vec<Entry> {
        self.admin.log(None, 0).expect("the log can be read").0
    }

    /// What was asked for `model`, once nothing of it is in flight any more.
    pub fn log_of(&self, model: &str) -> Vec<Entry> {
        until("every answer of the providers is settled", || {
            let entries: Vec<Entry> = self.log().into_iter().filter(|entry| entry.model == model).collect();
            entries.iter().all(|entry| entry.outcome != Outcome::InFlight).then_some(entries)
        })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // What stays behind lies in the folder for temporary files.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The text that `provider` answers with when it is well.
pub fn text_of(provider: &str) -> String {
    let words: Vec<String> = (0..WORDS).map(|number| format!("w{number}")).collect();
    format!("{provider} says: {}", words.join(" "))
}
