//! Writes a request.

use super::contents;
use super::prompt::camel;
use crate::dialect::means::each_set;
use crate::dialect::names::Names;
use crate::dialect::prompt::{Choice, Format, Prompt, Tool};
use crate::dialect::{Depth, Effort};
use crate::dialect::{Dialect, Means, Needs, Rope, Thinking};
use crate::json::{Str, Tree, Value};

/// What the dialect has no words for, or words of another form.
pub const LACKS: Needs =
    Needs::LOGIT_BIAS.and(Needs::FILE_KIND).and(Needs::STOP_MANY).and(Needs::CITATIONS).and(Needs::AUDIO_OUT).and(Needs::IMAGE_OUT);

/// More stop sequences are refused.
const STOP_COUNT_MAX: usize = 5;

/// More tokens in the place of one are refused.
const LOGPROBS_MAX: u64 = 20;

/// Writes a request. What it needs and the dialect lacks must have been looked at before: it is left
/// out here.
pub fn write(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let set = Set::of(means);
    rope.open_object();
    set.top.bar(rope);
    contents::write_system(prompt, means, rope);
    contents::write(prompt, means, rope);
    tools(prompt, rope);
    tool_config(prompt, means, rope);
    let mut settings = Settings { rope, set: &set.config, opened: false };
    limits(prompt, means, &mut settings);
    sampling(prompt, means, &mut settings);
    format(prompt, &mut settings);
    thinking(prompt, means, &mut settings);
    other_settings(prompt, &mut settings);
    settings.close();
    if is_own(prompt) {
        let apart = [&b"tools"[..], b"toolConfig", b"generationConfig"];
        for (name, value) in prompt.others.iter().filter(|(name, _)| !apart.contains(&name.raw())) {
            rope.key_of(*name).json(value);
        }
    }
    set.top.write(rope);
    rope.close_object();
}

/// What the policy sets, each member where this dialect has it.
#[derive(Default)]
struct Set {
    top: Members,
    config: Members,
}

/// Members of one object.
#[derive(Default)]
struct Members {
    names: Vec<Vec<u8>>,
    json: Vec<u8>,
}

impl Set {
    fn of(means: &Means<'_>) -> Set {
        let mut set = Set::default();
        each_set(means.set, |name, value| match &*camel(name) {
            "generationConfig" => value.members().for_each(|(name, value)| set.config.push(name, value)),
            setting if KNOWN.contains(&setting) || FURTHER.contains(&setting) => set.config.push(name, value),
            _ => set.top.push(name, value),
        });
        set
    }
}

impl Members {
    fn push(&mut self, name: Str<'_>, value: Value<'_>) {
        let comma: &[u8] = if self.json.is_empty() { b"" } else { b"," };
        self.json.extend([comma, b"\"", name.raw(), b"\":", value.raw()].concat());
        // Written by us it is the one, as the policy has it the other.
        self.names.extend([name.raw().to_vec(), camel(name).as_bytes().to_vec()]);
    }

    fn bar(&self, rope: &mut Rope<'_>) {
        self.names.iter().for_each(|name| rope.bar(name));
    }

    fn write(&self, rope: &mut Rope<'_>) {
        if !self.json.is_empty() {
            rope.admit();
            rope.json(&self.json);
        }
    }
}

/// The client speaks this dialect, too.
pub(super) fn is_own(prompt: &Prompt<'_>) -> bool {
    prompt.own == Some(Dialect::Gemini)
}

/// Members of this name that a client of this dialect sent, and that have no place in a [`Prompt`].
fn own_others<'p, 't>(prompt: &'p Prompt<'t>, name: &'static str) -> impl Iterator<Item = &'t [u8]> + use<'p, 't> {
    let others = if is_own(prompt) { &prompt.others[..] } else { &[] };
    others.iter().filter(move |(other, _)| other.is(name)).map(|(_, value)| *value)
}

fn tools(prompt: &Prompt<'_>, rope: &mut Rope<'_>) {
    let mut provided = own_others(prompt, "tools").peekable();
    if prompt.tools.is_empty() && provided.peek().is_none() {
        return;
    }
    rope.key("tools").open_array();
    if !prompt.tools.is_empty() {
        rope.open_object().key("functionDeclarations").open_array();
        prompt.tools.iter().for_each(|tool| declaration(tool, Names::of(prompt, Dialect::Gemini), rope));
        rope.close_array().close_object();
    }
    for entry in provided {
        rope.open_object();
        each_member(entry, |name| name != "functionDeclarations", rope);
        rope.close_object();
    }
    rope.close_array();
}

/// Writes those members of an object whose names are wanted.
fn each_member(object: &[u8], mut wanted: impl FnMut(&str) -> bool, rope: &mut Rope<'_>) {
    let mut tree = Tree::new();
    // It was read before.
    let Ok(object) = tree.read(object) else { return };
    for (name, value) in object.members().filter(|(name, value)| !value.is_null() && wanted(&camel(*name))) {
        rope.key_of(name).json(value.raw());
    }
}

fn declaration(tool: &Tool<'_>, names: Names, rope: &mut Rope<'_>) {
    rope.open_object().key("name");
    names.write(tool.name, rope);
    if let Some(description) = tool.description {
        rope.key("description").str(description);
    }
    if let Some(parameters) = tool.parameters {
        rope.key(if tool.openapi { "parameters" } else { "parametersJsonSchema" }).json(parameters);
    }
    rope.close_object();
}

fn tool_config(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if let Some(config) = own_others(prompt, "toolConfig").next() {
        rope.key("toolConfig").json(config);
        return;
    }
    let insists = matches!(prompt.choice, Choice::Any | Choice::Named(_));
    if prompt.tools.is_empty() || insists && means.dropped.has(Needs::TOOL_CHOICE) {
        return;
    }
    let mode = match prompt.choice {
        Choice::Unset => return,
        Choice::Auto => "AUTO",
        Choice::None => "NONE",
        Choice::Any | Choice::Named(_) => "ANY",
    };
    rope.key("toolConfig").open_object().key("functionCallingConfig").open_object().key("mode").text(mode);
    if let Choice::Named(name) = prompt.choice {
        rope.key("allowedFunctionNames").open_array();
        Names::of(prompt, Dialect::Gemini).write(name, rope);
        rope.close_array();
    }
    rope.close_object().close_object();
}

/// `generationConfig`, which is there when it holds something.
struct Settings<'r, 't> {
    rope: &'r mut Rope<'t>,
    /// Those that the policy sets.
    set: &'r Members,
    opened: bool,
}

impl<'t> Settings<'_, 't> {
    fn open(&mut self) -> &mut Rope<'t> {
        if !std::mem::replace(&mut self.opened, true) {
            self.rope.key("generationConfig").open_object();
            self.set.bar(self.rope);
        }
        self.rope
    }

    fn key(&mut self, name: &str) -> &mut Rope<'t> {
        self.open().key(name)
    }

    fn close(mut self) {
        if !self.set.json.is_empty() {
            self.open();
        }
        if self.opened {
            self.set.write(self.rope);
            self.rope.close_object();
        }
    }
}

fn limits(prompt: &Prompt<'_>, means: &Means<'_>, settings: &mut Settings<'_, '_>) {
    if let Some(tokens) = prompt.max_tokens {
        settings.key("maxOutputTokens").number(means.output_max.map_or(tokens, |most| tokens.min(most)));
    }
    if let Some(count) = prompt.count {
        settings.key("candidateCount").number(count);
    }
    let stop = if means.dropped.has(Needs::STOP) { &[] } else { &prompt.stop[..] };
    if !stop.is_empty() {
        let rope = settings.key("stopSequences").open_array();
        stop.iter().take(STOP_COUNT_MAX).for_each(|text| {
            rope.str(*text);
        });
        rope.close_array();
    }
}

fn sampling(prompt: &Prompt<'_>, means: &Means<'_>, settings: &mut Settings<'_, '_>) {
    let sampling = &prompt.sampling;
    let dropped = |need: Needs| means.dropped.has(need);
    let members = [
        ("temperature", sampling.temperature, means.sampling_fixed),
        ("topP", sampling.top_p, means.sampling_fixed),
        ("topK", sampling.top_k, means.sampling_fixed || dropped(Needs::TOP_K)),
        ("seed", sampling.seed, dropped(Needs::SEED)),
        ("presencePenalty", sampling.presence_penalty, dropped(Needs::PENALTIES)),
        ("frequencyPenalty", sampling.frequency_penalty, dropped(Needs::PENALTIES)),
    ];
    for (name, number, left_out) in members {
        if let Some(number) = number.filter(|_| !left_out) {
            settings.key(name).json(number);
        }
    }
    // Its own client's go along as they came.
    if let Some(others) = prompt.logprobs.filter(|_| !is_own(prompt) && !dropped(Needs::LOGPROBS)) {
        settings.key("responseLogprobs").bool(true);
        if others > 0 {
            settings.key("logprobs").number(others.min(LOGPROBS_MAX));
        }
    }
}

fn format(prompt: &Prompt<'_>, settings: &mut Settings<'_, '_>) {
    match prompt.format {
        Format::Text => {}
        Format::Json => {
            settings.key("responseMimeType").text("application/json");
        }
        Format::Schema(schema) => {
            settings.key("responseMimeType").text("application/json");
            settings.key(if schema.openapi { "responseSchema" } else { "responseJsonSchema" }).json(schema.schema);
        }
    }
}

fn thinking(prompt: &Prompt<'_>, means: &Means<'_>, settings: &mut Settings<'_, '_>) {
    let reasoning = prompt.reasoning;
    let untold = reasoning.depth == Depth::Unset && reasoning.shown.is_none();
    if untold || means.thinking == Thinking::None || means.dropped.has(Needs::REASONING) {
        return;
    }
    let rope = settings.key("thinkingConfig").open_object();
    if let Some(shown) = reasoning.shown {
        rope.key("includeThoughts").bool(shown);
    }
    if means.thinking == Thinking::Budget {
        match reasoning.depth {
            Depth::Unset => {}
            Depth::Off => {
                rope.key("thinkingBudget").number(0);
            }
            Depth::Adaptive => {
                rope.key("thinkingBudget").json(b"-1");
            }
            Depth::Effort(effort) => {
                rope.key("thinkingBudget").number(effort.budget());
            }
            Depth::Budget(tokens) => {
                rope.key("thinkingBudget").number(tokens);
            }
        }
    } else {
        let level = match reasoning.depth {
            // As much as the model finds right is what it does by itself.
            Depth::Unset | Depth::Adaptive => None,
            // The newest models always think; this is the least.
            Depth::Off => Some(level(Effort::Minimal)),
            Depth::Effort(effort) => Some(level(effort)),
            Depth::Budget(tokens) => Some(level(Effort::of_budget(tokens))),
        };
        if let Some(level) = level {
            rope.key("thinkingLevel").text(level);
        }
    }
    rope.close_object();
}

const fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High => "HIGH",
        Effort::Extra | Effort::Max => "XHIGH",
    }
}

/// Further members of `generationConfig`: a policy may set each of them, and of [`KNOWN`], without saying so.
const FURTHER: &[&str] = &[
    "responseMimeType",
    "responseModalities",
    "responseLogprobs",
    "logprobs",
    "speechConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "enableEnhancedCivicAnswers",
];

/// Settings that are written from what a [`Prompt`] knows of them.
const KNOWN: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "thinkingConfig",
];

fn other_settings(prompt: &Prompt<'_>, settings: &mut Settings<'_, '_>) {
    for object in own_others(prompt, "generationConfig") {
        // A type of the answer that is not JSON is one of those that are known only here.
        let typed = !matches!(prompt.format, Format::Text);
        each_member(object, |name| !(KNOWN.contains(&name) || typed && name == "responseMimeType"), settings.open());
    }
}
