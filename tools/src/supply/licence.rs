//! SPDX expressions: `MIT OR Apache-2.0`, `(MIT OR Apache-2.0) AND Unicode-3.0`.

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 16;

/// True when the licences that are allowed are enough.
///
/// # Errors
/// It is no expression.
pub(crate) fn allows(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    // Packages older than the rule write `MIT/Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed, depth: 0 };
    let verdict = reader.either()?;
    if reader.words.is_empty() { Ok(verdict) } else { Err(format!("`{}` is left over", reader.words.join(" "))) }
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Result<&'a str, String> {
        let (first, rest) = self.words.split_first().ok_or("it ends early")?;
        self.words = rest;
        Ok(first)
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut verdict = self.both()?;
        while self.take("OR") {
            verdict |= self.both()?;
        }
        Ok(verdict)
    }

    /// AND binds more closely than OR.
    fn both(&mut self) -> Result<bool, String> {
        let mut verdict = self.one()?;
        while self.take("AND") {
            verdict &= self.one()?;
        }
        Ok(verdict)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err("it is nested too deeply".to_owned());
            }
            let verdict = self.either()?;
            self.depth -= 1;
            return if self.take(")") { Ok(verdict) } else { Err("a parenthesis is open".to_owned()) };
        }
        let word = self.next()?;
        if matches!(word, "OR" | "AND" | "WITH" | ")") {
            return Err(format!("`{word}` stands where a licence is wanted"));
        }
        if self.take("WITH") {
            let exception = self.next()?;
            return Ok((self.allowed)(&format!("{word} WITH {exception}")));
        }
        // `MPL-2.0+` is that version or a later one: who may use that one may use it.
        Ok((self.allowed)(word) || word.strip_suffix('+').is_some_and(|word| (self.allowed)(word)))
    }
}
