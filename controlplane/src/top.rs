//! `throwover top`: what goes on, on one screen, once a second.

mod frame;
mod screen;

use crate::{
    places,
    socket::{self, Answer, Request, code},
    verbs::Arguments,
};
use frame::{Frame, Style};
use screen::Screen;
use serde_json::Value;
use std::{
    io::{self, IsTerminal},
    path::Path,
    time::{Duration, Instant},
};

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);
/// What one frame is written for where there is no terminal.
const WIDE: (usize, usize) = (160, 1_000);

/// Shows the screen until it is told to end; one frame where nobody could see a second.
pub fn top(arguments: &Arguments) -> Answer {
    let run = places::run(arguments);
    if arguments.contains_key("once") || !io::stdout().is_terminal() {
        return match look(&run) {
            Ok(status) => {
                let lines = Frame::of(&status, None).lines(WIDE, Style::Plain);
                Answer::new(lines.iter().map(|line| format!("{line}\n")).collect(), status)
            }
            Err(error) => unreached(&run, &error),
        };
    }
    match watch(&run) {
        Ok(()) => Answer::new(String::new(), Value::Null),
        Err(error) => Answer::refused(code::FAILED, format!("throwover: {error}\n")),
    }
}

fn unreached(run: &Path, error: &io::Error) -> Answer {
    let place = run.join("operator.sock");
    Answer::refused(code::UNREACHED, format!("no daemon is reached at {}: {error}\n", place.display()))
}

/// What the daemon says now.
fn look(run: &Path) -> io::Result<Value> {
    let request = Request { verb: "status".to_owned(), ..Request::default() };
    let (answer, _) = socket::ask(run, &request)?;
    if answer.code == code::OK { Ok(answer.data) } else { Err(io::Error::other(answer.text.trim_end().to_owned())) }
}

fn watch(run: &Path) -> io::Result<()> {
    let mut screen = Screen::enter()?;
    let style = if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) { Style::Plain } else { Style::Coloured };
    let mut before: Option<(Value, Instant)> = None;
    loop {
        let began = Instant::now();
        match look(run) {
            Ok(status) => {
                let earlier = before.as_ref().map(|(status, at)| (status, began.duration_since(*at)));
                screen.draw(&Frame::of(&status, earlier).lines(screen.size(), style))?;
                before = Some((status, began));
            }
            Err(error) => {
                before = None;
                screen.draw(&[unreached(run, &error).text.trim_end().to_owned(), "q ends".to_owned()])?;
            }
        }
        if screen.ended_within(TICK.saturating_sub(began.elapsed()))? {
            return Ok(());
        }
    }
}
