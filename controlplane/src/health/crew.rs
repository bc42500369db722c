//! Those who go and look: a few threads, so that the daemon itself never waits for a provider.
//!
//! Canaries have threads of their own, since they may take as long as a model does, and whether a server is
//! up must be known meanwhile. An errand that finds no room waits where it is.

use super::{
    canary::{Bar, Finding},
    figures,
    wire::{self, Dial, Question, Reply, Trouble},
};
use crate::daemon::Message;
use policy::{Degradation, health::Rule};
use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Threads for what must answer at once, and as many for canaries.
const THREADS: usize = 4;
/// Errands that wait for a thread.
const ERRANDS_MAX: usize = 256;

/// Something to be looked at now.
#[derive(Debug)]
pub struct Errand {
    /// Whose result it will be.
    pub name: String,
    /// Which of its looks.
    pub ticket: u64,
    /// Where.
    pub dial: Arc<Dial>,
    /// What is asked.
    pub question: Question,
    /// How long it may take.
    pub within: Duration,
    /// What the answer is held against.
    pub bar: Measure,
}

/// What an answer is held against.
#[derive(Debug)]
pub enum Measure {
    /// Its status.
    Status,
    /// Figures.
    Figures(Vec<Rule>),
    /// A known answer.
    Canary(Box<Bar>),
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Whose.
    pub name: String,
    /// Of which look.
    pub ticket: u64,
    /// What.
    pub finding: Finding,
}

/// The threads.
#[derive(Debug)]
pub struct Crew {
    quick: SyncSender<Errand>,
    canaries: SyncSender<Errand>,
}

impl Crew {
    /// Starts them. They end when nobody sends them any more, or nobody listens.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(to: &SyncSender<Message>) -> io::Result<Crew> {
        Ok(Crew { quick: line("health", to)?, canaries: line("canary", to)? })
    }

    /// Sends somebody; the errand comes back when nobody is free.
    pub fn send(&self, errand: Errand) -> Result<(), Box<Errand>> {
        let line = if matches!(errand.bar, Measure::Canary(_)) { &self.canaries } else { &self.quick };
        line.try_send(errand).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(errand) | std::sync::mpsc::TrySendError::Disconnected(errand) => Box::new(errand),
        })
    }
}

fn line(name: &str, to: &SyncSender<Message>) -> io::Result<SyncSender<Errand>> {
    let (sender, errands) = sync_channel(ERRANDS_MAX);
    let errands = Arc::new(Mutex::new(errands));
    for number in 1..=THREADS {
        let (errands, to) = (Arc::clone(&errands), to.clone());
        thread::Builder::new().name(format!("{name} {number}")).spawn(move || work(&errands, &to))?;
    }
    Ok(sender)
}

fn work(errands: &Mutex<Receiver<Errand>>, to: &SyncSender<Message>) {
    loop {
        // Held while nothing is there to be done, and let go before it is done.
        let next = errands.lock().map(|errands| errands.recv());
        let Ok(Ok(errand)) = next else { return };
        let finding = looked(&errand);
        let found = Found { name: errand.name, ticket: errand.ticket, finding };
        if to.send(Message::Found(Box::new(found))).is_err() {
            return;
        }
    }
}

/// Goes and looks.
fn looked(errand: &Errand) -> Finding {
    let begun = Instant::now();
    let reply = wire::ask(&errand.dial, &errand.question, errand.within);
    let took = begun.elapsed();
    // A resolver that took too long kept nobody from answering, but the time was over.
    let reply = if took > errand.within + Duration::from_secs(1) { Err(Trouble::Late) } else { reply };
    match &reply {
        Ok(reply) => judged(&errand.bar, reply, took),
        Err(trouble) => Finding::of(trouble),
    }
}

/// What is made of an answer that took so long.
fn judged(bar: &Measure, reply: &Reply, took: Duration) -> Finding {
    let ms = took.as_millis();
    match bar {
        Measure::Canary(bar) => bar.judge(reply, took),
        _ if !(200..300).contains(&reply.status) => Finding::bad(Degradation::HttpError, format!("status {}", reply.status)),
        Measure::Status => Finding::good(format!("status {} after {ms} ms", reply.status)),
        Measure::Figures(rules) => match figures::broken(&reply.body, rules) {
            Ok(None) => Finding::good(format!("{} rules hold", rules.len())),
            Ok(Some(broken)) => Finding::bad(Degradation::Overloaded, broken.0),
            Err(figures::Unread::NoText) => Finding::bad(Degradation::Exception, "its figures are no text"),
            Err(figures::Unread::NoFigure) => Finding::bad(Degradation::Exception, "none of the figures is there that rules are about"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::health::{Bound, Gather};

    #[test]
    fn answers_are_held_against_what_is_wanted_of_them() {
        let reply = |status, body: &str| Reply { status, body: body.as_bytes().to_vec() };
        let rules = vec![Rule { metric: "waiting".to_owned(), of: Gather::Max, bound: Bound::Above(50_000_000) }];
        let verdict = |bar: &Measure, reply: Reply| judged(bar, &reply, Duration::from_millis(3)).verdict;
        assert_eq!(verdict(&Measure::Status, reply(204, "")), Some(Ok(())));
        assert_eq!(verdict(&Measure::Status, reply(503, "")), Some(Err(Degradation::HttpError)));
        assert_eq!(verdict(&Measure::Status, reply(302, "")), Some(Err(Degradation::HttpError)), "a redirect is no success");
        let figures = Measure::Figures(rules);
        assert_eq!(verdict(&figures, reply(200, "waiting 50\n")), Some(Ok(())));
        assert_eq!(verdict(&figures, reply(200, "waiting 51\n")), Some(Err(Degradation::Overloaded)));
        assert_eq!(verdict(&figures, reply(200, "<html>")), Some(Err(Degradation::Exception)));
        assert_eq!(verdict(&figures, reply(404, "waiting 1\n")), Some(Err(Degradation::HttpError)));
    }

    #[test]
    fn trouble_of_ours_says_nothing_of_others() {
        assert_eq!(Finding::of(&Trouble::Late).verdict, Some(Err(Degradation::HighLatency)));
        assert_eq!(Finding::of(&Trouble::TooLong).verdict, Some(Err(Degradation::Exception)));
        assert_eq!(Finding::of(&Trouble::Unaskable(String::new())).verdict, None);
    }
}
