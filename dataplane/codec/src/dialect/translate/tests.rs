//! What is said in one dialect and means the same in another, and what has no words there.

use super::*;
use crate::dialect::{Ear, Kind, Thinking};
use crate::json::Finish;
use serde_json::{Value as Json, json};

const ALL: [Dialect; 4] = [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];

fn said(from: Dialect, to: Dialect, body: &Json, means: &Means<'_>) -> (Json, Needs) {
    let text = body.to_string().into_bytes();
    let mut tree = Tree::new();
    let prompt = read_prompt(from, tree.read(&text).unwrap(), false).unwrap();
    let mut rope = Rope::new(&text, Vec::new());
    write_prompt(to, &prompt, means, &mut rope);
    (serde_json::from_slice(&rope.finish().join(&text)).unwrap(), prompt.needs)
}

fn chat(to: Dialect, mut body: Json) -> (Json, Needs) {
    if body["messages"].is_null() {
        body["messages"] = json!([{"role": "user", "content": "q"}]);
    }
    said(Dialect::Openai, to, &body, &Means::of("m"))
}

/// True when `to` is passed over for the request.
fn lacking(needs: Needs, to: Dialect) -> Needs {
    needs.common(lacks(to))
}

#[test]
fn white_space_that_ends_an_answer() {
    for (stop, blank) in [(json!("\n"), true), (json!(["END", " \t"]), true), (json!(["END", "\nQ:"]), false)] {
        let (_, needs) = chat(Dialect::Anthropic, json!({"stop": stop}));
        assert_eq!(lacking(needs, Dialect::Anthropic), if blank { Needs::STOP_BLANK } else { Needs::NONE }, "{stop}");
        assert!(lacking(needs, Dialect::Gemini).is_empty() && Needs::DROPPABLE.has(Needs::STOP_BLANK));
    }
}

#[test]
fn files_that_are_neither_pdf_nor_text() {
    let file = |media: &str| {
        json!({"messages": [{"role": "user", "content": [
        {"type": "file", "file": {"filename": "a", "file_data": format!("data:{media};base64,YSJi")}}]}]})
    };
    for (media, other) in [("application/pdf", false), ("text/csv", false), ("application/msword", true)] {
        let (_, needs) = chat(Dialect::Gemini, file(media));
        assert_eq!(needs.has(Needs::FILE_KIND), other, "{media}");
        assert_eq!(
            (lacking(needs, Dialect::Gemini).is_empty(), lacking(needs, Dialect::Anthropic).is_empty()),
            (!other, !other),
            "{media}"
        );
        assert!(lacking(needs, Dialect::Responses).is_empty());
    }
    // A text is text, wherever it comes from.
    let body = json!({"contents": [{"parts": [{"inlineData": {"mimeType": "text/csv", "data": "YSJi"}}]}]});
    let (written, _) = said(Dialect::Gemini, Dialect::Openai, &body, &Means::of("m"));
    assert_eq!(written["messages"][0]["content"], json!([{"type": "text", "text": "a\"b"}]));
    let (written, _) = said(Dialect::Gemini, Dialect::Responses, &body, &Means::of("m"));
    assert_eq!(written["input"][0]["content"], json!([{"type": "input_text", "text": "a\"b"}]));
    let (written, _) = said(Dialect::Gemini, Dialect::Anthropic, &body, &Means::of("m"));
    assert_eq!(written["messages"][0]["content"][0]["source"], json!({"type": "text", "media_type": "text/plain", "data": "a\"b"}));
}

/// OpenAI looks at the picture, Anthropic compares it with what is said of it.
#[test]
fn pictures_are_what_they_are() {
    let table = [
        ("image/png", "/9j/4AAQSkZJRgABAQ", "image/jpeg"),
        ("image/jpeg", "iVBORw0KGgoAAAANSUhEUg", "image/png"),
        ("image/png", "R0lGODlhAQABAIAAAAAAAP", "image/gif"),
        ("image/png", "UklGRiQAAABXRUJQVlA4IBgAAAAwAQ", "image/webp"),
        ("image/jpg", "AAAA", "image/jpeg"),
        ("image/png", "", "image/png"),
    ];
    for (said, data, is) in table {
        let url = format!("data:{said};base64,{data}");
        let body = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
        assert_eq!(chat(Dialect::Anthropic, body.clone()).0["messages"][0]["content"][0]["source"]["media_type"], is, "{said} {data}");
        assert_eq!(chat(Dialect::Gemini, body).0["contents"][0]["parts"][0]["inlineData"]["mimeType"], is, "{said} {data}");
    }
}

#[test]
fn pictures_and_sound_that_only_gemini_takes() {
    let needs = |media: &str| {
        let body = json!({"contents": [{"parts": [{"inlineData": {"mimeType": media, "data": "AAAA"}}]}]});
        said(Dialect::Gemini, Dialect::Openai, &body, &Means::of("m")).1
    };
    assert_eq!(needs("audio/mpeg"), Needs::AUDIO);
    assert_eq!(needs("audio/x-wav"), Needs::AUDIO);
    // Told as a WAV, it would be noise.
    assert_eq!(needs("audio/ogg"), Needs::AUDIO.and(Needs::OWN));
    assert_eq!(needs("image/heic"), Needs::IMAGE.and(Needs::OWN));
    assert_eq!(needs("image/webp"), Needs::IMAGE);
}

/// The answer of such a model goes on where the assistant's message ends.
#[test]
fn beginnings_that_are_marked() {
    for word in ["prefix", "partial"] {
        let body = json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", word: true}]});
        assert!(chat(Dialect::Openai, body).1.has(Needs::OWN.and(Needs::PREFILL)), "{word}");
    }
}

#[test]
fn hints_within_openais_family() {
    let hints = json!({"metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k", "prompt_cache_retention": "24h"});
    let mut body = hints.clone();
    body["verbosity"] = json!("low");
    body["store"] = json!(true);
    let (written, needs) = chat(Dialect::Responses, body.clone());
    for (name, value) in hints.as_object().unwrap() {
        assert_eq!(&written[name], value, "{name}");
    }
    assert_eq!((&written["text"], &written["verbosity"], &written["store"]), (&json!({"verbosity": "low"}), &json!(null), &json!(false)));
    assert_eq!(needs, Needs::NONE);
    for to in [Dialect::Anthropic, Dialect::Gemini] {
        let (written, _) = chat(to, body.clone());
        assert!(hints.as_object().unwrap().keys().all(|name| written[name].is_null()), "{written}");
    }
    let mut items = hints.clone();
    items["input"] = json!("q");
    items["text"] = json!({"verbosity": "high", "format": {"type": "json_object"}});
    items["reasoning"] = json!({"summary": "detailed"});
    items["include"] = json!(["reasoning.encrypted_content"]);
    items["truncation"] = json!("auto");
    let (written, _) = said(Dialect::Responses, Dialect::Openai, &items, &Means::of("m"));
    for (name, value) in hints.as_object().unwrap() {
        assert_eq!(&written[name], value, "{name}");
    }
    assert_eq!((&written["verbosity"], &written["truncation"], &written["summary"]), (&json!("high"), &json!(null), &json!(null)));
    // Said anew in its own dialect, nothing is lost.
    let (own, _) = said(Dialect::Responses, Dialect::Responses, &items, &Means::of("m"));
    for name in ["text", "reasoning", "include", "truncation", "metadata", "service_tier", "prompt_cache_key"] {
        assert_eq!(own[name], items[name], "{name}");
    }
}

#[test]
fn what_is_dropped_is_left_out() {
    let dropped = Needs::STOP.and(Needs::TOOL_CHOICE).and(Needs::TOP_K);
    let body = json!({"messages": [], "stop": "x", "top_k": 5, "tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f"}}]});
    let (kept, _) = said(Dialect::Openai, Dialect::Openai, &body, &Means::of("m"));
    assert_eq!((&kept["stop"], &kept["top_k"], &kept["tool_choice"]), (&json!("x"), &json!(5), &json!("required")));
    for to in ALL {
        let (written, _) = said(Dialect::Openai, to, &body, &Means { dropped, ..Means::of("m") });
        let text = written.to_string();
        assert!(!["\"x\"", "top_k", "topK", "required", "ANY", "any"].iter().any(|word| text.contains(word)), "{to:?}: {text}");
    }
}

/// Some models number their calls anew in every turn.
#[test]
fn ids_that_come_twice() {
    let call = |id: &str| json!({"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let answer = |id: &str, text: &str| json!({"role": "tool", "tool_call_id": id, "content": text});
    let body = json!({"messages": [{"role": "user", "content": "q"}, call("functions.f:0"), answer("functions.f:0", "1"), call("functions.f:0"),
        answer("functions.f:0", "2"), call("c"), answer("c", "3"), call("c"), answer("c", "4")]});
    let (written, _) = chat(Dialect::Anthropic, body);
    let blocks: Vec<&Json> = written["messages"].as_array().unwrap().iter().filter_map(|message| message["content"].get(0)).collect();
    let ids: Vec<&str> = blocks.iter().filter_map(|block| block["id"].as_str()).collect();
    let answered: Vec<&str> = blocks.iter().filter_map(|block| block["tool_use_id"].as_str()).collect();
    assert_eq!(ids, answered);
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 4, "{ids:?}");
    assert_eq!(ids[2], "c");
}

fn tool(schema: Json, to: Dialect) -> Json {
    let body = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]});
    chat(to, body).0["tools"][0].clone()
}

/// Anthropic refuses alternatives at the top of a tool's input.
#[test]
fn alternatives_at_the_top() {
    let schema = json!({"$defs": {"B": {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "null"}}}}, "description": "d",
        "anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"$ref": "#/$defs/B"}, {"$ref": "#/$defs/C"}]});
    let written = tool(schema.clone(), Dialect::Anthropic)["input_schema"].clone();
    assert_eq!(written["type"], "object");
    assert_eq!(written["properties"], json!({"a": {"type": "string"}, "b": {"type": "integer"}}));
    assert_eq!((&written["anyOf"], &written["$defs"]), (&json!(null), &schema["$defs"]));
    assert!(written["description"].as_str().unwrap().starts_with("d\n\nanyOf: [{\"properties\""), "{written}");
    // Below it, they are understood.
    let inner = json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}});
    assert_eq!(tool(inner.clone(), Dialect::Anthropic)["input_schema"], inner);
}

#[test]
fn schemas_that_openai_cannot_follow_to_the_letter() {
    let strict = |inner: Json| {
        let schema = json!({"type": "object", "properties": {"a": inner}, "required": ["a"], "additionalProperties": false});
        let body = json!({"max_tokens": 9, "messages": [], "tools": [{"name": "f", "input_schema": schema, "strict": true}]});
        said(Dialect::Anthropic, Dialect::Openai, &body, &Means::of("m")).0["tools"][0]["function"]["strict"].clone()
    };
    assert_eq!(strict(json!({"anyOf": [{"type": "string"}, {"type": "null"}]})), true);
    for word in ["oneOf", "allOf"] {
        assert_eq!(strict(json!({word: [{"type": "string"}]})), false, "{word}");
    }
    assert_eq!(strict(json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true})), false);
}

#[test]
fn openapi_becomes_json_schema() {
    let table = [
        (json!({"type": "STRING", "enum": ["a"], "nullable": true}), json!({"type": ["string", "null"], "enum": ["a", null]})),
        (json!({"anyOf": [{"type": "STRING"}], "nullable": true}), json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
        (
            json!({"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "2"}),
            json!({"type": "array", "items": {"type": "number"}, "minItems": 2}),
        ),
        (json!({"type": "STRING", "maxLength": 5, "enum": "x"}), json!({"type": "string", "maxLength": 5, "enum": "x"})),
    ];
    for (openapi, expected) in table {
        let mut out = Vec::new();
        crate::dialect::schema::from_openapi(openapi.to_string().as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<Json>(&out).unwrap(), expected);
    }
}

/// Why an answer of `dialect` ended, in its own word, and the same in each dialect's.
fn ended(dialect: Dialect, word: &str) -> Option<Finish> {
    let answer = match dialect {
        Dialect::Openai => json!({"choices": [{"message": {"content": "t"}, "finish_reason": word}]}),
        Dialect::Responses => json!({"status": "incomplete", "incomplete_details": {"reason": word}, "output": []}),
        Dialect::Anthropic => json!({"content": [{"type": "text", "text": "t"}], "stop_reason": word}),
        Dialect::Gemini => json!({"candidates": [{"content": {"parts": [{"text": "t"}]}, "finishReason": word}]}),
    };
    read_answer(dialect, answer.to_string().as_bytes(), &mut Tree::new(), &Terms::default()).unwrap().choices[0].finish
}

#[test]
fn no_mishap_is_a_good_end() {
    let failures = [
        (
            Dialect::Gemini,
            "OTHER MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE IMAGE_OTHER NO_IMAGE",
        ),
        (Dialect::Openai, "error network_error insufficient_system_resource abort"),
    ];
    for (from, words) in failures {
        for word in words.split(' ') {
            assert_eq!(ended(from, word), Some(Finish::Error), "{word}");
            let event = match from {
                Dialect::Openai => json!({"choices": [{"index": 0, "delta": {"content": "t"}, "finish_reason": word}]}),
                _ => json!({"candidates": [{"content": {"parts": [{"text": "t"}]}, "finishReason": word}]}),
            };
            for to in ALL.into_iter().filter(|to| *to != from) {
                let mut ear = Ear::new(from, Some((to, manner())));
                let mut out = Vec::new();
                assert!(matches!(ear.event(None, event.to_string().as_bytes(), &mut out).kind, Kind::Error(_)), "{word} to {to:?}");
            }
        }
    }
    let filtered = "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION MODEL_ARMOR ESCALATION";
    for word in filtered.split(' ') {
        assert_eq!(ended(Dialect::Gemini, word), Some(Finish::ContentFilter), "{word}");
    }
    let table = [
        (Dialect::Gemini, "MAX_TOKENS", Finish::Length),
        (Dialect::Gemini, "CONTINUATION", Finish::Length),
        (Dialect::Openai, "model_length", Finish::Length),
        (Dialect::Openai, "sensitive", Finish::ContentFilter),
        (Dialect::Openai, "eos", Finish::Stop),
        (Dialect::Anthropic, "model_context_window_exceeded", Finish::Length),
        (Dialect::Anthropic, "refusal", Finish::ContentFilter),
        (Dialect::Anthropic, "pause_turn", Finish::Other),
        (Dialect::Responses, "max_messages", Finish::Length),
        (Dialect::Responses, "content_filter", Finish::ContentFilter),
    ];
    for (from, word, expected) in table {
        assert_eq!(ended(from, word), Some(expected), "{word}");
    }
    // Cut short, for reasons that are not told.
    let cut = json!({"status": "incomplete", "incomplete_details": null, "output": []}).to_string();
    let read = |body: &str| read_answer(Dialect::Responses, body.as_bytes(), &mut Tree::new(), &Terms::default());
    assert_eq!(read(&cut).unwrap().choices[0].finish, Some(Finish::Length));
    let mut ear = Ear::new(Dialect::Responses, Some((Dialect::Openai, manner())));
    let late = json!({"type": "response.completed", "response": {"status": "failed", "error": {"code": "c", "message": "m"}}}).to_string();
    assert!(matches!(ear.event(None, late.as_bytes(), &mut Vec::new()).kind, Kind::Error(_)));
}

fn manner() -> Manner {
    Manner { seed: 1, created: 2, model: "m".into(), include_usage: true, input_estimate: 0, terms: Terms::default() }
}

#[test]
fn counts_of_those_who_count_otherwise() {
    let counts = |usage: Json| {
        let body = json!({"choices": [{"message": {"content": "t"}, "finish_reason": "stop"}], "usage": usage}).to_string();
        let usage = read_answer(Dialect::Openai, body.as_bytes(), &mut Tree::new(), &Terms::default()).unwrap().usage.unwrap();
        (usage.input, usage.output, usage.cached, usage.reasoning)
    };
    let details = json!({"reasoning_tokens": 30});
    // xAI's reasoning lies beside the answer, OpenAI's within it.
    let xai = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45, "completion_tokens_details": details});
    assert_eq!(counts(xai), (Some(10), Some(35), None, Some(30)));
    let openai = json!({"prompt_tokens": 10, "completion_tokens": 35, "total_tokens": 45, "completion_tokens_details": details});
    assert_eq!(counts(openai), (Some(10), Some(35), None, Some(30)));
    assert_eq!(counts(json!({"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 4})).2, Some(4));
    assert_eq!(counts(json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4})).2, Some(4));
    let most = json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX, "total_tokens": u64::MAX, "completion_tokens_details": {"reasoning_tokens": u64::MAX}});
    assert_eq!(counts(most).1, Some(u64::MAX));
}

/// A picture that nobody asked for is no answer by itself, and takes nothing away from one.
#[test]
fn pictures_that_nobody_asked_for() {
    let answer = |parts: Json| {
        let body = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).to_string();
        read_answer(Dialect::Gemini, body.as_bytes(), &mut Tree::new(), &Terms::default()).unwrap()
    };
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let bare = answer(json!([picture]));
    assert!(!bare.has_content() && bare.untold);
    assert!(answer(json!([{"text": "t"}, picture])).has_content());
    // Its own clients see it.
    let event = json!({"candidates": [{"content": {"parts": [picture]}, "finishReason": "STOP"}]}).to_string();
    let content = |to: Option<Dialect>| match Ear::new(Dialect::Gemini, to.map(|to| (to, manner())))
        .event(None, event.as_bytes(), &mut Vec::new())
        .kind
    {
        Kind::Finish { reason: Finish::Stop, content } => content,
        other => panic!("{other:?}"),
    };
    assert_eq!((content(None), content(Some(Dialect::Openai))), (Some(crate::dialect::Content::Untold), None));
}

/// Only Responses' own streams are sorted by items: there is one answer in them.
#[test]
fn one_answer_in_responses() {
    let event =
        |index: u64, text: &str| json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": null}]}).to_string();
    let mut ear = Ear::new(Dialect::Openai, Some((Dialect::Responses, manner())));
    let mut out = Vec::new();
    for text in [event(0, "a"), event(1, "WRONG"), event(0, "b")] {
        ear.event(None, text.as_bytes(), &mut out);
    }
    ear.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("WRONG") && text.contains(r#""text":"ab""#), "{text}");
}

#[test]
fn citations_of_a_stream() {
    let note = json!({"type": "url_citation", "url_citation": {"url": "https://x.test", "title": "T"}});
    let events = [
        json!({"choices": [{"index": 0, "delta": {"content": "a"}}]}),
        json!({"choices": [{"index": 0, "delta": {"annotations": [note]}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ];
    let mut ear = Ear::new(Dialect::Openai, Some((Dialect::Responses, manner())));
    let mut out = Vec::new();
    events.iter().for_each(|event| {
        ear.event(None, event.to_string().as_bytes(), &mut out);
    });
    ear.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    let told: Vec<Json> =
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| serde_json::from_str(data).unwrap()).collect();
    let added = told.iter().find(|event| event["type"] == "response.output_text.annotation.added").unwrap();
    assert_eq!((&added["annotation"]["url"], &added["annotation_index"]), (&json!("https://x.test"), &json!(0)));
    let done = told.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
    assert_eq!(done["item"]["content"][0]["annotations"], json!([added["annotation"]]));
}

/// Thinking that is unknown: seals are asked for where the client wants them back.
#[test]
fn seals_are_given_back_on_request() {
    let body = json!({"input": "q", "include": ["reasoning.encrypted_content"]});
    let written = |thinking: Thinking| {
        said(Dialect::Responses, Dialect::Responses, &body, &Means { thinking, ..Means::of("m") }).0["include"].clone()
    };
    assert_eq!(written(Thinking::Unknown), body["include"]);
    assert_eq!(written(Thinking::None), json!(null));
}

/// A policy's parameters stand once, in the place where the dialect has them: of a name that is there
/// twice not every reader takes the last, and some refuse both.
#[test]
fn what_a_policy_sets_stands_once() {
    let long = "x".repeat(10_000);
    let body = json!({"messages": [{"role": "user", "content": "q"}], "temperature": 0.9, "top_p": 0.5, "max_completion_tokens": 64,
        "seed": 3, "tools": [{"type": "function", "function": {"name": "f", "description": long}}], "tool_choice": "auto"});
    let sets = [
        (Dialect::Openai, r#""temperature":0.25,"max_tokens":9"#, ["/temperature", "/max_tokens"], vec!["max_completion_tokens"]),
        (Dialect::Responses, r#""temperature":0.25,"max_output_tokens":9"#, ["/temperature", "/max_output_tokens"], vec![]),
        (Dialect::Anthropic, r#""max_tokens":9,"temperature":0.25"#, ["/temperature", "/max_tokens"], vec![]),
        (
            Dialect::Gemini,
            r#""temperature":0.25,"maxOutputTokens":9"#,
            ["/generationConfig/temperature", "/generationConfig/maxOutputTokens"],
            vec![],
        ),
        (
            Dialect::Gemini,
            r#""generationConfig":{"temperature":0.25,"maxOutputTokens":9},"labels":{"a":"b"}"#,
            ["/generationConfig/temperature", "/generationConfig/maxOutputTokens"],
            vec![],
        ),
    ];
    for (to, set, places, gone) in sets {
        let means = Means { set: Some(set), ..Means::of("m") };
        let text = body.to_string().into_bytes();
        let mut tree = Tree::new();
        let prompt = read_prompt(Dialect::Openai, tree.read(&text).unwrap(), false).unwrap();
        let mut rope = Rope::new(&text, Vec::new());
        write_prompt(to, &prompt, &means, &mut rope);
        let written = String::from_utf8(rope.finish().join(&text)).unwrap();
        let json: Json = serde_json::from_str(&written).unwrap();
        assert_eq!(places.map(|place| json.pointer(place).cloned()), [Some(json!(0.25)), Some(json!(9))], "{to:?}: {written:.400}");
        for name in places.iter().map(|place| place.rsplit('/').next().unwrap()) {
            assert_eq!(written.matches(&format!("\"{name}\":")).count(), 1, "{to:?} {name}");
        }
        for name in gone {
            assert!(!written.contains(name), "{to:?} {name}");
        }
        // Anthropic takes temperature or top_p, the others both.
        assert_eq!(written.contains("0.5"), to != Dialect::Anthropic, "{to:?}");
        assert!(written.contains(&long), "{to:?}: nothing else is lost");
    }
    // What is set is there also where nothing was asked, and may take the place of what is long.
    let means = Means { set: Some(r#""tools":[],"topK":4"#), ..Means::of("m") };
    let mut plain = body.clone();
    ["temperature", "top_p", "seed", "max_completion_tokens"].iter().for_each(|name| plain[name] = Json::Null);
    let (written, _) = said(Dialect::Openai, Dialect::Gemini, &plain, &means);
    assert_eq!((&written["generationConfig"], &written["tools"]), (&json!({"topK": 4}), &json!([])), "{written:.300}");
    assert_eq!(written["contents"], json!([{"role": "user", "parts": [{"text": "q"}]}]));
}
