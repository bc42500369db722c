//! What is to fail, in the words of who asks: `429:openai,timeout:anthropic/claude-sonnet-4-5`.

use crate::{complaint, document::units, time};
use engine::{
    Moment, Prepared,
    exchange::Attempt,
    judge::{self, ErrorFields, Transport, Verdict},
};
use policy::{Class, Model, TargetId};

/// Failures that one question may name.
const FAILURES_MAX: usize = 64;
/// Longest Retry-After that is understood, in milliseconds.
const RETRY_AFTER_MS_MAX: u64 = 7 * 86_400_000;

/// What goes wrong without a status: the words that records have for it.
const EVENTS: &[(&str, Transport)] = &[
    ("connect_refused", Transport::ConnectRefused),
    ("connect_timeout", Transport::ConnectTimeout),
    ("resolve", Transport::Resolve),
    ("tls_handshake", Transport::TlsHandshake),
    ("tls_certificate", Transport::TlsCertificate),
    ("reset_before_head", Transport::ResetBeforeHead),
    ("stale_connection", Transport::StaleConnection),
    ("head_timeout", Transport::HeadTimeout),
    ("first_token_timeout", Transport::FirstTokenTimeout),
    ("idle_timeout", Transport::IdleTimeout),
    ("deadline", Transport::Deadline),
    ("cut_stream", Transport::CutStream),
    ("reset_stream", Transport::ResetStream),
    ("malformed_head", Transport::MalformedHead),
    ("malformed_body", Transport::MalformedBody),
    ("wrong_content_type", Transport::WrongContentType),
];

/// What a class is most often: an event, or a status with the type and code that an error object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usual {
    Event(Transport),
    Status(u16, &'static str),
}

const fn usual(class: Class) -> Usual {
    match class {
        Class::Connect => Usual::Event(Transport::ConnectRefused),
        Class::Tls => Usual::Event(Transport::TlsHandshake),
        Class::Reset => Usual::Event(Transport::ResetBeforeHead),
        Class::Timeout => Usual::Event(Transport::HeadTimeout),
        Class::StreamCut => Usual::Event(Transport::CutStream),
        Class::RateLimit => Usual::Status(429, "rate_limit_error"),
        Class::QuotaExhausted => Usual::Status(402, "insufficient_quota"),
        Class::Auth => Usual::Status(401, "invalid_api_key"),
        Class::Permission => Usual::Status(403, ""),
        Class::ModelGone => Usual::Status(404, "model_not_found"),
        Class::ContextWindow => Usual::Status(400, "context_length_exceeded"),
        Class::ContentFilter => Usual::Status(400, "content_filter"),
        Class::InvalidRequest => Usual::Status(400, "invalid_value"),
        Class::Overloaded => Usual::Status(503, "overloaded_error"),
        Class::ServerError => Usual::Status(500, ""),
        Class::Malformed => Usual::Event(Transport::MalformedBody),
        Class::Empty => Usual::Event(Transport::Empty),
        Class::SchemaViolation => Usual::Event(Transport::SchemaViolation),
        Class::Refusal => Usual::Event(Transport::Refused),
    }
}

/// How something fails.
#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// An error answer; its code stands as the error's type too, since who fails says either.
    Status { status: u16, code: String, retry_after_ms: Option<u64> },
    /// A class, in the form that it has most often.
    Class { class: Class, retry_after_ms: Option<u64> },
    /// Something without a status.
    Event(Transport),
}

/// Who fails.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// Every target of this provider.
    Provider(String),
    /// This target, `provider/model`.
    Target(String),
}

/// One failure as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    how: How,
    who: Who,
}

/// Every failure that was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failures(Vec<Failure>);

/// How an attempt ends that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Blow {
    /// What is made of it.
    pub verdict: Verdict,
    /// When it is over.
    pub at: Moment,
    /// Something of an answer came before.
    pub after_first_token: bool,
}

impl Failures {
    /// Reads what follows `--failure`.
    ///
    /// # Errors
    /// In words, what is wrong with it and what it may be.
    pub(super) fn read(text: &str, prepared: &Prepared) -> Result<Failures, String> {
        let mut failures: Vec<Failure> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (how, who) = part
                .split_once(':')
                .ok_or_else(|| format!("`--failure {part}` does not say whose: write `429:openai` or `timeout:openai/gpt-4o`\n"))?;
            let failure = Failure { how: read_how(how.trim())?, who: read_who(who.trim(), prepared)? };
            if failures.iter().any(|other| other.who == failure.who) {
                return Err(format!("`{}` fails in two ways, and can in one\n", who.trim()));
            }
            failures.push(failure);
        }
        if failures.len() > FAILURES_MAX {
            return Err(format!("{} failures are asked for, and {FAILURES_MAX} are the most\n", failures.len()));
        }
        Ok(Failures(failures))
    }

    /// What becomes of an attempt: `None` when its target is well. What names the target itself counts
    /// before what names its provider.
    pub(super) fn blow(&self, prepared: &Prepared, attempt: &Attempt, asked: &str, stream: bool, now: Moment) -> Option<Blow> {
        let names = |failure: &&Failure| matches!(&failure.who, Who::Target(name) if is_called(prepared, attempt.target, asked, name));
        let provider = &prepared.providers[attempt.provider].name;
        let owns = |failure: &&Failure| matches!(&failure.who, Who::Provider(name) if name == provider);
        let failure = self.0.iter().find(names).or_else(|| self.0.iter().find(owns))?;
        Some(strike(&failure.how, prepared, attempt, stream, now))
    }
}

/// True when `name` means this target: its own name, or the model that it is asked for where it takes
/// its model from the request.
fn is_called(prepared: &Prepared, target: TargetId, asked: &str, name: &str) -> bool {
    let row = &prepared.targets[target];
    let rest = || {
        let provider = &prepared.providers[row.provider].name;
        let model = name.strip_prefix(provider.as_str()).and_then(|rest| rest.strip_prefix('/'));
        row.model == Model::Rest && model.is_some() && model == prepared.model_for(target, asked)
    };
    row.name == name || rest()
}

fn strike(how: &How, prepared: &Prepared, attempt: &Attempt, stream: bool, now: Moment) -> Blow {
    let answer = |status, code: &str, retry_after_ms| {
        let said = Some(code).filter(|code| !code.is_empty());
        let fields = ErrorFields { kind: said, code: said, ..ErrorFields::default() };
        judge::answer(prepared.family(attempt.provider), status, &fields, retry_after_ms, None)
    };
    let at_once = |verdict| Blow { verdict, at: now, after_first_token: false };
    match how {
        How::Status { status, code, retry_after_ms } => at_once(answer(*status, code, *retry_after_ms)),
        How::Event(event) => suffer(*event, attempt, stream, now),
        How::Class { class, retry_after_ms } => match usual(*class) {
            Usual::Event(event) => suffer(event, attempt, stream, now),
            Usual::Status(status, code) => {
                let verdict = answer(status, code, *retry_after_ms);
                // Some provider says it in other words: then it is an error within an answer, which has the class.
                let event = || Verdict { retry_after_ms: *retry_after_ms, ..judge::transport(Transport::ErrorEvent(*class)) };
                at_once(if verdict.class == *class { verdict } else { event() })
            }
        },
    }
}

/// What goes wrong without a status, and when: who waits for nothing waits as long as the policy says.
fn suffer(event: Transport, attempt: &Attempt, stream: bool, now: Moment) -> Blow {
    let at = match event {
        Transport::ConnectTimeout => attempt.connect_by,
        Transport::HeadTimeout | Transport::FirstTokenTimeout => attempt.first_token_by,
        Transport::IdleTimeout => now.plus_ns(attempt.idle_ns).min(attempt.deadline),
        Transport::Deadline => attempt.deadline,
        _ => now,
    };
    let event = match event {
        _ if at >= attempt.deadline => Transport::Deadline,
        Transport::HeadTimeout | Transport::FirstTokenTimeout => attempt.late(event),
        event => event,
    };
    let amid = matches!(event, Transport::CutStream | Transport::ResetStream | Transport::IdleTimeout);
    Blow { verdict: judge::transport(event), at, after_first_token: amid && stream }
}

fn read_how(text: &str) -> Result<How, String> {
    let (what, rest) = text.split_once(';').map_or((text, None), |(what, rest)| (what.trim_end(), Some(rest)));
    let retry_after_ms = rest.map(read_retry_after).transpose()?;
    let (word, code) = what.split_once('/').map_or((what, ""), |(word, code)| (word, code));
    if let Ok(status) = word.parse::<u16>() {
        if !(400..600).contains(&status) {
            return Err(format!("{status} is no status of an error: they are from 400 to 599\n"));
        }
        return Ok(How::Status { status, code: code.to_owned(), retry_after_ms });
    }
    let how = match (Class::from_word(word), EVENTS.iter().find(|(known, _)| *known == word)) {
        (Some(class), _) => How::Class { class, retry_after_ms },
        (None, Some((_, event))) => How::Event(*event),
        (None, None) => return Err(unknown(word)),
    };
    let silent = match &how {
        How::Class { class, .. } => matches!(usual(*class), Usual::Event(_)),
        How::Event(_) | How::Status { .. } => true,
    };
    if !code.is_empty() {
        return Err(format!("`{word}` has no code: only a status has one, as in `429/insufficient_quota`\n"));
    }
    if retry_after_ms.is_some() && silent {
        return Err(format!("`{word}` comes without an answer that could say Retry-After\n"));
    }
    Ok(how)
}

/// Says what failures there are.
fn unknown(word: &str) -> String {
    let words: Vec<&str> = Class::ALL.iter().map(|class| class.word()).chain(EVENTS.iter().map(|(word, _)| *word)).collect();
    let near = complaint::nearest(word, words.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`? "));
    format!(
        "there is no failure `{word}`; {near}it is a status (`429`, `429/insufficient_quota`, `503;retry_after=7`), or {}\n",
        complaint::list(words)
    )
}

/// `retry_after=7`, in seconds as in the head, or with a unit.
fn read_retry_after(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`;{text}` is not understood: after the failure may stand `;retry_after=7`, in seconds, or `;retry_after=500ms`\n");
    let value = text.trim().strip_prefix("retry_after=").ok_or_else(wrong)?;
    let ms = match value.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1_000),
        Err(_) => units::Duration::of(value).ok_or_else(wrong)?.0,
    };
    if ms > RETRY_AFTER_MS_MAX {
        return Err(format!("a Retry-After of {} is longer than anybody waits\n", time::words(ms)));
    }
    Ok(ms)
}

fn read_who(name: &str, prepared: &Prepared) -> Result<Who, String> {
    let providers: Vec<&str> = prepared.providers.iter().map(|(_, provider)| provider.name.as_str()).collect();
    if providers.contains(&name) {
        return Ok(Who::Provider(name.to_owned()));
    }
    let takes_rest = |provider: &str| {
        let mut targets = prepared.targets.iter();
        targets.any(|(_, target)| target.model == Model::Rest && prepared.providers[target.provider].name == provider)
    };
    let targets: Vec<&str> = prepared.targets.iter().map(|(_, target)| target.name.as_str()).collect();
    let free = name.split_once('/').is_some_and(|(provider, model)| !model.is_empty() && takes_rest(provider));
    if targets.contains(&name) || free {
        return Ok(Who::Target(name.to_owned()));
    }
    let near = complaint::nearest(name, targets.iter().chain(&providers).copied());
    Err(match near {
        Some(near) => format!("there is no provider or target `{name}`; did you mean `{near}`?\n"),
        None => format!("there is no provider or target `{name}`; the providers are {}\n", complaint::list(providers)),
    })
}

#[cfg(test)]
mod tests;
