//! Rust without its comments, strings and characters.

#[cfg(test)]
mod tests;

/// The text with every comment, string and character literal replaced by spaces. Lines stay lines
/// and what is left stays in its column, so that places found in it are places of the file.
pub(super) fn blanked(text: &str) -> String {
    let mut scanner = Scanner { input: text.chars().collect(), at: 0, out: String::with_capacity(text.len()) };
    while scanner.at < scanner.input.len() {
        scanner.step();
    }
    scanner.out
}

struct Scanner {
    input: Vec<char>,
    at: usize,
    out: String,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.input.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn keep(&mut self) {
        self.out.push(self.input[self.at]);
        self.at += 1;
    }

    /// Blanks so many characters.
    fn blank(&mut self, count: usize) {
        for _ in 0..count.min(self.input.len() - self.at) {
            self.out.push(if self.peek(0) == '\n' { '\n' } else { ' ' });
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            ('r' | 'b' | 'c', _) if !self.after_word() => self.prefixed(),
            _ => self.keep(),
        }
    }

    /// Whether the character before belongs to the same word.
    fn after_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.input.get(at));
        before.is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    fn line_comment(&mut self) {
        while self.at < self.input.len() && self.peek(0) != '\n' {
            self.blank(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.input.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.blank(1);
                    continue;
                }
            }
            self.blank(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.blank(1);
        while self.at < self.input.len() {
            match self.peek(0) {
                '\\' => self.blank(2),
                '"' => return self.blank(1),
                _ => self.blank(1),
            }
        }
    }

    /// A character, or a lifetime, which is kept.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            self.blank(3);
            while self.at < self.input.len() && self.peek(0) != '\'' {
                self.blank(1);
            }
            return self.blank(1);
        }
        if self.peek(2) == '\'' {
            return self.blank(3);
        }
        self.keep();
    }

    /// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`, or just a word that begins so.
    fn prefixed(&mut self) {
        let mut ahead = 1;
        if matches!(self.peek(0), 'b' | 'c') && self.peek(1) == 'r' {
            ahead = 2;
        }
        let raw = self.peek(ahead - 1) == 'r';
        let mut hashes = 0;
        while raw && self.peek(ahead + hashes) == '#' {
            hashes += 1;
        }
        match self.peek(ahead + hashes) {
            '"' if raw => self.raw_string(ahead + hashes + 1, hashes),
            '"' => {
                self.blank(1);
                self.string();
            }
            '\'' if self.peek(0) == 'b' && ahead == 1 && !raw => {
                self.blank(1);
                self.quote();
            }
            _ => self.keep(),
        }
    }

    fn raw_string(&mut self, opening: usize, hashes: usize) {
        self.blank(opening);
        while self.at < self.input.len() {
            let closes = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if closes {
                return self.blank(1 + hashes);
            }
            self.blank(1);
        }
    }
}
