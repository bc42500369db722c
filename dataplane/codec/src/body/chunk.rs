//! The chunked transfer coding (RFC 9112 7.1), one byte of framing at a time.
//!
//! ```text
//! chunk         = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//! chunk-ext     = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
//! last-chunk    = 1*("0") [ chunk-ext ] CRLF
//! chunked-body  = *chunk last-chunk trailer-section CRLF
//! ```
//!
//! BWS ("bad whitespace") is refused: RFC 9112 7.1.1 lets recipients remove it, and nobody who is
//! not probing sends it.

use super::{EXTENSION_SIZE_MAX, EXTENSIONS_SIZE_MAX, Fault, OVERHEAD_FREE_SIZE, OVERHEAD_RATIO_MAX, Step, TRAILERS_SIZE_MAX};
use crate::head::is_token_byte;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// The size of the chunk while its digits come, then what is missing of its data.
    size: u64,
    /// Digits of the size so far; `digits <= 16`.
    digits: u8,
    /// Bytes of extension in this line.
    extension_size: usize,
    extensions_size: usize,
    trailers_size: usize,
    /// Bytes that were not content.
    overhead: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    ExtensionName {
        empty: bool,
    },
    ExtensionValue {
        empty: bool,
    },
    Quoted,
    QuotedPair,
    QuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Done,
}

impl Chunks {
    pub(super) fn decode(&mut self, input: &[u8], received: u64, max: u64) -> Result<Step, Fault> {
        for (index, &byte) in input.iter().enumerate() {
            if self.at == At::Data {
                let left = (input.len() - index) as u64;
                let take = self.size.min(left);
                self.size -= take;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                let end = index + take as usize;
                return Ok(Step { used: end, data: index..end, done: false });
            }
            self.overhead += 1;
            self.at = self.step(byte, received, max)?;
            if self.at == At::Done {
                return Ok(Step { used: index + 1, data: 0..0, done: true });
            }
        }
        Ok(Step { used: input.len(), data: 0..0, done: false })
    }

    fn step(&mut self, byte: u8, received: u64, max: u64) -> Result<At, Fault> {
        match (self.at, byte) {
            (At::Size, _) => self.size_byte(byte, received, max),
            (At::ExtensionName { .. } | At::ExtensionValue { .. } | At::Quoted | At::QuotedPair | At::QuotedEnd, _) => {
                self.extension_byte(byte)
            }
            (At::SizeLf, b'\n') => self.line_end(received),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => {
                self.digits = 0;
                Ok(At::Size)
            }
            (At::SizeLf | At::DataCr | At::DataLf, _) => Err(Fault::ChunkEnd),
            _ => self.trailer_byte(byte),
        }
    }

    fn size_byte(&mut self, byte: u8, received: u64, max: u64) -> Result<At, Fault> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if self.digits == 16 {
                return Err(Fault::ChunkSize);
            }
            // Sixteen digits fill 64 bits exactly, so that the shift loses nothing.
            self.size = self.size << 4 | u64::from(digit);
            self.digits += 1;
            // `received <= max`, so the subtraction holds and nothing is ever added to a size.
            if self.size > max - received {
                return Err(Fault::TooLarge);
            }
            return Ok(At::Size);
        }
        match byte {
            _ if self.digits == 0 => Err(Fault::ChunkSize),
            b'\r' => Ok(At::SizeLf),
            b';' => {
                self.extension_size = 0;
                self.count_extension()?;
                Ok(At::ExtensionName { empty: true })
            }
            b'\n' => Err(Fault::ChunkEnd),
            _ => Err(Fault::ChunkSize),
        }
    }

    fn extension_byte(&mut self, byte: u8) -> Result<At, Fault> {
        if byte != b'\r' {
            self.count_extension()?;
        }
        match (self.at, byte) {
            (At::ExtensionName { .. }, _) if is_token_byte(byte) => Ok(At::ExtensionName { empty: false }),
            (At::ExtensionValue { .. }, _) if is_token_byte(byte) => Ok(At::ExtensionValue { empty: false }),
            (At::ExtensionName { empty: false }, b'=') => Ok(At::ExtensionValue { empty: true }),
            (At::ExtensionValue { empty: true }, b'"') => Ok(At::Quoted),
            (At::Quoted, b'"') => Ok(At::QuotedEnd),
            (At::Quoted, b'\\') => Ok(At::QuotedPair),
            // RFC 9110 5.6.4: qdtext and quoted-pair, without obs-text.
            (At::Quoted | At::QuotedPair, b'\t' | b' '..=b'~') => Ok(At::Quoted),
            (At::ExtensionName { empty: false } | At::ExtensionValue { empty: false } | At::QuotedEnd, b'\r') => Ok(At::SizeLf),
            (At::ExtensionName { empty: false } | At::ExtensionValue { empty: false } | At::QuotedEnd, b';') => {
                Ok(At::ExtensionName { empty: true })
            }
            _ => Err(Fault::ChunkExtension),
        }
    }

    fn count_extension(&mut self) -> Result<(), Fault> {
        self.extension_size += 1;
        self.extensions_size += 1;
        if self.extension_size > EXTENSION_SIZE_MAX || self.extensions_size > EXTENSIONS_SIZE_MAX {
            return Err(Fault::ChunkExtension);
        }
        Ok(())
    }

    fn line_end(&mut self, received: u64) -> Result<At, Fault> {
        let allowed = received.saturating_mul(OVERHEAD_RATIO_MAX).saturating_add(OVERHEAD_FREE_SIZE);
        if self.overhead > allowed {
            return Err(Fault::Overhead);
        }
        Ok(if self.size == 0 { At::TrailerStart } else { At::Data })
    }

    /// Trailers are checked like field lines and dropped: nothing that the gateway decides by may
    /// come after the body.
    fn trailer_byte(&mut self, byte: u8) -> Result<At, Fault> {
        self.trailers_size += 1;
        if self.trailers_size > TRAILERS_SIZE_MAX {
            return Err(Fault::Trailer);
        }
        match (self.at, byte) {
            (At::TrailerStart, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::Done),
            (At::TrailerStart | At::TrailerName, _) if is_token_byte(byte) => Ok(At::TrailerName),
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            _ => Err(Fault::Trailer),
        }
    }
}
