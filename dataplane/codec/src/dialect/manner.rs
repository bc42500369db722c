//! How an answer is written: what the gateway adds to what a model says.

use super::Terms;

/// What an encoder needs to know.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Names the answer and its parts: the request's own number.
    pub seed: u64,
    /// Seconds since 1970.
    pub created: u64,
    /// The model, where the provider does not say.
    pub model: Box<str>,
    /// OpenAI's Chat: the stream is to tell the token counts.
    pub include_usage: bool,
    /// Tokens of the prompt, estimated, for the dialect that wants them first and the provider that tells
    /// them last.
    pub input_estimate: u64,
    /// How the request was written.
    pub terms: Terms,
}

impl Manner {
    /// Appends the seed as 16 hexadecimal digits.
    pub fn write_seed(&self, out: &mut Vec<u8>) {
        out.extend((0..16).rev().map(|digit| b"0123456789abcdef"[(self.seed >> (digit * 4)) as usize & 15]));
    }
}
