//! An answer of the gateway's own: a text, in a client's dialect.

use super::{Delta, Dialect, Encoder, Listener, Manner, answer::Answer};
use crate::json::{self, Finish, Str, Usage};

/// Writes an answer that says `text`, and that no model has made: as a stream's events, or whole.
pub fn write_text(dialect: Dialect, text: &str, manner: Manner, stream: bool, out: &mut Vec<u8>) {
    let mut escaped = Vec::with_capacity(text.len() + 16);
    json::escape_into(&mut escaped, text);
    let usage = Usage { input: Some(0), output: Some(0), total: Some(0), ..Usage::default() };
    let deltas = [
        Delta::Begin { id: None, model: None },
        Delta::Text(Str::escaped(&escaped)),
        Delta::Usage(usage),
        Delta::Finish { reason: Finish::Stop, stop: None },
        Delta::End,
    ];
    if stream {
        let mut encoder = Encoder::new(dialect, manner);
        deltas.into_iter().for_each(|delta| encoder.hear(0, delta));
        out.append(encoder.out());
    } else {
        let mut answer = Answer::default();
        deltas.into_iter().for_each(|delta| answer.hear(0, delta));
        Encoder::write_answer(dialect, &answer, &manner, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{Ear, Kind, Terms, read_answer},
        json::Tree,
        sse::Splitter,
    };

    const TEXT: &str = "We are busy; \"please\" try again.\n\u{1f642}";

    fn manner() -> Manner {
        Manner {
            seed: 7,
            created: 1_700_000_000,
            model: "template".into(),
            include_usage: false,
            input_estimate: 3,
            terms: Terms::default(),
        }
    }

    #[test]
    fn every_dialect_reads_it_back() {
        for dialect in [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
            let mut whole = Vec::new();
            write_text(dialect, TEXT, manner(), false, &mut whole);
            let answer = read_answer(dialect, &whole, &mut Tree::new(), &Terms::default()).unwrap();
            assert!(answer.has_content() && answer.choices[0].finish == Some(Finish::Stop), "{dialect:?}");
            let mut again = Vec::new();
            Encoder::write_answer(Dialect::Openai, &answer, &manner(), &mut again);
            let parsed: serde_json::Value = serde_json::from_slice(&again).unwrap();
            assert_eq!(parsed["choices"][0]["message"]["content"], TEXT, "{dialect:?}");
        }
    }

    #[test]
    fn every_dialect_hears_a_whole_stream() {
        for dialect in [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
            let mut events = Vec::new();
            write_text(dialect, TEXT, manner(), true, &mut events);
            let (mut ear, mut splitter) = (Ear::new(dialect, None), Splitter::new(1 << 16));
            let (mut data, mut shown, mut ended) = (&events[..], false, false);
            while let Some(cut) = splitter.next(data).unwrap() {
                match ear.event(cut.event(&splitter, data), cut.data(&splitter, data), &mut Vec::new()).kind {
                    Kind::Content(_) => shown = true,
                    Kind::Finish { content, .. } => {
                        shown |= content.is_some();
                        ended = true;
                    }
                    Kind::Done(_) => ended = true,
                    Kind::Error(_) | Kind::Malformed => panic!("{dialect:?}: {}", String::from_utf8_lossy(data)),
                    _ => {}
                }
                data = &data[cut.used..];
            }
            assert!(shown && ended && splitter.pending() == 0, "{dialect:?}: {}", String::from_utf8_lossy(&events));
        }
    }
}
