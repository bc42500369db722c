//! Pictures as SVG within a page, made of few shapes; every text is escaped here.

use crate::axis::{self, Log};
use std::fmt::Write;

/// Colours of runs, told apart by most eyes; more runs than these are not overlaid.
pub(crate) const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f3c8d", "#444444"];

/// Text that is nothing but text, in HTML as in SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Not allowed in XML at all.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' => safe.push('\u{fffd}'),
            _ => safe.push(letter),
        }
    }
    safe
}

/// Room around what is drawn.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
const WIDTH: f64 = 900.0;

/// A picture with axes; places within are shares of its width and height, the latter from below.
pub(crate) struct Picture {
    text: String,
    height: f64,
}

impl Picture {
    /// An empty one; `label` is what it shows, for those who do not see it.
    pub(crate) fn new(height: f64, label: &str) -> Picture {
        let text = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n", escaped(label));
        Picture { text, height }
    }

    fn x(&self, share: f64) -> f64 {
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, share: f64) -> f64 {
        self.height - BOTTOM - share * (self.height - TOP - BOTTOM)
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{arguments}").expect("a string takes everything");
    }

    /// Lines across at the axis's marks, with their times beside them.
    pub(crate) fn times(&mut self, axis: &Log) {
        for tick in axis.ticks() {
            let (y, left, right) = (self.y(axis.place(tick)), self.x(0.0), self.x(1.0));
            self.push(format_args!("<line class=\"grid\" x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>"));
            self.push(format_args!("<text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", left - 6.0, y + 4.0, escaped(&axis::time(tick))));
        }
    }

    /// A line up at this place, with a text below it.
    pub(crate) fn upright(&mut self, x: f64, text: &str) {
        let (x, low, high) = (self.x(x), self.y(0.0), self.y(1.0));
        self.push(format_args!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"{low:.1}\" x2=\"{x:.1}\" y2=\"{high:.1}\"/>"));
        self.push(format_args!("<text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", low + 16.0, escaped(text)));
    }

    /// A line through these places.
    pub(crate) fn line(&mut self, colour: &str, class: &str, places: &[(f64, f64)]) {
        let points: Vec<String> = places.iter().map(|&(x, y)| format!("{:.1},{:.1}", self.x(x), self.y(y))).collect();
        if let [only] = places {
            // A line of one place is not drawn.
            let (x, y) = (self.x(only.0), self.y(only.1));
            self.push(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"{colour}\"/>"));
        } else if !points.is_empty() {
            self.push(format_args!("<polyline class=\"{class}\" stroke=\"{colour}\" points=\"{}\"/>", points.join(" ")));
        }
    }

    /// A band from one place to another, with a text at its head.
    pub(crate) fn band(&mut self, class: &str, from: f64, to: f64, text: &str) {
        let (left, right, low, high) = (self.x(from), self.x(to), self.y(0.0), self.y(1.0));
        let width = (right - left).max(1.5);
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            low - high,
            escaped(text)
        ));
        if !text.is_empty() {
            self.push(format_args!("<text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", left + 3.0, high + 11.0, escaped(text)));
        }
    }

    /// The whole.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::{Picture, escaped};

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escaped("<script>alert('x') & \"y\"</script>\u{1}"),
            "&lt;script&gt;alert(&#39;x&#39;) &amp; &quot;y&quot;&lt;/script&gt;\u{fffd}"
        );
        let mut picture = Picture::new(100.0, "\"><script>");
        picture.upright(0.5, "<b>");
        picture.band("fault", 0.1, 0.2, "</title><script>");
        let text = picture.finish();
        assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
    }

    #[test]
    fn a_line_needs_two_places_and_one_is_a_dot() {
        let mut picture = Picture::new(100.0, "");
        picture.line("red", "run", &[]);
        picture.line("red", "run", &[(0.0, 0.0)]);
        picture.line("red", "run", &[(0.0, 0.0), (1.0, 1.0)]);
        let text = picture.finish();
        assert_eq!((text.matches("<circle").count(), text.matches("<polyline").count()), (1, 1));
        assert!(text.contains("points=\"70.0,66.0 880.0,14.0\""), "{text}");
    }
}
