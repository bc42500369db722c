//! The terminal: taken over, drawn on, and given back as it was.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr},
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    io::{self, IsTerminal, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Another screen than the one that the shell is on, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Back to the shell's.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// When the terminal does not say how large it is.
const USUAL: (usize, usize) = (80, 24);

/// A terminal that is ours until this is dropped.
pub(super) struct Screen {
    /// How it was; `None` when keys do not come from a terminal.
    was: Option<Termios>,
    told_to_end: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It cannot be had, or signals cannot.
    pub(super) fn enter() -> io::Result<Screen> {
        let told_to_end = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&told_to_end))?;
        }
        let stdin = io::stdin();
        let was = if stdin.is_terminal() { Some(tcgetattr(&stdin)?) } else { None };
        // From here on whatever fails gives the terminal back.
        let screen = Screen { was, told_to_end };
        if let Some(was) = &screen.was {
            let mut ours = was.clone();
            // Keys come one by one and are not shown; Ctrl-C stays a signal.
            ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(&stdin, OptionalActions::Now, &ours)?;
        }
        put(ENTER)?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let found = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        found.map_or(USUAL, |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Shows these lines in the place of those before.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for line in lines {
            text.push_str(line);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        put(&text)
    }

    /// Waits; true once somebody has pressed `q`, or a signal came.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn ended_within(&mut self, time: Duration) -> io::Result<bool> {
        let until = Instant::now() + time;
        loop {
            if self.told_to_end.load(Relaxed) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let wait = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let stdin = io::stdin();
            let mut keys = [PollFd::new(&stdin, PollFlags::IN)];
            let keys = if self.was.is_some() { &mut keys[..] } else { &mut keys[..0] };
            match poll(keys, Some(&wait)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) if self.quit()? => return Ok(true),
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Reads what was pressed. A terminal that is gone says nothing, for ever.
    fn quit(&self) -> io::Result<bool> {
        let mut pressed = [0; 64];
        let count = io::stdin().lock().read(&mut pressed)?;
        Ok(count == 0 || pressed[..count].iter().any(|key| matches!(key, b'q' | b'Q')))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        put(LEAVE).ok();
        if let Some(was) = &self.was {
            tcsetattr(io::stdin(), OptionalActions::Now, was).ok();
        }
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
