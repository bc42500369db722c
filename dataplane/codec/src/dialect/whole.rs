//! Whether an answer is one that may be given once more: whole, ended by the model itself, and nothing but
//! said.

use super::answer::{Answer, Block};
use super::{Decoder, Dialect, Terms, read_answer};
use crate::json::{Finish, Tree};
use crate::sse::{EVENT_SIZE_MAX, Kind, Splitter};

/// True for an answer in `dialect` that is complete in every choice, ended by the model itself, and has something
/// to show. What a limit or a filter ended, a refusal, and a call of a tool are not: a call that is given once more
/// would be carried out once more.
pub fn may_be_repeated(dialect: Dialect, stream: bool, bytes: &[u8]) -> bool {
    let answer = if stream { read_stream(dialect, bytes) } else { read_answer(dialect, bytes, &mut Tree::new(), &Terms::default()).ok() };
    answer.is_some_and(|answer| is_said(&answer))
}

fn is_said(answer: &Answer) -> bool {
    let said = |block: &Block| matches!(block, Block::Text(_) | Block::Thought { .. });
    answer.has_content() && answer.choices.iter().all(|choice| choice.finish == Some(Finish::Stop) && choice.blocks.iter().all(said))
}

/// The answer that a whole stream of events brings; `None` when it does not come to its end.
fn read_stream(dialect: Dialect, mut bytes: &[u8]) -> Option<Answer> {
    let (mut splitter, mut decoder, mut tree) = (Splitter::new(EVENT_SIZE_MAX), Decoder::new(dialect, None), Tree::new());
    let mut answer = Answer::default();
    while let Some(cut) = splitter.next(bytes).ok()? {
        if cut.kind == Kind::Event {
            decoder.event(cut.event(&splitter, bytes), cut.data(&splitter, bytes), &mut tree, &mut answer).ok()?;
        }
        bytes = &bytes[cut.used..];
    }
    // Gemini's streams have no end but that of their choices.
    let over = answer.over || dialect == Dialect::Gemini;
    (over && splitter.pending() == 0).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = r#"data: {"id":"i","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":null}]}

data: {"id":"i","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]

"#;

    fn whole(dialect: Dialect, text: &str) -> bool {
        may_be_repeated(dialect, false, text.as_bytes())
    }

    #[test]
    fn only_what_the_model_itself_has_ended_may_be_repeated() {
        let chat = |finish: &str, message: &str| {
            format!(
                r#"{{"id":"i","model":"m","choices":[{{"index":0,"finish_reason":"{finish}","message":{{"role":"assistant",{message}}}}}]}}"#
            )
        };
        let text = r#""content":"hi""#;
        let call = r#""content":"hi","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#;
        for (finish, message, may) in [
            ("stop", text, true),
            ("length", text, false),
            ("content_filter", text, false),
            ("tool_calls", call, false),
            ("stop", call, false),
            ("stop", r#""content":"""#, false),
            ("stop", r#""content":null,"refusal":"no""#, false),
        ] {
            assert_eq!(whole(Dialect::Openai, &chat(finish, message)), may, "{finish} {message}");
        }
        assert!(!whole(Dialect::Openai, r#"{"error":{"message":"no"}}"#) && !whole(Dialect::Openai, "{"));
        let messages = |stop: &str| {
            format!(
                r#"{{"id":"i","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"hi"}}],"stop_reason":"{stop}","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
            )
        };
        for (stop, may) in [("end_turn", true), ("max_tokens", false), ("refusal", false), ("pause_turn", false)] {
            assert_eq!(whole(Dialect::Anthropic, &messages(stop)), may, "{stop}");
        }
        let gemini = |finish: &str| {
            format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"hi"}}]}},"finishReason":"{finish}","index":0}}]}}"#)
        };
        for (finish, may) in [("STOP", true), ("SAFETY", false), ("MAX_TOKENS", false)] {
            assert_eq!(whole(Dialect::Gemini, &gemini(finish)), may, "{finish}");
        }
    }

    #[test]
    fn no_beginning_of_a_stream_is_a_whole_one() {
        let may = |bytes: &[u8]| may_be_repeated(Dialect::Openai, true, bytes);
        assert!(may(CHAT.as_bytes()));
        for cut in 0..CHAT.len() - 1 {
            assert!(!may(&CHAT.as_bytes()[..cut]), "{cut}");
        }
        assert!(!may(CHAT.replace("\"stop\"", "\"length\"").as_bytes()));
        let gemini = b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":\"STOP\",\"index\":0}]}\n\n";
        assert!(may_be_repeated(Dialect::Gemini, true, gemini));
        assert!(!may_be_repeated(Dialect::Gemini, true, &gemini[..gemini.len() - 2]));
    }
}
