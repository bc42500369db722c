//! The decoders and encoders of all dialects, behind one door each.

use super::answer::Answer;
use super::{Delta, Dialect, Failure, Listener, Manner, anthropic, gemini, openai, responses};
use crate::json::{Tree, Value};

/// Reads what a provider says.
#[derive(Debug)]
pub enum Decoder {
    /// OpenAI's Chat.
    Openai(openai::decoder::Decoder),
    /// OpenAI's Responses.
    Responses(responses::decoder::Decoder),
    /// Anthropic.
    Anthropic(anthropic::decoder::Decoder),
    /// Gemini.
    Gemini(gemini::decoder::Decoder),
}

impl Decoder {
    /// The decoder of one answer. Calls of the tool `unwrapped` are told as text.
    pub fn new(dialect: Dialect, unwrapped: Option<&'static str>) -> Decoder {
        match dialect {
            Dialect::Openai => Decoder::Openai(openai::decoder::Decoder::default()),
            Dialect::Responses => Decoder::Responses(responses::decoder::Decoder::default()),
            Dialect::Anthropic => Decoder::Anthropic(anthropic::decoder::Decoder::new(unwrapped)),
            Dialect::Gemini => Decoder::Gemini(gemini::decoder::Decoder::default()),
        }
    }

    /// Reads an event of a stream.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], tree: &mut Tree, to: &mut dyn Listener) -> Result<(), Failure> {
        match self {
            Decoder::Openai(decoder) => decoder.event(name, data, tree, to),
            Decoder::Responses(decoder) => decoder.event(name, data, tree, to),
            Decoder::Anthropic(decoder) => decoder.event(name, data, tree, to),
            Decoder::Gemini(decoder) => decoder.event(name, data, tree, to),
        }
    }

    /// Reads a whole answer, its end included.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn whole(&mut self, root: Value<'_>, to: &mut dyn Listener) -> Result<(), Failure> {
        match self {
            Decoder::Openai(decoder) => decoder.whole(root, to),
            Decoder::Responses(decoder) => decoder.whole(root, to),
            Decoder::Anthropic(decoder) => decoder.whole(root, to),
            Decoder::Gemini(decoder) => decoder.whole(root, to),
        }
    }
}

/// Says it to a client.
#[derive(Debug)]
pub enum Encoder {
    /// OpenAI's Chat.
    Openai(openai::encoder::Encoder),
    /// OpenAI's Responses.
    Responses(Box<responses::encoder::Encoder>),
    /// Anthropic.
    Anthropic(anthropic::encoder::Encoder),
    /// Gemini.
    Gemini(gemini::encoder::Encoder),
}

impl Encoder {
    /// The encoder of one stream.
    pub fn new(dialect: Dialect, manner: Manner) -> Encoder {
        match dialect {
            Dialect::Openai => Encoder::Openai(openai::encoder::Encoder::new(manner)),
            Dialect::Responses => Encoder::Responses(Box::new(responses::encoder::Encoder::new(manner))),
            Dialect::Anthropic => Encoder::Anthropic(anthropic::encoder::Encoder::new(manner)),
            Dialect::Gemini => Encoder::Gemini(gemini::encoder::Encoder::new(manner)),
        }
    }

    /// What was written and not yet taken.
    pub fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Encoder::Openai(encoder) => &mut encoder.out,
            Encoder::Responses(encoder) => &mut encoder.out,
            Encoder::Anthropic(encoder) => &mut encoder.out,
            Encoder::Gemini(encoder) => &mut encoder.out,
        }
    }

    /// Writes a whole answer.
    pub fn write_answer(dialect: Dialect, answer: &Answer, manner: &Manner, out: &mut Vec<u8>) {
        match dialect {
            Dialect::Openai => openai::encoder::write_answer(answer, manner, out),
            Dialect::Responses => responses::answer::write_answer(answer, manner, out),
            Dialect::Anthropic => anthropic::encoder::write_answer(answer, manner, out),
            Dialect::Gemini => gemini::encoder::write_answer(answer, manner, out),
        }
    }
}

impl Listener for Encoder {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        match self {
            Encoder::Openai(encoder) => encoder.hear(choice, delta),
            Encoder::Responses(encoder) => encoder.hear(choice, delta),
            Encoder::Anthropic(encoder) => encoder.hear(choice, delta),
            Encoder::Gemini(encoder) => encoder.hear(choice, delta),
        }
    }
}
