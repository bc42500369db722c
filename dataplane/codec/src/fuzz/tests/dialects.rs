//! Mutated requests and answers of every dialect.

use super::*;

/// Requests, by dialect.
const PROMPTS: [&[&str]; 4] = [
    &[
        r#"{"model":"x","input":["a\u00e9","b"],"dimensions":8,"encoding_format":"base64","user":"u"}"#,
        r#"{"model":"x","input":[[1,2],[3]],"encoding_format":"float"}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/x;base64,QQ=="}}]}],"response_format":{"type":"json_schema","json_schema":{"schema":{"$ref":"x","oneOf":[{"enum":[1]}]}}},"tools":[{"function":{"name":"f","strict":true,"parameters":{"type":"object","additionalProperties":false}}}],"reasoning_effort":"high"}"#,
        r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"a\u00e9"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"i","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"i","content":"x"}],"n":2,"stop":["a","b"],"logit_bias":{"1":2},"max_tokens":5}"#,
    ],
    &[
        r#"{"input":"x","instructions":"i","text":{"format":{"type":"json_object"}},"reasoning":{"effort":"low","summary":"auto"},"max_output_tokens":1}"#,
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"t"},{"type":"input_file","file_url":"https://x"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"h"}],"encrypted_content":"dGhyb3dvdmVyOmE6QQ=="},{"type":"function_call","call_id":"c","name":"f","arguments":"{"},{"type":"function_call_output","call_id":"c","output":"o"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]}"#,
    ],
    &[
        r#"{"max_tokens":9,"system":"S","messages":[{"role":"user","content":"Q"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"a b","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a b","content":[{"type":"text","text":"x"}]}]}],"thinking":{"type":"enabled","budget_tokens":2000}}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"text/x","data":"QQ\/="}}]}],"tools":[{"name":"f","input_schema":{"a":1}}],"tool_choice":{"type":"any"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"minimum":1}}}}}}"#,
    ],
    &[
        r#"{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"QQ=="}}]},"outputDimensionality":8}]}"#,
        r#"{"content":{"parts":[{"text":"a"}]},"taskType":"T","output_dimensionality":8}"#,
        r#"{"generateContentRequest":{"model":"models/x","contents":[{"role":"user","parts":[{"text":"a"}]}],"systemInstruction":{"parts":[{"text":"s"}]}}}"#,
        r#"{"contents":[{"role":"user","parts":[{"text":"a\u00e9"},{"inlineData":{"mimeType":"image/png","data":"-_A="}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"-_"}]}]}"#,
        r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]},{"googleSearch":{}}],"generationConfig":{"thinkingConfig":{"thinkingBudget":-1},"topK":4,"responseSchema":{}}}"#,
    ],
];

/// Answers, by dialect.
const SPEECH: [&[&str]; 4] = [
    &[
        r#"{"data":[{"index":1,"embedding":[1e-8,-0.0]},{"index":0,"embedding":[2,3E+5]}],"usage":{"prompt_tokens":3}}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"x","refusal":"y","tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{\"a"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
    ],
    &[
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f"}}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"delta":"x\n"}"#,
        r#"{"id":"r","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"x","annotations":[{"url":"u"}]}]},{"type":"reasoning","summary":[],"encrypted_content":"e"}],"usage":{"input_tokens":1}}"#,
        r#"{"type":"response.completed","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#,
    ],
    &[
        r#"{"content":[{"type":"text","text":"x"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"cache_read_input_tokens":18446744073709551615}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"x"}},"usage":{"output_tokens":2}}"#,
    ],
    &[
        r#"{"embeddings":[{"values":[1e-8,-0.0]}],"usageMetadata":{"promptTokenCount":3}}"#,
        r#"{"candidates":[{"index":0,"content":{"parts":[{"text":"hm","thought":true,"thoughtSignature":"QQ=="},{"text":"t"},{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"thoughtsTokenCount":1}}"#,
        r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#,
    ],
];

/// Each text behind every byte that `marks` makes of its dialect's number.
fn corpus(table: &[&[&str]; 4], marks: impl Fn(u8) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (texts, dialect) in table.iter().zip(0..) {
        for text in *texts {
            all.extend(marks(dialect).into_iter().map(|mark| [&[mark], text.as_bytes()].concat()));
        }
    }
    all
}

#[test]
fn requests() {
    let corpus = corpus(&PROMPTS, |dialect| vec![dialect]);
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    let read = corpus.iter().filter(|bytes| crate::json::Tree::new().read(&bytes[1..]).is_ok()).count();
    assert_eq!(read, corpus.len(), "every seed is JSON");
    run(&corpus, &JSON_WORDS, prompt);
}

#[test]
fn answers() {
    let corpus = corpus(&SPEECH, |dialect| (0..4).map(|to| dialect | to << 2).collect());
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    run(&corpus, &JSON_WORDS, speech);
}
