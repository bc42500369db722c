//! What a request becomes in Anthropic's words, as far as one choice hangs on another: thinking, the limit of
//! tokens, and the form of the answer.

use crate::dialect::prompt::{Choice, Format, Part, Prompt, Role, Schema, Thought};
use crate::dialect::{Depth, Effort, Signature};
use crate::dialect::{Dialect, Means, Needs, Quirks, Thinking};
use crate::json::Tree;

/// Tokens of an answer where neither the request nor the catalogue says.
const MAX_TOKENS: u64 = 4_096;

/// Anthropic's least budget for thinking.
const BUDGET_MIN: u64 = 1_024;

/// What is said of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Think {
    /// Nothing.
    Unsaid,
    /// That there is to be none.
    Off,
    /// As the model finds right.
    Adaptive,
    /// So many tokens: `1024 <= tokens < max_tokens`.
    Budget(u64),
}

/// How the form of the answer is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'t> {
    /// It is free.
    Free,
    /// By `output_config.format`.
    Schema(Schema<'t>),
    /// By a tool whose input is the answer; without a schema it is any object.
    Tool(Option<Schema<'t>>),
    /// By a sentence in the system prompt.
    Sentence(Option<Schema<'t>>),
}

/// The choices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'t> {
    pub(super) think: Think,
    pub(super) effort: Option<Effort>,
    pub(super) max_tokens: u64,
    pub(super) form: Form<'t>,
    pub(super) choice: Choice<'t>,
}

impl<'t> Plan<'t> {
    pub(super) fn of(prompt: &Prompt<'t>, means: &Means<'_>) -> Plan<'t> {
        let (think, effort, max_tokens) = think(prompt, means, limit(prompt, means));
        let mut plan = Plan { think, effort, max_tokens, form: form(prompt, means), choice: prompt.choice };
        if matches!(prompt.format, Format::Json) && plan.thinks() {
            // Thinking and a tool that must be called exclude each other.
            plan.form = Form::Sentence(None);
        }
        if matches!(plan.form, Form::Tool(_)) && plan.thinks() {
            plan.think = Think::Unsaid;
        }
        let forced = matches!(plan.choice, Choice::Any | Choice::Named(_));
        if forced && (matches!(plan.think, Think::Budget(_)) || means.dropped.has(Needs::TOOL_CHOICE)) {
            plan.choice = Choice::Auto;
        }
        plan
    }

    /// True when the model is to think.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.think, Think::Adaptive | Think::Budget(_))
    }
}

fn limit(prompt: &Prompt<'_>, means: &Means<'_>) -> u64 {
    let asked = prompt.max_tokens.or(means.output_max).unwrap_or(MAX_TOKENS);
    // To Anthropic, and to its own clients, 0 means to warm the cache only.
    let least = u64::from(prompt.own != Some(Dialect::Anthropic));
    asked.min(means.output_max.unwrap_or(u64::MAX)).max(least)
}

fn form<'t>(prompt: &Prompt<'t>, means: &Means<'_>) -> Form<'t> {
    match prompt.format {
        Format::Text => Form::Free,
        Format::Json if prompt.tools.is_empty() => Form::Tool(None),
        Format::Json => Form::Sentence(None),
        Format::Schema(schema) if !means.quirks.has(Quirks::SCHEMA_AS_TOOL) => Form::Schema(schema),
        Format::Schema(schema) if is_of_object(schema.schema) => Form::Tool(Some(schema)),
        // The input of a tool is an object, and nothing else.
        Format::Schema(schema) => Form::Sentence(Some(schema)),
    }
}

fn is_of_object(schema: &[u8]) -> bool {
    let mut tree = Tree::new();
    tree.read(schema).is_ok_and(|root| match root.text("type") {
        Some(kind) => kind.raw().eq_ignore_ascii_case(b"object"),
        None => root.get("properties").is_some(),
    })
}

/// What is said of thinking and of effort, and the limit of tokens, which may have to leave room for it.
fn think(prompt: &Prompt<'_>, means: &Means<'_>, max_tokens: u64) -> (Think, Option<Effort>, u64) {
    let nothing = (Think::Unsaid, None, max_tokens);
    if means.thinking == Thinking::None || means.dropped.has(Needs::REASONING) {
        return nothing;
    }
    let own = prompt.own == Some(Dialect::Anthropic);
    let by_budget = match means.thinking {
        Thinking::Budget => true,
        // Who says a budget in Anthropic's own words knows the model better than we do.
        Thinking::Unknown => own && matches!(prompt.reasoning.depth, Depth::Budget(_)),
        Thinking::Effort | Thinking::None => false,
    };
    let budget = match prompt.reasoning.depth {
        Depth::Unset => return nothing,
        Depth::Off | Depth::Budget(0) => return (Think::Off, None, max_tokens),
        Depth::Adaptive => Effort::High.budget(),
        Depth::Effort(effort) => effort.budget(),
        Depth::Budget(tokens) => tokens,
    };
    if by_budget {
        if is_unsealed_loop(prompt) || budget < BUDGET_MIN {
            return nothing;
        }
        if budget < max_tokens {
            return (Think::Budget(budget), None, max_tokens);
        }
        let raised = budget.saturating_add(max_tokens).min(means.output_max.unwrap_or(u64::MAX));
        return if budget < raised { (Think::Budget(budget), None, raised) } else { nothing };
    }
    let effort = match prompt.reasoning.depth {
        Depth::Effort(effort) => Some(effort.max(Effort::Low)),
        Depth::Budget(tokens) => Some(Effort::of_budget(tokens)),
        Depth::Adaptive | Depth::Unset | Depth::Off => None,
    };
    let bare = own && prompt.others.iter().any(|(name, _)| name.is("output_config"));
    let think = if bare || is_unsealed_loop(prompt) { Think::Unsaid } else { Think::Adaptive };
    (think, effort, max_tokens)
}

/// True for thoughts that Anthropic takes back.
pub(super) fn is_ours(thought: &Thought<'_>) -> bool {
    matches!(thought.signature, Some(Signature { origin: Dialect::Anthropic, .. }))
}

/// True within a loop of tools whose calls were not thought of by Anthropic, or whose thoughts are lost:
/// with thinking on, it refuses such a turn.
fn is_unsealed_loop(prompt: &Prompt<'_>) -> bool {
    let mut turns = prompt.turns.iter().rev().peekable();
    let mut answered = false;
    while let Some(turn) = turns.next_if(|turn| turn.role == Role::User) {
        answered |= turn.parts.iter().any(|part| matches!(part, Part::Outcome(_)));
    }
    let (mut calls, mut sealed) = (false, false);
    while let Some(turn) = turns.next_if(|turn| turn.role == Role::Assistant) {
        calls |= turn.parts.iter().any(|part| matches!(part, Part::Call(_)));
        sealed |= turn.parts.iter().any(|part| matches!(part, Part::Thought(thought) if is_ours(thought)));
    }
    answered && calls && !sealed
}
