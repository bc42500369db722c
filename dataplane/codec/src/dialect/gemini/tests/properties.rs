//! What holds for all requests and answers.

use proptest::prelude::*;

use super::*;
use crate::dialect::answer::{Answer, Block, Choice, Given};
use crate::dialect::prompt::{Arguments, Format, Part, Prompt, Role};
use crate::dialect::{read_answer, write_answer};
use crate::fuzz;
use crate::json::{Finish, Str, Usage};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z \"\\\\\n\u{e9}\u{1f600}]{1,12}", 1 => "\\PC{1,20}"]
}

fn arguments() -> impl Strategy<Value = Json> {
    prop::collection::btree_map(
        "[a-z]{1,4}",
        prop_oneof![text().prop_map(Json::from), any::<i32>().prop_map(Json::from), Just(Json::Null)],
        0..4,
    )
    .prop_map(|members| members.into_iter().collect())
}

/// Whole turns, as OpenAI has them: a question, and an answer or calls with their outcomes.
fn exchange() -> impl Strategy<Value = Vec<Json>> {
    let ask = text().prop_map(|text| json!({"role": "user", "content": text}));
    let reply = text().prop_map(|text| vec![json!({"role": "assistant", "content": text})]);
    let calls = prop::collection::vec(("[a-z]{1,8}", arguments(), text()), 1..4).prop_map(|calls| {
        let mut messages =
            vec![json!({"role": "assistant", "content": null, "tool_calls": calls.iter().enumerate().map(|(at, (name, arguments, _))| {
            json!({"id": format!("c{at}"), "type": "function", "function": {"name": name, "arguments": arguments.to_string()}})
        }).collect::<Vec<_>>()})];
        messages.extend(
            calls
                .iter()
                .enumerate()
                .map(|(at, (_, _, answer))| json!({"role": "tool", "tool_call_id": format!("c{at}"), "content": answer})),
        );
        messages
    });
    (ask, prop_oneof![reply, calls]).prop_map(|(ask, rest)| std::iter::once(ask).chain(rest).collect())
}

fn request() -> impl Strategy<Value = Json> {
    let messages = (prop::option::of(text()), prop::collection::vec(exchange(), 0..4), text());
    let tools = prop::collection::vec(("[a-z]{1,8}", prop::option::of(text())), 0..3);
    let settings = (
        prop::option::of(1..9999_u64),
        prop::option::of(0..20_u8),
        prop::collection::vec(text(), 0..5),
        prop::option::of(0..3_u8),
        any::<bool>(),
    );
    (messages, tools, settings).prop_map(|((system, exchanges, last), tools, (max, temperature, stop, choice, json))| {
        let mut all: Vec<Json> = system.map(|text| json!({"role": "system", "content": text})).into_iter().collect();
        all.extend(exchanges.into_iter().flatten());
        all.push(json!({"role": "user", "content": last}));
        let mut body = json!({"model": "x", "messages": all, "stop": stop});
        if !tools.is_empty() {
            body["tools"] = tools.iter().map(|(name, description)| {
                json!({"type": "function", "function": {"name": name, "description": description, "parameters": {"type": "object"}}})
            }).collect();
            body["tool_choice"] = match choice {
                None => json!(null),
                Some(0) => json!("required"),
                Some(1) => json!("none"),
                Some(_) => json!({"type": "function", "function": {"name": tools[0].0}}),
            };
        }
        if let Some(max) = max {
            body["max_completion_tokens"] = json!(max);
        }
        if let Some(temperature) = temperature {
            body["temperature"] = json!(f64::from(temperature) / 10.0);
        }
        if json {
            body["response_format"] = json!({"type": "json_object"});
        }
        body
    })
}

/// What a request means, without how it is written.
/// The tool of the call that bears this id.
fn called<'t>(prompt: &Prompt<'t>, id: Str<'_>) -> Option<Str<'t>> {
    let parts = prompt.turns.iter().flat_map(|turn| &turn.parts);
    let calls = parts.filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None });
    calls.rev().find(|call| call.id.is_some_and(|other| other.raw() == id.raw())).map(|call| call.name)
}

fn meaning(prompt: &Prompt<'_>) -> Json {
    let text = |text: Str<'_>| text.decode().into_owned();
    let part = |part: &Part<'_>| match part {
        Part::Text { text: said, .. } => json!({"text": text(*said)}),
        Part::Call(call) => {
            let arguments: Json = match call.arguments {
                Arguments::Text(text) => serde_json::from_str(&text.decode()).unwrap(),
                Arguments::Object(json) => serde_json::from_slice(json).unwrap(),
            };
            json!({"call": call.id.map(text), "name": text(call.name), "arguments": arguments})
        }
        Part::Outcome(outcome) => {
            let name = outcome.name.or_else(|| called(prompt, outcome.id?)).map(text);
            let said: String =
                outcome.parts.iter().map(|part| if let Part::Text { text: said, .. } = part { text(*said) } else { panic!() }).collect();
            // An id that was used twice names the nearest call, which the name says better.
            json!({"outcome": outcome.id.map(text), "named": name.is_some(), "said": said, "error": outcome.error})
        }
        other => panic!("{other:?}"),
    };
    let turns: Vec<Json> =
        prompt.turns.iter().map(|turn| json!([turn.role == Role::User, turn.parts.iter().map(part).collect::<Vec<_>>()])).collect();
    let tools: Vec<Json> = prompt
        .tools
        .iter()
        .map(|tool| {
            json!([
                text(tool.name),
                tool.description.map(text),
                tool.parameters.map(|schema| serde_json::from_slice::<Json>(schema).unwrap())
            ])
        })
        .collect();
    json!({
        "system": prompt.system.iter().map(part).collect::<Vec<_>>(), "turns": turns, "tools": tools,
        "choice": format!("{:?}", prompt.choice), "json": matches!(prompt.format, Format::Json), "max": prompt.max_tokens,
        "temperature": prompt.sampling.temperature.map(|number| String::from_utf8(number.to_vec()).unwrap()),
        "stop": prompt.stop.iter().map(|stop| text(*stop)).collect::<Vec<_>>(),
    })
}

fn written(from: Dialect, to: Dialect, text: &[u8]) -> Vec<u8> {
    let mut tree = Tree::new();
    let prompt = read_prompt(from, tree.read(text).unwrap(), false).unwrap();
    let mut rope = Rope::new(text, Vec::new());
    write_prompt(to, &prompt, &Means { thinking: crate::dialect::Thinking::None, ..Means::of("m") }, &mut rope);
    rope.finish().join(text)
}

fn meant(dialect: Dialect, text: &[u8]) -> Json {
    let mut tree = Tree::new();
    meaning(&read_prompt(dialect, tree.read(text).unwrap(), false).unwrap())
}

fn block() -> impl Strategy<Value = Block> {
    let escaped = |text: String| {
        let mut out = Vec::new();
        crate::json::escape_into(&mut out, &text);
        out
    };
    let seal = prop::option::of("[A-Za-z0-9+/]{4}").prop_map(|seal| seal.map(|seal| (Dialect::Gemini, seal.into_bytes())));
    prop_oneof![
        text().prop_map(move |text| Block::Text(escaped(text))),
        (text(), seal.clone()).prop_map(move |(text, signature)| Block::Thought { text: escaped(text), signature, redacted: false }),
        (prop::option::of("[a-z0-9]{1,9}"), "[a-z]{1,9}", arguments(), seal).prop_map(|(id, name, arguments, signature)| Block::Call {
            index: 0,
            id: id.map(String::into_bytes),
            name: name.into_bytes(),
            arguments: Given::Object(arguments.to_string().into_bytes()),
            signature,
        }),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let finish = prop_oneof![Just(Finish::Stop), Just(Finish::Length), Just(Finish::ContentFilter), Just(Finish::Error)];
    let choice = (prop::collection::vec(block(), 1..6), finish).prop_map(|(mut blocks, finish)| {
        let mut count = 0;
        for block in &mut blocks {
            if let Block::Call { index, .. } = block {
                *index = count;
                count += 1;
            }
        }
        let finish = if count > 0 && finish == Finish::Stop { Finish::ToolCalls } else { finish };
        Choice { blocks, finish: Some(finish), ..Choice::default() }
    });
    (prop::collection::vec(choice, 1..3), 1..999_u64, 1..999_u64, 0..9_u64).prop_map(|(choices, input, output, thoughts)| {
        let reasoning = Some(thoughts.min(output)).filter(|thoughts| *thoughts > 0);
        let usage = Usage { input: Some(input), output: Some(output), total: Some(input + output), reasoning, ..Usage::default() };
        Answer { id: b"0000000000000abc".to_vec(), model: b"g".to_vec(), choices, usage: Some(usage), over: true, ..Answer::default() }
    })
}

/// The same answer with neighbours of one kind as one, as a listener hears them.
fn joined(answer: &Answer) -> Answer {
    let mut all = answer.clone();
    for choice in &mut all.choices {
        let mut blocks: Vec<Block> = Vec::new();
        for block in choice.blocks.drain(..) {
            match (blocks.last_mut(), block) {
                (Some(Block::Text(before)), Block::Text(text)) => before.extend(text),
                (Some(Block::Thought { text: before, signature: own @ None, .. }), Block::Thought { text, signature, .. }) => {
                    before.extend(text);
                    *own = signature;
                }
                (_, block) => blocks.push(block),
            }
        }
        choice.blocks = blocks;
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn requests_keep_their_meaning(body in request()) {
        let text = serde_json::to_vec(&body).unwrap();
        let there = written(Dialect::Openai, Dialect::Gemini, &text);
        prop_assert!(serde_json::from_slice::<Json>(&there).is_ok());
        let before = meant(Dialect::Openai, &text);
        prop_assert_eq!(&meant(Dialect::Gemini, &there), &before);
        let back = written(Dialect::Gemini, Dialect::Openai, &there);
        prop_assert_eq!(&meant(Dialect::Openai, &back), &before);
        // It is stable: what we have written, we write again.
        let again = written(Dialect::Gemini, Dialect::Gemini, &there);
        prop_assert_eq!(serde_json::from_slice::<Json>(&again).unwrap(), serde_json::from_slice::<Json>(&there).unwrap());
    }

    #[test]
    fn answers_keep_their_meaning(answer in answer()) {
        let mut out = Vec::new();
        write_answer(Dialect::Gemini, &answer, &manner(), &mut out);
        let read = read_answer(Dialect::Gemini, &out, &mut Tree::new(), &Terms::default()).unwrap();
        let read = Answer { held: 0, ..read };
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", joined(&answer)));
        both(&out);
    }

    #[test]
    fn nothing_panics(text in prop_oneof![
        "\\PC{0,60}",
        r#"\{("(contents|candidates|parts|text|tools)":(\[|\{|"x"|1|null|\]|\}),?){0,6}\}"#,
    ]) {
        both(text.as_bytes());
    }

    #[test]
    fn any_json_is_survived(value in json_like()) {
        both(value.to_string().as_bytes());
    }
}

/// JSON whose members bear the names that mean something.
fn json_like() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "(STOP|ANY|user|model|image/png|https://x.test/a.png|gs://b|[a-z\"\\\\]{0,6})".prop_map(Json::from),
    ];
    let name = prop::sample::select(vec![
        "contents",
        "candidates",
        "content",
        "parts",
        "text",
        "role",
        "functionCall",
        "function_response",
        "functionResponse",
        "name",
        "args",
        "response",
        "output",
        "error",
        "inlineData",
        "fileData",
        "fileUri",
        "mimeType",
        "data",
        "thought",
        "thoughtSignature",
        "finishReason",
        "index",
        "promptFeedback",
        "blockReason",
        "usageMetadata",
        "promptTokenCount",
        "candidatesTokenCount",
        "tools",
        "functionDeclarations",
        "toolConfig",
        "functionCallingConfig",
        "mode",
        "allowedFunctionNames",
        "generationConfig",
        "thinkingConfig",
        "thinkingBudget",
        "responseSchema",
        "responseMimeType",
        "systemInstruction",
        "groundingMetadata",
        "groundingChunks",
        "web",
        "uri",
        "id",
        "unknown",
    ]);
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// As a request and as an answer of Gemini's.
fn both(bytes: &[u8]) {
    let of = |mark: u8| [&[mark], bytes].concat();
    fuzz::prompt(&of(3));
    fuzz::speech(&of(3));
}
