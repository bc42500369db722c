//! Patterns over the fields of an error: the part of regular expressions that the rules need, compiled
//! once, matched without an allocation and without going back.
//!
//! A pattern is written as `(a|b)`, `x?`, `.`, `.*`, `.+`, `\d`, `^` and `$` are elsewhere; letters match in
//! either case, and a dot matches any character. It is compiled into *branches*: every choice is
//! multiplied out, so that a branch is a sequence of characters with gaps in it, and matching one is a
//! search for its parts in order. The leftmost place for each part is always good enough, so that the time
//! is bounded by the length of the pattern times that of the text, whatever stands in it.
//!
//! Most patterns do not match, and are passed over by a look at the [`Grams`] of the text: which three
//! characters stand beside each other somewhere in it.

use std::{fmt, ops::Range};

/// Which groups of three bytes occur in a text, by a hash of 12 bits.
#[derive(Clone, Debug)]
pub(in crate::judge) struct Grams([u64; GRAM_BITS / 64]);

const GRAM_BITS: usize = 1 << 12;
/// Groups of a branch that are looked for before it is tried.
const GRAMS_MAX: usize = 4;

const fn gram(a: u8, b: u8, c: u8) -> u16 {
    let joined = (a as u32) << 16 | (b as u32) << 8 | c as u32;
    // Fibonacci hashing: the upper bits of a product with 2^32 divided by the golden ratio.
    (joined.wrapping_mul(0x9e37_79b1) >> 20) as u16
}

impl Grams {
    /// Those of `text`.
    pub(in crate::judge) fn of(text: &[u8]) -> Grams {
        let mut grams = Grams([0; GRAM_BITS / 64]);
        for window in text.windows(3) {
            let gram = gram(window[0], window[1], window[2]);
            grams.0[usize::from(gram / 64)] |= 1 << (gram % 64);
        }
        grams
    }

    fn has(&self, gram: u16) -> bool {
        self.0[usize::from(gram / 64)] & 1 << (gram % 64) != 0
    }
}

/// A field, made ready to be searched.
#[derive(Clone, Debug)]
pub(in crate::judge) struct Subject<'t> {
    /// UTF-8, in lower case.
    pub(in crate::judge) text: &'t [u8],
    pub(in crate::judge) grams: Grams,
    /// More followed, which was left out: its end is not seen.
    pub(in crate::judge) cut: bool,
}

/// What matches one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This one, which is of ASCII and no capital.
    Byte(u8),
    /// Any.
    Any,
    /// A digit.
    Digit,
}

/// A sequence of parts with gaps between them.
#[derive(Clone, Copy, Debug)]
struct Branch {
    grams: [u16; GRAMS_MAX],
    /// The first part of it, and how many there are. At least one.
    part: u16,
    part_count: u8,
    /// The first part stands at the beginning.
    at_start: bool,
    /// The last part stands at the end.
    at_end: bool,
    /// It has groups to look for; one without a literal of three characters has none.
    has_grams: bool,
}

/// All patterns of a table, in a few flat lists.
#[derive(Debug, Default)]
pub(in crate::judge) struct Patterns {
    branches: Vec<Branch>,
    /// Where each part lies in `steps`.
    parts: Vec<(u16, u16)>,
    steps: Vec<Step>,
}

/// A pattern of [`Patterns`]: its branches.
pub(in crate::judge) type Place = Range<u16>;

/// Why something is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::judge) struct NoPattern {
    /// Where, in bytes.
    pub(in crate::judge) at: usize,
    /// Why.
    pub(in crate::judge) complaint: &'static str,
}

impl fmt::Display for NoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.complaint, self.at)
    }
}

impl Patterns {
    /// Compiles one more.
    ///
    /// # Errors
    /// It says more than can be said here.
    pub(in crate::judge) fn add(&mut self, pattern: &str) -> Result<Place, NoPattern> {
        let start = self.branches.len() as u16;
        for branch in Reader::read(pattern)? {
            self.branch(&branch, pattern.len())?;
        }
        let end = u16::try_from(self.branches.len()).map_err(|_| NoPattern { at: pattern.len(), complaint: "too many branches" })?;
        Ok(start..end)
    }

    fn branch(&mut self, symbols: &[Symbol], at: usize) -> Result<(), NoPattern> {
        let no = |complaint| NoPattern { at, complaint };
        let inner = symbols.strip_prefix(&[Symbol::Start]).unwrap_or(symbols);
        let at_start = inner.len() < symbols.len();
        let body = inner.strip_suffix(&[Symbol::End]).unwrap_or(inner);
        let part = u16::try_from(self.parts.len()).map_err(|_| no("too many parts"))?;
        let mut best: &[Symbol] = &[];
        for piece in body.split(|symbol| *symbol == Symbol::Gap) {
            let start = u16::try_from(self.steps.len()).map_err(|_| no("too many characters"))?;
            for symbol in piece {
                self.steps.push(match *symbol {
                    Symbol::Step(step) => step,
                    Symbol::Gap | Symbol::Start | Symbol::End => return Err(no("an anchor amid a branch")),
                });
            }
            let end = u16::try_from(self.steps.len()).map_err(|_| no("too many characters"))?;
            self.parts.push((start, end));
            let literals = piece.split(|symbol| !matches!(symbol, Symbol::Step(Step::Byte(_))));
            best = literals.fold(best, |best, run| if run.len() > best.len() { run } else { best });
        }
        let part_count = u8::try_from(self.parts.len() - usize::from(part)).map_err(|_| no("too many gaps"))?;
        let bytes: Vec<u8> =
            best.iter().filter_map(|symbol| if let Symbol::Step(Step::Byte(byte)) = symbol { Some(*byte) } else { None }).collect();
        let found: Vec<u16> = bytes.windows(3).map(|window| gram(window[0], window[1], window[2])).collect();
        // Spread over the literal, so that words which begin alike are told apart.
        let grams = std::array::from_fn(|at| found.get(at * found.len().saturating_sub(1) / (GRAMS_MAX - 1)).copied().unwrap_or_default());
        self.branches.push(Branch { grams, part, part_count, at_start, at_end: body.len() < inner.len(), has_grams: !found.is_empty() });
        Ok(())
    }

    /// True when the pattern is found in `subject`.
    pub(in crate::judge) fn found(&self, place: &Place, subject: &Subject<'_>) -> bool {
        self.branches[usize::from(place.start)..usize::from(place.end)].iter().any(|branch| {
            let likely = !branch.has_grams || branch.grams.iter().all(|gram| subject.grams.has(*gram));
            likely && self.fits(branch, subject)
        })
    }

    fn fits(&self, branch: &Branch, subject: &Subject<'_>) -> bool {
        if branch.at_end && subject.cut {
            return false;
        }
        let text = subject.text;
        let parts = &self.parts[usize::from(branch.part)..][..usize::from(branch.part_count)];
        let mut from = 0;
        for (index, &(start, end)) in parts.iter().enumerate() {
            let steps = &self.steps[usize::from(start)..usize::from(end)];
            let ends = |end: &usize| !(branch.at_end && index + 1 == parts.len()) || *end == text.len();
            let last = if branch.at_start && index == 0 { 0 } else { text.len() };
            let Some(end) = (from..=last).find_map(|at| ahead(steps, text, at).filter(ends)) else { return false };
            from = end;
        }
        true
    }
}

/// Where `steps` end when they begin at `at`.
fn ahead(steps: &[Step], text: &[u8], mut at: usize) -> Option<usize> {
    for step in steps {
        let byte = *text.get(at)?;
        let fits = match step {
            Step::Byte(wanted) => *wanted == byte,
            Step::Digit => byte.is_ascii_digit(),
            // Not amid a character.
            Step::Any => byte & 0xc0 != 0x80,
        };
        if !fits {
            return None;
        }
        at += 1;
        if *step == Step::Any {
            at += text[at..].iter().take_while(|&&byte| byte & 0xc0 == 0x80).count();
        }
    }
    Some(at)
}

/// What a branch is made of before it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Step(Step),
    /// `.*`
    Gap,
    Start,
    End,
}

/// More than any pattern that a person can read has.
const BRANCHES_MAX: usize = 128;

struct Reader<'p> {
    pattern: &'p [u8],
    at: usize,
}

impl Reader<'_> {
    fn read(pattern: &str) -> Result<Vec<Vec<Symbol>>, NoPattern> {
        let mut reader = Reader { pattern: pattern.as_bytes(), at: 0 };
        let branches = reader.choice()?;
        if reader.at < reader.pattern.len() {
            return Err(reader.no("a bracket that nothing opens"));
        }
        if branches.iter().any(Vec::is_empty) { Err(reader.no("a branch that matches everything")) } else { Ok(branches) }
    }

    fn no(&self, complaint: &'static str) -> NoPattern {
        NoPattern { at: self.at, complaint }
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn choice(&mut self) -> Result<Vec<Vec<Symbol>>, NoPattern> {
        let mut branches = self.sequence()?;
        while self.peek() == Some(b'|') {
            self.at += 1;
            branches.extend(self.sequence()?);
        }
        Ok(branches)
    }

    fn sequence(&mut self) -> Result<Vec<Vec<Symbol>>, NoPattern> {
        let mut branches = vec![Vec::new()];
        while let Some(byte) = self.peek().filter(|byte| !matches!(byte, b'|' | b')')) {
            let item = self.item(byte)?;
            if branches.len() * item.len() > BRANCHES_MAX {
                return Err(self.no("too many branches"));
            }
            branches = branches.iter().flat_map(|before| item.iter().map(move |after| [before.as_slice(), after].concat())).collect();
        }
        Ok(branches)
    }

    /// One thing, and how often it may stand there.
    fn item(&mut self, byte: u8) -> Result<Vec<Vec<Symbol>>, NoPattern> {
        self.at += 1;
        let one = |symbol| vec![vec![symbol]];
        let mut item = match byte {
            b'(' => {
                let inner = self.choice()?;
                if self.peek() != Some(b')') {
                    return Err(self.no("a bracket that nothing closes"));
                }
                self.at += 1;
                inner
            }
            b'.' => one(Symbol::Step(Step::Any)),
            b'^' => one(Symbol::Start),
            b'$' => one(Symbol::End),
            b'\\' => {
                let escaped = self.peek().ok_or_else(|| self.no("a backslash at the end"))?;
                self.at += 1;
                match escaped {
                    b'd' => one(Symbol::Step(Step::Digit)),
                    b'.' | b'\\' | b'$' | b'^' | b'?' | b'*' | b'+' | b'(' | b')' | b'|' | b'[' | b'{' => {
                        one(Symbol::Step(Step::Byte(escaped)))
                    }
                    _ => return Err(self.no("an escape that is not known")),
                }
            }
            b'?' | b'*' | b'+' | b'[' | b'{' => return Err(self.no("something that is not known")),
            _ if !byte.is_ascii() => return Err(self.no("a character that is not of ASCII")),
            _ => one(Symbol::Step(Step::Byte(byte.to_ascii_lowercase()))),
        };
        match self.peek() {
            Some(b'?') => item.push(Vec::new()),
            Some(b'*' | b'+') if byte != b'.' => return Err(self.no("only a dot may be repeated")),
            Some(b'*') => item = one(Symbol::Gap),
            Some(b'+') => item = vec![vec![Symbol::Step(Step::Any), Symbol::Gap]],
            _ => return Ok(item),
        }
        self.at += 1;
        Ok(item)
    }
}

#[cfg(test)]
mod tests;
