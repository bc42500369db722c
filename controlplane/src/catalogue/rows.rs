//! The catalogue's files as they are written, and how they are read.

use super::{Facts, Known, Models};
use crate::document::{Auth, Dialect};
use codec::dialect::{Needs, Quirks};
use policy::{Speaks, Thinking};
use serde::Deserialize;
use std::fmt;

/// Why a file is no catalogue: whoever wrote it has to mend it.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not JSON of this form.
    Form(serde_json::Error),
    /// It uses a word that nobody knows.
    Word {
        /// Whose row it is.
        row: String,
        /// What the word is for.
        member: &'static str,
        /// The word.
        word: String,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Form(error) => write!(f, "it does not have the form of a catalogue: {error}"),
            Unreadable::Word { row, member, word } => write!(f, "`{word}` is no word for the `{member}` of {row}"),
        }
    }
}

impl std::error::Error for Unreadable {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderRow {
    name: String,
    endpoint: Option<String>,
    #[serde(default)]
    example: String,
    dialect: String,
    auth: String,
    env: Vec<String>,
    speaks: Option<Vec<String>>,
    #[serde(default)]
    quirks: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    models: Option<String>,
}

#[derive(Deserialize)]
struct ModelRow {
    provider: String,
    id: String,
    context: Option<u32>,
    max_output: Option<u32>,
    r#in: Option<f64>,
    out: Option<f64>,
    cached_in: Option<f64>,
    cache_write: Option<f64>,
    #[serde(default)]
    reasoning: bool,
    thinking: Option<String>,
    sampling: Option<bool>,
    #[serde(default)]
    lacks: Vec<String>,
    retires: Option<String>,
    dims: Option<u32>,
    #[serde(default)]
    shortens: bool,
}

#[derive(Deserialize)]
struct RetiredRow {
    provider: String,
    id: String,
    successor: String,
}

#[derive(Deserialize)]
struct ModelFile {
    models: Vec<ModelRow>,
    #[serde(default)]
    retired: Vec<RetiredRow>,
}

/// Reads `providers.json`.
pub(super) fn providers(text: &str) -> Result<Vec<(String, Known)>, Unreadable> {
    let rows: Vec<ProviderRow> = serde_json::from_str(text).map_err(Unreadable::Form)?;
    rows.into_iter().map(known).collect()
}

/// Reads `models.json`.
pub(super) fn models(text: &str) -> Result<Models, Unreadable> {
    let file: ModelFile = serde_json::from_str(text).map_err(Unreadable::Form)?;
    Ok(Models {
        served: file.models.into_iter().map(facts).collect::<Result<_, _>>()?,
        retired: file.retired.into_iter().map(|row| ((row.provider, row.id), row.successor)).collect(),
    })
}

fn known(row: ProviderRow) -> Result<(String, Known), Unreadable> {
    let unknown = |member, word: &str| Unreadable::Word { row: row.name.clone(), member, word: word.to_owned() };
    let dialect = match row.dialect.as_str() {
        "openai" => Dialect::OpenAi,
        "anthropic" => Dialect::Anthropic,
        "gemini" => Dialect::Gemini,
        other => return Err(unknown("dialect", other)),
    };
    let auth = match row.auth.as_str() {
        "bearer" => Auth::Bearer,
        "none" => Auth::None,
        header => Auth::Header(header.to_owned()),
    };
    let mut speaks = if row.speaks.is_some() { Speaks::default() } else { dialect.policy().speaks() };
    for word in row.speaks.iter().flatten() {
        speaks = speaks.and(match word.as_str() {
            "chat" => Speaks::CHAT,
            "responses" => Speaks::RESPONSES,
            other => return Err(unknown("speaks", other)),
        });
    }
    let mut quirks = Quirks::NONE;
    for word in &row.quirks {
        quirks = quirks.and(Quirks::named(word).ok_or_else(|| unknown("quirks", word))?);
    }
    let lacks = needs(&row.lacks).map_err(|word| unknown("lacks", word))?;
    let models = row.models.unwrap_or_else(|| row.name.clone());
    let known = Known { endpoint: row.endpoint, example: row.example, dialect, auth, variables: row.env, speaks, quirks, lacks, models };
    Ok((row.name, known))
}

/// The needs of these words, or the one that is none.
fn needs(words: &[String]) -> Result<Needs, &str> {
    let mut all = Needs::NONE;
    for word in words {
        all.add(Needs::named(word).ok_or(word.as_str())?);
    }
    Ok(all)
}

fn facts(row: ModelRow) -> Result<((String, String), Facts), Unreadable> {
    let unknown = |member, word: &str| Unreadable::Word { row: format!("{}/{}", row.provider, row.id), member, word: word.to_owned() };
    // Dollars per million tokens, in millionths of a dollar.
    let millionths = |dollars: f64| (dollars * 1e6).round() as u64;
    let price = match (row.r#in, row.out) {
        (Some(input), Some(output)) => Some(policy::Price {
            input: millionths(input),
            output: millionths(output),
            cached: row.cached_in.map(millionths),
            cache_write: row.cache_write.map(millionths),
        }),
        _ => None,
    };
    let thinking = match row.thinking.as_deref() {
        None => Thinking::Unknown,
        Some("none") => Thinking::None,
        Some("effort") => Thinking::Effort,
        Some("budget") => Thinking::Budget,
        Some(other) => return Err(unknown("thinking", other)),
    };
    let lacks = needs(&row.lacks).map_err(|word| unknown("lacks", word))?;
    let facts = Facts {
        reasoning: row.reasoning,
        context_window: row.context,
        price,
        cached: row.cached_in.map(millionths),
        cache_write: row.cache_write.map(millionths),
        understands: policy::Understands {
            lacks: lacks.bits(),
            output_max: row.max_output,
            thinking,
            sampling_fixed: row.sampling == Some(false),
            dimensions: row.dims,
            shortens_from: row.dims.filter(|_| row.shortens),
        },
        retires: row.retires,
    };
    Ok(((row.provider, row.id), facts))
}
