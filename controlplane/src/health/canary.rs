//! A canary: how its question is written for a provider, and what is made of the answer.
//!
//! It is written and read as requests of tenants are, by the gateway's own dialects. What it says of itself
//! may be shown to operators, whose own question it answers; nothing of it is kept.

use super::{
    outlay,
    wire::{Question, Reply, Trouble},
};
use crate::validate::health::{REGEX_BYTES_MAX, spoken};
use codec::{
    dialect::{
        self, Dialect, Means, Needs, Quirks, Rope, Terms, Thinking,
        answer::{Answer, Block, Choice},
        gemini,
    },
    head::percent_encode,
    json::{Str, Tree, Value},
};
use policy::{
    Degradation, Model, Provider, Target,
    health::{Canary, Expected},
    target::MODEL,
};
use std::time::Duration;

/// The version of Anthropic's API that is asked for, as by the data plane.
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// Most characters of an answer that are shown.
const SHOWN_MAX: usize = 80;

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Good, or how it is bad; `None` when it says nothing about the target.
    pub verdict: Option<Result<(), Degradation>>,
    /// In a few words, for operators.
    pub said: String,
    /// What it has cost, in millionths of a US dollar; `None` when only the bill can tell.
    pub cost: Option<u64>,
}

impl Finding {
    /// All is well.
    pub fn good(said: impl Into<String>) -> Finding {
        Finding { verdict: Some(Ok(())), said: said.into(), cost: None }
    }

    /// It is not.
    pub fn bad(how: Degradation, said: impl Into<String>) -> Finding {
        Finding { verdict: Some(Err(how)), said: said.into(), cost: None }
    }

    /// Nobody knows.
    pub fn void(said: impl Into<String>) -> Finding {
        Finding { verdict: None, said: said.into(), cost: None }
    }

    /// What is made of it that nothing came back.
    pub fn of(trouble: &Trouble) -> Finding {
        match trouble {
            Trouble::Late => Finding::bad(Degradation::HighLatency, trouble.to_string()),
            // The operator's fault, or ours: it says nothing of who was not asked.
            Trouble::Unaskable(_) => Finding::void(trouble.to_string()),
            _ => Finding::bad(Degradation::Exception, trouble.to_string()),
        }
    }
}

/// What is known of the model.
fn means<'p>(provider: &Provider, target: &'p Target, model: &'p str) -> Means<'p> {
    let understands = &target.understands;
    Means {
        output_max: understands.output_max.map(u64::from),
        thinking: match understands.thinking {
            policy::Thinking::Unknown => Thinking::Unknown,
            policy::Thinking::None => Thinking::None,
            policy::Thinking::Effort => Thinking::Effort,
            policy::Thinking::Budget => Thinking::Budget,
        },
        sampling_fixed: understands.sampling_fixed,
        quirks: Quirks::from_bits(provider.quirks),
        dropped: Needs::DROPPABLE.common(Needs::from_bits(understands.lacks)),
        ..Means::of(model)
    }
}

/// The language in which a target is asked.
pub fn language(provider: &Provider, target: &Target) -> Dialect {
    spoken(provider.dialect, engine::prepared::speaks(provider, target))
}

/// The question as the provider understands it; its credential is still to be added.
pub fn question(provider: &Provider, target: &Target, canary: &Canary) -> Result<Question, String> {
    let Model::Named(model) = &target.model else { return Err("it has no model of its own".to_owned()) };
    let mut request = serde_json::json!({
        "model": model,
        "messages": [{"role": "user", "content": canary.prompt}],
        "max_tokens": canary.tokens_max,
        "temperature": 0,
    });
    if canary.confidence_permille_min.is_some() {
        request["logprobs"] = true.into();
    }
    let source = request.to_string().into_bytes();
    let mut tree = Tree::new();
    let root = tree.read(&source).map_err(|_| "its question is no JSON")?;
    let mut prompt = dialect::read_prompt(Dialect::Openai, root, false).map_err(|_| "its question cannot be read")?;
    // Said anew for each model, since some refuse what others want.
    prompt.own = None;
    let language = language(provider, target);
    let mut rope = Rope::new(&source, Vec::new());
    dialect::write_prompt(language, &prompt, &means(provider, target, model), &mut rope);
    let body = rope.finish().join(&source);
    let mut fields = vec![("content-type".to_owned(), "application/json".to_owned())];
    if language == Dialect::Anthropic && provider.headers.iter().all(|(name, _)| name != "anthropic-version") {
        fields.push(("anthropic-version".to_owned(), ANTHROPIC_VERSION.to_owned()));
    }
    fields.extend(provider.headers.iter().cloned());
    Ok(Question { method: "POST", target: path(provider, language, model), fields, credential: None, body })
}

/// Where the provider takes it: as the data plane has it.
fn path(provider: &Provider, language: Dialect, model: &str) -> String {
    let (base, query) = provider.base();
    let mut path = String::new();
    for (index, part) in base.split(MODEL).enumerate() {
        if index > 0 {
            percent_encode(model, b"-._~", &mut path);
        }
        path.push_str(part);
    }
    match language {
        Dialect::Openai => path.push_str("/chat/completions"),
        Dialect::Responses => path.push_str("/responses"),
        Dialect::Anthropic if base.ends_with("/v1") => path.push_str("/messages"),
        Dialect::Anthropic => path.push_str("/v1/messages"),
        Dialect::Gemini => path.push_str(&gemini::path(model, gemini::Verb::Generate)),
    }
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    path
}

/// What an answer is held against.
#[derive(Debug)]
pub struct Bar {
    /// The question.
    pub canary: Canary,
    /// The language of the answer.
    pub language: Dialect,
    /// What tokens cost.
    pub price: Option<policy::Price>,
    /// The provider has other credentials: that one is refused says nothing of its models.
    pub other_keys: bool,
}

impl Bar {
    /// Judges an answer that took so long.
    pub fn judge(&self, reply: &Reply, took: Duration) -> Finding {
        match reply.status {
            200..=299 => {}
            // "Later" is the word of one that works.
            429 => return Finding { cost: Some(0), ..Finding::void("429: it was asked too often") },
            401..=403 if self.other_keys => {
                let said = format!("{}: one credential is refused", reply.status);
                return Finding { cost: Some(0), ..Finding::void(said) };
            }
            status => return Finding { cost: Some(0), ..Finding::bad(Degradation::HttpError, format!("status {status}")) },
        }
        let answer = match dialect::read_answer(self.language, &reply.body, &mut Tree::new(), &Terms::default()) {
            Ok(answer) => answer,
            Err(dialect::Failure::Malformed) => return Finding::bad(Degradation::Exception, "its answer cannot be read"),
            Err(dialect::Failure::Error(_)) => return Finding::bad(Degradation::HttpError, "its answer is an error"),
        };
        let usage = answer.usage.as_ref();
        let cost = usage.and_then(|usage| Some(outlay::cost(self.price, usage.input?, usage.output?)));
        Finding { cost, ..self.heard(&answer, took) }
    }

    fn heard(&self, answer: &Answer, took: Duration) -> Finding {
        let Some(choice) = answer.choices.first() else { return Finding::bad(Degradation::Exception, "its answer is empty") };
        let text = text(choice);
        if !fits(&self.canary.expected, &text) {
            return Finding::bad(Degradation::WrongAnswer, format!("said `{}`", shown(&text)));
        }
        let confidence = confidence(choice);
        if let (Some(least), Some(mean)) = (self.canary.confidence_permille_min, confidence)
            && mean < f64::from(least) / 1_000.0
        {
            return Finding::bad(Degradation::LowConfidence, format!("right, with a mean probability of {mean:.3}"));
        }
        let ms = took.as_millis() as u64;
        match self.canary.slow_ms {
            Some(slow) if ms > slow => Finding::bad(Degradation::HighLatency, format!("right, after {ms} ms")),
            _ => Finding::good(format!("right, after {ms} ms")),
        }
    }
}

/// What it says.
fn text(choice: &Choice) -> String {
    let mut said = String::new();
    for block in &choice.blocks {
        if let Block::Text(text) | Block::Refusal(text) = block {
            said.push_str(&Str::escaped(text).decode());
        }
    }
    said
}

fn shown(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(SHOWN_MAX).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}

/// The mean probability of its tokens; `None` when it tells none.
fn confidence(choice: &Choice) -> Option<f64> {
    let tokens = [b"[", choice.logprobs.as_deref()?, b"]"].concat();
    let mut tree = Tree::new();
    let root = tree.read(&tokens).ok()?;
    let (mut sum, mut count) = (0.0, 0_u32);
    for logprob in root.elements().filter_map(|token| token.get("logprob").and_then(Value::f64)) {
        sum += logprob.exp().min(1.0);
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

/// True when a text is what was expected.
pub fn fits(expected: &Expected, said: &str) -> bool {
    match expected {
        Expected::Text(text) => bare(text) == bare(said),
        // It was compiled when the policy was checked; one of a damaged journal fits nothing.
        Expected::Regex(text) => {
            regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build().is_ok_and(|regex| regex.is_match(said.trim()))
        }
        Expected::Json(text) => {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            value(text).is_some_and(|wanted| value(unfenced(said)).is_some_and(|said| same(&wanted, &said)))
        }
    }
}

/// JSON knows one kind of numbers: `42` and `42.0` are the same.
fn same(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other)),
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

fn bare(text: &str) -> String {
    let text = text.trim();
    text.strip_suffix('.').unwrap_or(text).trim_end().to_lowercase()
}

/// Models like to wrap JSON into a fence.
fn unfenced(said: &str) -> &str {
    let said = said.trim();
    let inner = said.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(said, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}

#[cfg(test)]
mod tests;
