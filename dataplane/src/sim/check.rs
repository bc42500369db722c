//! What must hold for every history, whatever happened in it.

use super::{
    book::{Book, Fault, Meant, Seen, Told},
    line::Leave,
    plan,
    stage::Stage,
    tenant,
};
use crate::{io::Instant, ledger::Entry};
use engine::{
    account::{Outcome, Record},
    exchange::trail::End,
};

/// From a tenant's leaving to the last byte that a provider may still see of it: the network's
/// delays on the way in and out.
const IN_FLIGHT_MS: u64 = 40;

/// Everything that does not hold.
pub(super) fn history(stage: &Stage) -> Vec<String> {
    let book = stage.book.borrow();
    let mut complaints = book.complaints.clone();
    if book.open > 0 {
        complaints.push(format!("{} requests never ended", book.open));
    }
    for (&request, told) in &book.told {
        let entries: Vec<&Entry> = stage.entries.iter().filter(|entry| is_of(entry, told, request)).collect();
        let case = Case { book: &book, request, told, seen: book.attempts(request), decisive: None };
        let complaint = match entries[..] {
            [] => case.unrecorded(),
            [entry] => case.recorded_of_any(entry),
            _ => Err(format!("{} records of one request", entries.len())),
        };
        if let Err(complaint) = complaint {
            complaints.push(format!("request {request}: {complaint}\n{}", case.describe(&entries)));
        }
    }
    complaints
}

/// The record of a request names it in the model; what never came so far, by the answer's head.
fn is_of(entry: &Entry, told: &Told, request: u32) -> bool {
    let model = entry.model.as_str();
    if !model.is_empty() {
        return model.rsplit_once("-r").is_some_and(|(_, number)| number.parse() == Ok(request));
    }
    told.head.as_ref().and_then(|head| head.field("x-request-id")).is_some_and(|id| id == entry.id.to_string())
}

struct Case<'b> {
    book: &'b Book,
    request: u32,
    told: &'b Told,
    seen: &'b [Seen],
    /// Of attempts beside each other: which the tenant has heard.
    decisive: Option<usize>,
}

/// Of attempts beside each other, the provider whose word counted: that of the one that answered, or that
/// failed last.
fn decisive(entry: &Entry) -> Option<usize> {
    let record = entry.record.as_ref()?;
    if !record.attempts().iter().any(|one| one.hedge) {
        return None;
    }
    let answered = record.attempts().iter().find(|one| one.end == End::Answered || one.token_us != 0);
    let failed = || record.attempts().iter().filter(|one| matches!(one.end, End::Failed(_))).max_by_key(|one| one.end_us);
    answered.or_else(failed).map(|one| record.target(one).0 as usize)
}

fn demand(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Case<'_> {
    fn describe(&self, entries: &[&Entry]) -> String {
        let asked: Vec<_> = self.seen.iter().map(|seen| (seen.provider, seen.at, meant_in_short(&seen.meant))).collect();
        let records: Vec<_> = entries
            .iter()
            .map(|entry| {
                let attempts = entry.record.as_ref().map(|record| {
                    record.attempts().iter().map(|one| (record.target(one), one.end, one.detail(), one.status)).collect::<Vec<_>>()
                });
                (entry.status, entry.code, entry.record.as_ref().map(|record| record.outcome), attempts)
            })
            .collect();
        let body = String::from_utf8_lossy(&self.told.body.bytes);
        let body: String = body.chars().take(2_000).collect();
        format!(
            "  ask {:?}\n  sent {:?}, left {:?}, slow {}, behind a close {}\n  head {:?}\n  body ({} bytes, whole {}) {body:?}\n  providers saw {asked:?}\n  records {records:?}",
            self.told.ask,
            self.told.sent_at,
            self.told.left,
            self.told.slow,
            self.told.behind_a_close,
            self.told.head,
            self.told.body.bytes.len(),
            self.told.body.whole,
        )
    }

    /// The tenant has an excuse for an answer that is missing or torn.
    fn excused(&self) -> bool {
        self.told.left.is_some() || self.told.slow
    }

    /// No record: nobody looked at the request.
    fn unrecorded(&self) -> Result<(), String> {
        demand(self.seen.is_empty(), "providers were asked and there is no record")?;
        demand(self.told.head.is_none(), "there was an answer and there is no record")?;
        // A keep-alive connection may end just when the next request comes: RFC 9112, section 9.5.
        Ok(())
    }

    /// Of attempts beside each other at one provider, nobody can tell which came first there.
    fn recorded_of_any(&self, entry: &Entry) -> Result<(), String> {
        let Some(provider) = decisive(entry) else { return self.recorded(entry) };
        let of_provider = (0..self.seen.len()).filter(|at| self.seen[*at].provider == provider);
        let mut complaint = None;
        for at in of_provider {
            match (Case { decisive: Some(at), ..*self }).recorded(entry) {
                Ok(()) => return Ok(()),
                Err(what) => complaint = Some(what),
            }
        }
        complaint.map_or_else(|| self.recorded(entry), Err)
    }

    fn recorded(&self, entry: &Entry) -> Result<(), String> {
        let Some(record) = &entry.record else { return self.undecided(entry) };
        record.validate().map_err(|flaw| format!("{flaw:?}"))?;
        self.attempts(record)?;
        self.requests()?;
        if let Some((left, how)) = self.told.left
            && (how == Leave::Reset || !self.told.pipelined)
        {
            self.nothing_after(left.max(Instant(record.started.0)))?;
        }
        match record.outcome {
            Outcome::Answered => self.answered(),
            Outcome::Relayed => self.relayed(entry),
            Outcome::Estimated => Err("nobody asked for a count".to_owned()),
            Outcome::Earlier => Err("nobody keeps answers".to_owned()),
            Outcome::Templated => Err("no chain has a template".to_owned()),
            Outcome::OwnError { code } => self.own(entry.status, code),
            Outcome::Cut => self.cut(),
            Outcome::HungUp => demand(self.excused(), "the tenant was given up and had not left"),
            Outcome::Stopped if self.meant().is_ok_and(|meant| !matches!(meant, Meant::Nothing)) => self.cut(),
            Outcome::Stopped => self.own(entry.status, entry.code),
        }
    }

    /// Refused before it was decided.
    fn undecided(&self, entry: &Entry) -> Result<(), String> {
        demand(self.seen.is_empty(), "providers were asked before it was decided")?;
        if entry.status == 0 {
            return demand(self.excused() || self.told.head.is_none(), "recorded as hung up");
        }
        let faulty = self.told.ask.fault != Fault::Nothing;
        let busy = matches!(entry.code, "gateway_full" | "body_budget_spent" | "body_timeout" | "head_timeout");
        demand(faulty || busy, "a good request was refused")?;
        self.own(entry.status, entry.code)
    }

    /// Providers saw what the record says, and no more.
    fn attempts(&self, record: &Record) -> Result<(), String> {
        let stale = record.attempts().iter().filter(|one| one.end == End::Stale).count();
        demand(self.seen.len() <= usize::from(record.attempts_max) + stale, "more attempts than the cap allows")?;
        let beside = record.attempts().iter().any(|one| one.hedge);
        let mut made: Vec<(usize, bool)> = record.attempts().iter().map(|one| (record.target(one).0 as usize, one.status != 0)).collect();
        let mut seen: Vec<usize> = self.seen.iter().map(|seen| seen.provider).collect();
        if beside {
            // The second may have been seen before the first.
            made.sort_unstable();
            seen.sort_unstable();
        }
        demand(agree(&made, &seen), "the record tells of other attempts than the providers saw")?;
        // A caller's own mistake is asked once.
        let mistake = self.seen.iter().position(|seen| matches!(seen.meant, Meant::Error { status: 400, .. }));
        demand(beside || mistake.is_none_or(|at| at + 1 == self.seen.len()), "a caller's own mistake was asked again")
    }

    /// Each provider got the tenant's body, but for the model's name and the wish for the usage.
    fn requests(&self) -> Result<(), String> {
        let body = String::from_utf8(self.book.bodies[&self.request].to_vec()).expect("the tenants write text");
        let ask = &self.told.ask;
        for seen in self.seen {
            let name = |model: &str| format!("\"model\":\"{model}\"");
            let mut expected = body.replace(&name(&plan::asked(ask.chain, self.request)), &name(&plan::model(seen.provider)));
            if ask.stream && !ask.usage && !ask.responses {
                let wish = "\"stream_options\":{\"include_usage\":true}";
                expected = if ask.declines_usage {
                    expected.replace(
                        "\"stream_options\":{\"include_usage\":false,\"x\":1}",
                        "\"stream_options\":{\"include_usage\":true,\"x\":1}",
                    )
                } else {
                    expected.replacen('{', &format!("{{{wish},"), 1)
                };
            }
            // A conversation may have been made to fit: scenes look at what is left.
            demand(ask.turns > 0 || seen.body == expected.as_bytes(), "a provider got another body")?;
            let key = format!("Bearer sk-{}", seen.provider);
            demand(seen.head.field("authorization") == Some(&key), "a provider got another's key")?;
            let line = format!("POST {} HTTP/1.1", tenant::path(ask));
            demand(seen.head.first == line, "a provider got another request line")?;
        }
        Ok(())
    }

    fn nothing_after(&self, left: Instant) -> Result<(), String> {
        let until = left.plus_millis(IN_FLIGHT_MS);
        // A provider notes a request when its last byte has come: large ones take their time.
        let small = self.told.ask.size < 2_000;
        demand(!small || self.seen.iter().all(|seen| seen.at <= until), "a provider was asked after the tenant had left")
    }

    fn meant(&self) -> Result<&Meant, String> {
        let seen = self.decisive.map_or_else(|| self.seen.last(), |at| self.seen.get(at));
        seen.map(|seen| &seen.meant).ok_or("there is an answer and nobody was asked".to_owned())
    }

    fn answered(&self) -> Result<(), String> {
        let whole = self.told.body.whole && self.told.head.is_some();
        demand(whole || self.excused(), "an answer was recorded and not delivered")?;
        let kind = self.told.head.as_ref().map_or("", |head| head.field("content-type").unwrap_or_default());
        let kinds = if self.told.ask.stream { "text/event-stream" } else { "application/json" };
        demand(self.told.head.is_none() || kind.starts_with(kinds), "an answer of another kind")?;
        match self.meant()? {
            Meant::Json { body, valid } => {
                demand(*valid, "an answer that was none was delivered as one")?;
                demand(body.starts_with(&self.told.body.bytes), "another body than the provider's")?;
                demand(!whole || body.len() == self.told.body.bytes.len(), "a part of the body as the whole")
            }
            Meant::Events { events, valid } => {
                demand(*valid, "a stream that was none was delivered as one")?;
                let got = events_of(&self.told.body.bytes);
                let (all, least) = (self.shown(events, true), self.shown(events, false));
                demand(is_prefix(&got, &all) || is_prefix(&got, &least), "other events than the provider's")?;
                demand(!whole || got.len() == all.len() || got.len() == least.len(), "a part of the stream as the whole")
            }
            Meant::Error { .. } | Meant::Nothing => Err("an answer came of none".to_owned()),
        }
    }

    /// What the tenant is to see of a provider's events: the usage only if it asked for that.
    fn shown(&self, events: &[Vec<u8>], with_usage: bool) -> Vec<Vec<u8>> {
        let usage = |event: &&Vec<u8>| event.windows(12).any(|part| part == b"\"choices\":[]");
        let wanted = self.told.ask.usage && with_usage;
        events.iter().filter(|event| wanted || !usage(event)).cloned().collect()
    }

    fn relayed(&self, entry: &Entry) -> Result<(), String> {
        let Meant::Error { status, body } = self.meant()? else { return Err("an error of nobody's was relayed".to_owned()) };
        demand(entry.status == *status, "another status than the provider's")?;
        let Some(head) = &self.told.head else { return demand(self.excused(), "an error was not delivered") };
        demand(head.status() == *status, "another status than the provider's")?;
        demand(body.starts_with(&self.told.body.bytes), "another error than the provider's")?;
        demand(self.excused() || body.len() == self.told.body.bytes.len(), "a part of the error")
    }

    fn own(&self, status: u16, code: &str) -> Result<(), String> {
        let Some(head) = &self.told.head else { return demand(self.excused(), "an error was not delivered") };
        let told = String::from_utf8_lossy(&self.told.body.bytes);
        demand(head.status() == status, "another status than recorded")?;
        if status == 200 {
            // Comments had gone out: the error is an event, and the stream has no end.
            let events = events_of(&self.told.body.bytes);
            let errors = events.iter().filter(|event| is_error(event)).count();
            demand(events.len() == errors, "something beside an error")?;
            demand(self.excused() || told.contains(&format!("\"code\":\"{code}\"")), "another code than recorded")?;
            demand(self.excused() || (errors == 1 && (self.told.unframed || !self.told.body.whole)), "a failed stream that ends well")
        } else {
            demand(head.field("x-throwover-fault").is_some(), "nobody's fault")?;
            demand(self.excused() || told.contains(&format!("\"code\":\"{code}\"")), "another code than recorded")?;
            demand(self.excused() || self.told.body.whole, "an error that was torn")
        }
    }

    fn cut(&self) -> Result<(), String> {
        // A stream says so itself, however it ends.
        let says_so = self.told.unframed && self.told.ask.stream;
        demand(!self.told.body.whole || self.told.head.is_none() || says_so, "a cut answer that ends well")?;
        match self.meant()? {
            Meant::Json { body, .. } => demand(body.starts_with(&self.told.body.bytes), "another body than the provider's"),
            Meant::Events { events, .. } => {
                let mut got = events_of(&self.told.body.bytes);
                let error = got.pop_if(|event| is_error(event));
                demand(error.is_some() || self.excused(), "a cut stream that does not say so")?;
                demand(
                    !got.iter().any(|event| event.starts_with(b"data: [DONE]") || event.starts_with(b"event: response.completed")),
                    "a cut stream with the marker of a whole one",
                )?;
                demand(is_prefix(&got, &self.shown(events, true)), "other events than the provider's")
            }
            Meant::Error { .. } | Meant::Nothing => Err("a part of an answer came of none".to_owned()),
        }
    }
}

/// Attempts as recorded, each with whether it was answered, agree with those that were seen: what was
/// answered was seen, and what was seen was recorded.
fn agree(made: &[(usize, bool)], seen: &[usize]) -> bool {
    match (made.split_first(), seen.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(((target, answered), rest)), first) => {
            let matched = first.is_some_and(|(first, later)| first == target && agree(rest, later));
            matched || (!answered && agree(rest, seen))
        }
    }
}

fn is_prefix(part: &[Vec<u8>], whole: &[Vec<u8>]) -> bool {
    whole.starts_with(part)
}

/// An error event of the gateway's, in either dialect.
fn is_error(event: &[u8]) -> bool {
    event.starts_with(b"data: {\"error\":") || event.starts_with(b"event: error\n")
}

/// The whole events of a stream, without comments.
pub(super) fn events_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let whole = text.rfind("\n\n").map_or("", |at| &text[..at + 2]);
    whole.split_inclusive("\n\n").filter(|event| !event.starts_with(':')).map(|event| event.as_bytes().to_vec()).collect()
}

fn meant_in_short(meant: &Meant) -> String {
    match meant {
        Meant::Nothing => "nothing".to_owned(),
        Meant::Error { status, .. } => format!("error {status}"),
        Meant::Json { body, valid } => format!("json of {} bytes, valid {valid}", body.len()),
        Meant::Events { events, valid } => format!("{} events, valid {valid}", events.len()),
    }
}
