//! Writes a request to Messages.
//!
//! Members come in the order in which a cache reads them (tools, system, messages), so that the marks for
//! it can be counted as they are written.

mod content;
mod marks;

use super::plan::{Form, Plan, Think};
use super::{ANSWER_TOOL, schema};
use crate::dialect::Effort;
use crate::dialect::ids::{IdRule, Ids};
use crate::dialect::means::each_set;
use crate::dialect::names::Names;
use crate::dialect::prompt::{Choice, Part, Prompt, Role, Source, Tool, Turn, is_blank};
use crate::dialect::schema::{from_openapi, is_closed};
use crate::dialect::{Dialect, Means, Needs, Quirks, Rope};
use crate::json::{Str, Tree};
use content::Content;
use marks::Marks;

/// What Messages has no words for.
pub const LACKS: Needs = Needs::AUDIO
    .and(Needs::LOGPROBS)
    .and(Needs::COUNT)
    .and(Needs::SEED)
    .and(Needs::PENALTIES)
    .and(Needs::LOGIT_BIAS)
    .and(Needs::STOP_BLANK)
    .and(Needs::FILE_KIND)
    .and(Needs::AUDIO_OUT)
    .and(Needs::IMAGE_OUT);

/// More tools than so many cannot be followed to the letter.
const STRICT_TOOLS_MAX: usize = 20;

/// What Anthropic keeps of a user's id.
const USER_SIZE_MAX: usize = 256;

/// What a model is told that is to answer with any JSON object.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else: no text before or after it, no code fence.";
/// And one whose answer follows a schema, which comes next.
const SCHEMA_ONLY: &str =
    "Answer with JSON and nothing else: no text before or after it, no code fence. The JSON must be valid under this JSON Schema: ";

/// The tool whose calls are the answer itself, where the request is written so: what the decoder of the
/// answer has to know.
pub fn unwraps(prompt: &Prompt<'_>, means: &Means<'_>) -> Option<&'static str> {
    matches!(Plan::of(prompt, means).form, Form::Tool(_)).then_some(ANSWER_TOOL)
}

/// Writes a request. What it needs and the dialect lacks must have been looked at before: it is left
/// out here.
pub fn write(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let plan = Plan::of(prompt, means);
    let mut marks = Marks::of(prompt);
    rope.open_object();
    means.bar_set(rope);
    // Newer models refuse the two together.
    each_set(means.set, |name, _| match name.raw() {
        b"temperature" => rope.bar(b"top_p"),
        b"top_p" => rope.bar(b"temperature"),
        _ => {}
    });
    rope.key("model").text(means.model).key("max_tokens").number(plan.max_tokens);
    if prompt.stream {
        rope.key("stream").bool(true);
    }
    tools(prompt, means, &plan, &mut marks, rope);
    system(prompt, means, &plan, &mut marks, rope);
    messages(prompt, means, &mut marks, rope);
    thinking(prompt, &plan, rope);
    output(prompt, &plan, rope);
    sampling(prompt, means, &plan, rope);
    hints(prompt, means, rope);
    means.write_set(rope);
    rope.close_object();
}

fn is_own(prompt: &Prompt<'_>) -> bool {
    prompt.own == Some(Dialect::Anthropic)
}

fn tools(prompt: &Prompt<'_>, means: &Means<'_>, plan: &Plan<'_>, marks: &mut Marks, rope: &mut Rope<'_>) {
    let answer = if let Form::Tool(schema) = plan.form { Some(schema) } else { None };
    if prompt.tools.is_empty() && answer.is_none() {
        return called(prompt, rope);
    }
    let strict_count = prompt.tools.iter().filter(|tool| tool.strict == Some(true)).count();
    let strict = strict_count <= STRICT_TOOLS_MAX && !means.quirks.has(Quirks::SCHEMA_AS_TOOL);
    let names = Names::of(prompt, Dialect::Anthropic);
    rope.key("tools").open_array();
    for tool in &prompt.tools {
        rope.open_object();
        rope.key("name");
        names.write(tool.name, rope);
        function(tool, strict, is_own(prompt), rope);
        marks.write(tool.cache, rope);
        rope.close_object();
    }
    if let Some(schema) = answer {
        rope.open_object().key("name").text(ANSWER_TOOL).key("description");
        match schema.and_then(|schema| schema.description) {
            Some(description) => rope.str(description),
            None => rope.text("Gives the answer. Call it once, with the whole answer as its input."),
        };
        rope.key("input_schema");
        input_schema(schema.map(|schema| schema.schema), schema.is_some_and(|schema| schema.openapi), rope);
        rope.close_object();
    }
    rope.close_array();
    choice(prompt, plan, answer.is_some(), rope);
}

/// Calls in the history want a tool, though none may be called any more: one is declared.
fn called(prompt: &Prompt<'_>, rope: &mut Rope<'_>) {
    let mut parts = prompt.turns.iter().flat_map(|turn| &turn.parts);
    let Some(name) = parts.find_map(|part| if let Part::Call(call) = part { Some(call.name) } else { None }) else { return };
    rope.key("tools").open_array().open_object().key("name");
    Names::of(prompt, Dialect::Anthropic).write(name, rope);
    rope.key("input_schema");
    input_schema(None, false, rope);
    rope.close_object().close_array();
    rope.key("tool_choice").open_object().key("type").text("none").close_object();
}

fn choice(prompt: &Prompt<'_>, plan: &Plan<'_>, answer: bool, rope: &mut Rope<'_>) {
    let alone = answer && (prompt.tools.is_empty() || plan.choice == Choice::None);
    let (kind, name) = match plan.choice {
        _ if alone => ("tool", Some(Str::plain(ANSWER_TOOL))),
        Choice::Named(name) => ("tool", Some(name)),
        Choice::Any => ("any", None),
        // It answers or calls another tool, but never in free text.
        Choice::Unset | Choice::Auto if answer => ("any", None),
        Choice::None => ("none", None),
        Choice::Auto => ("auto", None),
        Choice::Unset if prompt.parallel.is_none() => return,
        Choice::Unset => ("auto", None),
    };
    rope.key("tool_choice").open_object().key("type").text(kind);
    if let Some(name) = name {
        rope.key("name");
        Names::of(prompt, Dialect::Anthropic).write(name, rope);
    }
    let parallel = if alone { Some(false) } else { prompt.parallel };
    if let Some(parallel) = parallel.filter(|_| kind != "none") {
        rope.key("disable_parallel_tool_use").bool(!parallel);
    }
    rope.close_object();
}

fn function(tool: &Tool<'_>, strict: bool, own: bool, rope: &mut Rope<'_>) {
    if let Some(description) = tool.description.filter(|text| !text.is_empty()) {
        rope.key("description").str(description);
    }
    rope.key("input_schema");
    // To the letter is possible only for a schema that leaves nothing open; others would be refused.
    let letter = tool.parameters.filter(|schema| strict && tool.strict == Some(true) && !tool.openapi && (own || is_closed(schema)));
    match letter {
        Some(schema) if !own => {
            rope.with(|out| schema::write(schema, out));
        }
        _ => input_schema(tool.parameters, tool.openapi, rope),
    }
    if letter.is_some() {
        rope.key("strict").bool(true);
    }
}

/// The schema of a tool's input, which has to say that it is one of an object.
fn input_schema(schema: Option<&[u8]>, openapi: bool, rope: &mut Rope<'_>) {
    let Some(schema) = schema else {
        rope.json(b"{\"type\":\"object\",\"properties\":{}}");
        return;
    };
    let mut plain = Vec::new();
    if openapi {
        from_openapi(schema, &mut plain);
    }
    let schema = if openapi { &plain[..] } else { schema };
    let mut tree = Tree::new();
    match tree.read(schema) {
        Ok(root) if root.members().any(|(name, _)| schema::ALTERNATIVES.iter().any(|word| name.is(word))) => {
            rope.with(|out| schema::write_merged(root, out));
        }
        Ok(root) if root.text("type").is_some_and(|kind| kind.is("object")) => {
            rope.json(schema);
        }
        Ok(root) => {
            rope.open_object().key("type").text("object");
            for (name, value) in root.members().filter(|(name, _)| !name.is("type")) {
                rope.key_of(name).json(value.raw());
            }
            rope.close_object();
        }
        Err(_) => {
            rope.json(b"{\"type\":\"object\"}");
        }
    }
}

fn system(prompt: &Prompt<'_>, means: &Means<'_>, plan: &Plan<'_>, marks: &mut Marks, rope: &mut Rope<'_>) {
    let texts = prompt.system.iter().filter_map(|part| match part {
        Part::Text { text, cache } => Some((*text, *cache)),
        Part::Document { source: Source::Text(text), cache, .. } => Some((*text, *cache)),
        _ => None,
    });
    let mut texts = texts.filter(|(text, _)| !is_blank(*text)).peekable();
    let sentence = if let Form::Sentence(schema) = plan.form { Some(schema) } else { None };
    let added = means.prefix.is_some() || means.suffix.is_some() || sentence.is_some();
    let Some((first, cache)) = texts.peek().copied().or(added.then_some((Str::plain(""), None))) else { return };
    rope.key("system");
    if !added && cache.is_none() && prompt.system.len() == 1 {
        rope.str(first);
        return;
    }
    rope.open_array();
    let own = |text: &str, rope: &mut Rope<'_>| {
        rope.open_object().key("type").text("text").key("text").text(text).close_object();
    };
    means.prefix.iter().for_each(|text| own(text, rope));
    for (text, cache) in texts {
        rope.open_object().key("type").text("text").key("text").str(text);
        marks.write(cache, rope);
        rope.close_object();
    }
    match sentence {
        None => {}
        Some(None) => own(JSON_ONLY, rope),
        Some(Some(schema)) => {
            let mut all = SCHEMA_ONLY.as_bytes().to_vec();
            if schema.openapi {
                from_openapi(schema.schema, &mut all);
            } else {
                all.extend_from_slice(schema.schema);
            }
            // A JSON text that the machine has accepted is UTF-8.
            own(&String::from_utf8_lossy(&all), rope);
        }
    }
    means.suffix.iter().for_each(|text| own(text, rope));
    rope.close_array();
}

/// Turns alternate and begin with the user's: neighbours are merged, and what there is nothing of to write
/// does not count.
fn messages(prompt: &Prompt<'_>, means: &Means<'_>, marks: &mut Marks, rope: &mut Rope<'_>) {
    marks.begin_messages();
    let ids = Ids::of(prompt, IdRule::Word);
    let turns = &prompt.turns;
    let cited = is_own(prompt) && prompt.needs.has(Needs::CITATIONS) && !means.dropped.has(Needs::CITATIONS);
    let mut content = Content { ids: &ids, names: Names::of(prompt, Dialect::Anthropic), marks, rope, cited };
    content.rope.key("messages").open_array();
    let mut last = None;
    let mut at = 0;
    while let Some(turn) = turns.get(at) {
        if !content::is_writable(turn) {
            at += 1;
            continue;
        }
        if last.is_none() && turn.role == Role::Assistant {
            bare(".", content.rope);
        }
        let same = |next: &&Turn<'_>| next.role == turn.role || !content::is_writable(next);
        let end = at + turns[at..].iter().take_while(same).count();
        content.message(turn.role, &turns[at..end], at);
        last = Some(turn.role);
        at = end;
    }
    match last {
        None => bare(".", content.rope),
        // For its own clients it is the beginning of the answer.
        Some(Role::Assistant) if !is_own(prompt) => bare("Continue.", content.rope),
        Some(_) => {}
    }
    content.rope.close_array();
}

/// A turn of the user's that the user did not say.
fn bare(text: &str, rope: &mut Rope<'_>) {
    rope.open_object().key("role").text("user").key("content").text(text).close_object();
}

fn thinking(prompt: &Prompt<'_>, plan: &Plan<'_>, rope: &mut Rope<'_>) {
    let kind = match plan.think {
        Think::Unsaid => return,
        Think::Off => "disabled",
        Think::Adaptive => "adaptive",
        Think::Budget(_) => "enabled",
    };
    rope.key("thinking").open_object().key("type").text(kind);
    if let Think::Budget(tokens) = plan.think {
        rope.key("budget_tokens").number(tokens);
    }
    if let Some(shown) = prompt.reasoning.shown.filter(|_| plan.thinks()) {
        rope.key("display").text(if shown { "summarized" } else { "omitted" });
    }
    rope.close_object();
}

/// The effort and the form of the answer.
fn output(prompt: &Prompt<'_>, plan: &Plan<'_>, rope: &mut Rope<'_>) {
    let form = if let Form::Schema(schema) = plan.form { Some(schema) } else { None };
    if plan.effort.is_none() && form.is_none() {
        return;
    }
    rope.key("output_config").open_object();
    if let Some(effort) = plan.effort {
        rope.key("effort").text(effort.max(Effort::Low).word());
    }
    if let Some(wanted) = form {
        rope.key("format").open_object().key("type").text("json_schema").key("schema");
        if is_own(prompt) {
            rope.json(wanted.schema);
        } else if wanted.openapi {
            let mut plain = Vec::new();
            from_openapi(wanted.schema, &mut plain);
            rope.with(|out| schema::write(&plain, out));
        } else {
            rope.with(|out| schema::write(wanted.schema, out));
        }
        rope.close_object();
    }
    rope.close_object();
}

fn sampling(prompt: &Prompt<'_>, means: &Means<'_>, plan: &Plan<'_>, rope: &mut Rope<'_>) {
    let mut stop = prompt.stop.iter().filter(|text| !is_blank(**text) && !means.dropped.has(Needs::STOP)).peekable();
    if stop.peek().is_some() {
        rope.key("stop_sequences").open_array();
        stop.for_each(|text| {
            rope.str(*text);
        });
        rope.close_array();
    }
    if means.sampling_fixed || plan.thinks() {
        return;
    }
    let sampling = &prompt.sampling;
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    if let Some(temperature) = sampling.temperature {
        let above = number(temperature).is_some_and(|number| number > 1.0);
        rope.key("temperature").json(if above { b"1" } else { temperature });
    }
    // Many models refuse the two of them together, which others' clients are used to.
    if let Some(top_p) = sampling.top_p.filter(|_| is_own(prompt) || sampling.temperature.is_none()) {
        rope.key("top_p").json(top_p);
    }
    if let Some(top_k) = sampling.top_k.and_then(number).filter(|_| !means.dropped.has(Needs::TOP_K)) {
        rope.key("top_k").number(top_k as u64);
    }
}

fn hints(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if means.quirks.has(Quirks::STRICT_MEMBERS) {
        return;
    }
    if let Some(user) = prompt.user.filter(|user| user.raw().len() <= USER_SIZE_MAX) {
        rope.key("metadata").open_object().key("user_id").str(user).close_object();
    }
    if is_own(prompt) {
        // The effort in it was said before.
        for (name, value) in prompt.others.iter().filter(|(name, _)| !name.is("output_config")) {
            rope.key_of(*name).json(value);
        }
    }
}
