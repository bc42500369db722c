//! Foreign words on a terminal: what a data plane, an operator or a file says must not move the
//! cursor, nor look like a line of ours.

use std::borrow::Cow;

/// Text that stays on its line: every control character is shown, and none is obeyed.
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, |_| false)
}

/// The same for text of several lines: line ends and tabs are obeyed.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, |character| matches!(character, '\n' | '\t'))
}

fn shown(text: &str, obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hidden = |character: char| character.is_control() && !obeyed(character);
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        let table = [
            ("plain: naïve, 日本", "plain: naïve, 日本", "plain: naïve, 日本"),
            ("\u{1b}[2J\u{1b}]0;owned\u{7}", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
            ("a\rb\u{7f}\u{9b}1m", "a\\rb\\u{7f}\\u{9b}1m", "a\\rb\\u{7f}\\u{9b}1m"),
            ("one\n\ttwo", "one\\n\\ttwo", "one\n\ttwo"),
        ];
        for (text, on_a_line, on_several) in table {
            assert_eq!(line(text), on_a_line);
            assert_eq!(lines(text), on_several);
        }
    }
}
