//! What is known of the errors of providers: rules, tried in order, of which the first that fits decides.
//!
//! Those of the provider's family come first, then (for Vertex) Gemini's, then those that hold for
//! everybody. Only fields are matched, never a body: bodies quote prompts, and a prompt may hold any word.

use super::{ErrorFields, Family, parameter};
use pattern::{Grams, Patterns, Place, Subject};
use row::Row;
use std::sync::LazyLock;

mod anthropic;
mod any;
mod bedrock;
mod clouds;
mod compatible;
mod google;
mod local;
mod markets;
mod openai;
mod pattern;
pub(super) mod row;

/// How far into a message is looked, in bytes: reasons stand at its beginning.
pub(super) const MESSAGE_BYTES_MAX: usize = 1_024;
/// How far into a type or code.
const WORD_BYTES_MAX: usize = 128;

/// What messages say of a model that the credential may not use.
const ACCESS: &str = "(do|does) not have access";

/// What fields have that are about a model.
const MODEL: &str = "model|deployment";

/// How messages begin that are about an account: a request that is quoted comes later, if at all.
const ACCOUNT: &str = "^your credit balance is too low|^you have reached your specified|^you exceeded your current quota|\
    ^insufficient (balance|credit|funds)|^incorrect api key provided|^invalid api key|^api key (not valid|expired)|\
    ^user location is not supported";

/// What is known of a family.
fn of(family: Family) -> &'static [Row] {
    match family {
        Family::Openai => openai::OPENAI,
        Family::Azure => openai::AZURE,
        Family::Anthropic => anthropic::ANTHROPIC,
        Family::Gemini => google::GEMINI,
        Family::Vertex => google::VERTEX,
        Family::Bedrock => bedrock::BEDROCK,
        Family::Mistral => clouds::MISTRAL,
        Family::Cohere => clouds::COHERE,
        Family::Groq => clouds::GROQ,
        Family::Deepseek => clouds::DEEPSEEK,
        Family::Xai => clouds::XAI,
        Family::Together => clouds::TOGETHER,
        Family::Fireworks => clouds::FIREWORKS,
        Family::Openrouter => markets::OPENROUTER,
        Family::Perplexity => markets::PERPLEXITY,
        Family::Cerebras => markets::CEREBRAS,
        Family::Nvidia => markets::NVIDIA,
        Family::Huggingface => markets::HUGGINGFACE,
        Family::Moonshot => markets::MOONSHOT,
        Family::Dashscope => markets::DASHSCOPE,
        Family::Zhipu => markets::ZHIPU,
        Family::Ollama => local::OLLAMA,
        Family::Vllm => local::VLLM,
        Family::Llamacpp => local::LLAMACPP,
        Family::Lmstudio => local::LMSTUDIO,
        Family::Other => compatible::COMPATIBLE,
    }
}

/// A rule with its patterns compiled. A pattern without branches is none.
#[derive(Debug)]
struct Rule {
    row: &'static Row,
    kind: Place,
    code: Place,
    message: Place,
}

/// All rules, those of a family side by side, and those for everybody at the end.
#[derive(Debug)]
struct Table {
    rules: Vec<Rule>,
    /// Where the rules of each family end.
    ends: Vec<usize>,
    /// What messages say of a parameter that is not known.
    unknown: Place,
    /// What they say of a model that may be there for others.
    access: Place,
    /// That they are about a model at all.
    model: Place,
    /// Messages that begin with what is the matter with an account.
    account: Place,
    patterns: Patterns,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        rules: Vec::new(),
        ends: Vec::new(),
        unknown: 0..0,
        access: 0..0,
        model: 0..0,
        account: 0..0,
        patterns: Patterns::default(),
    };
    let families = Family::ALL.iter().map(|family| of(*family)).chain([any::ANY]);
    for rows in families {
        for row in rows {
            let mut compiled = |pattern: Option<&str>| {
                pattern.map_or(0..0, |pattern| table.patterns.add(pattern).expect("a test compiles the patterns of every rule"))
            };
            let (kind, code, message) = (compiled(row.kind), compiled(row.code), compiled(row.message));
            table.rules.push(Rule { row, kind, code, message });
        }
        table.ends.push(table.rules.len());
    }
    table.unknown = table.patterns.add(parameter::PHRASES).expect("a test looks for every phrase");
    table.account = table.patterns.add(ACCOUNT).expect("a test looks for it");
    table.model = table.patterns.add(MODEL).expect("a test looks for it");
    table.access = table.patterns.add(ACCESS).expect("a test looks for it");
    table
});

/// Compiles the rules, so that no request has to.
pub(super) fn prepare() {
    LazyLock::force(&TABLE);
}

impl Table {
    /// The rules of a family; for its length as an index, those for everybody.
    fn slice(&self, index: usize) -> &[Rule] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rules[start..self.ends[index]]
    }

    /// Those for this family alone, and those for everybody, in the order in which they are tried.
    fn walk(&self, family: Family) -> impl Iterator<Item = &Rule> {
        let lent = if family == Family::Vertex { self.slice(Family::Gemini as usize) } else { &[] };
        self.slice(family as usize).iter().chain(lent).chain(self.slice(Family::ALL.len()))
    }
}

/// The fields of an error, made ready to be searched: in lower case, and no longer than is looked.
pub(super) struct Prepared<'t> {
    kind: Option<Subject<'t>>,
    code: Option<Subject<'t>>,
    message: Option<Subject<'t>>,
}

/// Room for what [`Prepared`] refers to.
pub(super) struct Room {
    words: [[u8; WORD_BYTES_MAX]; 2],
    message: [u8; MESSAGE_BYTES_MAX],
}

impl Room {
    pub(super) const fn new() -> Room {
        Room { words: [[0; WORD_BYTES_MAX]; 2], message: [0; MESSAGE_BYTES_MAX] }
    }
}

impl<'t> Prepared<'t> {
    pub(super) fn new(fields: &ErrorFields<'_>, room: &'t mut Room) -> Prepared<'t> {
        let [kind, code] = &mut room.words;
        Prepared {
            kind: fields.kind.map(|text| subject(text.trim(), kind)),
            code: fields.code.map(|text| subject(text.trim(), code)),
            message: fields.message.map(|text| subject(text, &mut room.message)),
        }
    }
}

/// What is said of a model that there was: in lower case.
const RETIRED: [&[u8]; 7] = [b"deprecat", b"decommission", b"retired", b"no longer", b"discontinued", b"sunset", b"end of life"];

impl Prepared<'_> {
    /// True when the code or the message says that something has been taken out of service.
    #[cold]
    pub(super) fn speaks_of_retirement(&self) -> bool {
        let fields = [&self.code, &self.message].into_iter().flatten();
        let says = |field: &Subject<'_>, word: &[u8]| field.text.windows(word.len()).any(|part| part == word);
        fields.flat_map(|field| RETIRED.map(|word| says(field, word))).any(|said| said)
    }
}

/// As much of `text` as fits into `room`.
fn subject<'t>(text: &str, room: &'t mut [u8]) -> Subject<'t> {
    let mut end = text.len().min(room.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let room = &mut room[..end];
    room.copy_from_slice(&text.as_bytes()[..end]);
    room.make_ascii_lowercase();
    Subject { grams: Grams::of(room), text: room, cut: end < text.len() }
}

/// Which rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// Those for this status.
    Status(u16),
    /// Those for a code or type, whatever the status: it was not said.
    Words,
    /// Those for any field, whatever the status.
    Fields,
}

impl Rule {
    fn fits(&self, among: Among, fields: &Prepared<'_>, patterns: &Patterns) -> bool {
        let row = self.row;
        let concerned = match among {
            Among::Status(status) => row.is_for(status),
            Among::Words => row.kind.is_some() || row.code.is_some(),
            Among::Fields => row.reads_fields(),
        };
        let found = |pattern: &Place, field: &Option<Subject<'_>>| {
            pattern.is_empty() || field.as_ref().is_some_and(|field| patterns.found(pattern, field))
        };
        concerned && found(&self.kind, &fields.kind) && found(&self.code, &fields.code) && found(&self.message, &fields.message)
    }
}

/// The first rule that fits.
pub(super) fn find(family: Family, among: Among, fields: &Prepared<'_>) -> Option<&'static Row> {
    let table = &*TABLE;
    table.walk(family).find(|rule| rule.fits(among, fields, &table.patterns)).map(|rule| rule.row)
}

/// True when the message says that a parameter is not known.
pub(super) fn speaks_of_unknown(fields: &Prepared<'_>) -> bool {
    let table = &*TABLE;
    fields.message.as_ref().is_some_and(|message| table.patterns.found(&table.unknown, message))
}

/// True when the message begins with what is the matter with the account.
pub(super) fn is_of_the_account(fields: &Prepared<'_>) -> bool {
    let table = &*TABLE;
    fields.message.as_ref().is_some_and(|message| table.patterns.found(&table.account, message))
}

/// True when some field is about a model.
pub(super) fn speaks_of_model(fields: &Prepared<'_>) -> bool {
    let table = &*TABLE;
    [&fields.kind, &fields.code, &fields.message].into_iter().flatten().any(|field| table.patterns.found(&table.model, field))
}

/// True when the message says that the credential may not use the model.
pub(super) fn speaks_of_access(fields: &Prepared<'_>) -> bool {
    let table = &*TABLE;
    fields.message.as_ref().is_some_and(|message| table.patterns.found(&table.access, message))
}

#[cfg(test)]
pub(super) mod tests;
