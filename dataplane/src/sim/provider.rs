//! Providers as scripts: what they answer, and every way in which they fail to.

use super::{
    book::{Book, Meant, Seen},
    dice::Dice,
    line::Line,
};
use crate::io::{
    Io,
    fake::{End, Gone},
};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// How a provider behaves for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It answers.
    Well,
    /// It answers, byte by byte almost.
    Dripping,
    /// It answers after so many milliseconds.
    Late(u64),
    /// It answers with an error, and perhaps says when to come back, in milliseconds.
    Status(u16, Option<u64>),
    /// It says "later" in another way: an interim head first, then the answer.
    Interim,
    /// It closes without a word.
    CloseBeforeHead,
    /// It resets without a word.
    ResetBeforeHead,
    /// It never says anything.
    StallBeforeHead,
    /// It stops within the body, and waits.
    StallWithin,
    /// It closes within the body.
    CutWithin,
    /// It resets within the body.
    ResetWithin,
    /// A stream ends properly, but without its marker.
    NoMarker,
    /// A stream ends in mid-sentence, and its framing properly.
    NoFinish,
    /// An error event within the stream; a JSON answer that holds an error.
    ErrorWithin,
    /// An answer that holds nothing.
    Empty,
    /// JSON that is none.
    BadJson,
    /// A chunk without a size.
    BadChunk,
    /// The length says more than comes.
    Short,
    /// The length says less than comes.
    Long,
    /// It answers and ends the connection, as it said it would.
    Closing,
    /// It answers, the end of the connection being the end of the body.
    ToEnd,
    /// It answers, and says something more that nobody asked for.
    Surplus,
    /// Its head is no HTTP.
    BadHead,
    /// It answers with a page for humans.
    Page,
    /// A JSON answer of more than can be held; a stream that thinks aloud for very long.
    Large,
    /// As `Large`, and cut within.
    LargeCut,
    /// The stream reasons for a while before its first content.
    Reasoning(u64),
    /// Comments keep the stream alive while nothing is said, so many times.
    Pings(u64),
    /// It answers properly and closes the idle connection at once.
    CloseAfter,
}

/// Every manner that histories are drawn from; those that answer come up more often.
const DRAWN: &[Manner] = &[
    Manner::Dripping,
    Manner::Late(150),
    Manner::Late(600),
    Manner::Status(429, None),
    Manner::Status(429, Some(120)),
    Manner::Status(429, Some(9_000)),
    Manner::Status(500, None),
    Manner::Status(503, None),
    Manner::Status(401, None),
    Manner::Status(400, None),
    Manner::Interim,
    Manner::CloseBeforeHead,
    Manner::ResetBeforeHead,
    Manner::StallBeforeHead,
    Manner::StallWithin,
    Manner::CutWithin,
    Manner::ResetWithin,
    Manner::NoMarker,
    Manner::NoFinish,
    Manner::ErrorWithin,
    Manner::Empty,
    Manner::BadJson,
    Manner::BadChunk,
    Manner::Short,
    Manner::Long,
    Manner::Closing,
    Manner::ToEnd,
    Manner::Surplus,
    Manner::BadHead,
    Manner::Page,
    Manner::Large,
    Manner::LargeCut,
    Manner::Reasoning(700),
    Manner::Pings(4),
    Manner::CloseAfter,
];

/// Draws a manner; `permille` of them are not plainly good.
pub(super) fn draw(dice: &mut Dice, permille: u64) -> Manner {
    if dice.chance(permille) { dice.pick(DRAWN) } else { Manner::Well }
}

/// What one provider does: a list to begin with, and then what the dice say.
pub(super) struct Temper {
    pub(super) next: VecDeque<Manner>,
    pub(super) dice: Dice,
    /// How many of the others are not plainly good, in thousandths.
    pub(super) faults_permille: u64,
}

impl Temper {
    pub(super) fn manner(&mut self) -> Manner {
        match self.next.pop_front() {
            Some(manner) => manner,
            None => draw(&mut self.dice, self.faults_permille),
        }
    }
}

/// The number of the request that a body belongs to.
fn request_of(body: &[u8]) -> u32 {
    let marker = b"\"user\":\"r";
    let at = body.windows(marker.len()).position(|window| window == marker).expect("every body names its request");
    body[at + marker.len()..].iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |number, byte| number * 10 + u32::from(byte - b'0'))
}

/// Serves one connection to its end.
pub(super) async fn serve(io: Io, end: End, index: usize, temper: Rc<RefCell<Temper>>, book: Rc<RefCell<Book>>) {
    let mut line = Line::new(io, end);
    let mut reused = false;
    while let Some(head) = line.head().await {
        let body = line.body(&head, false).await;
        if !body.whole {
            return;
        }
        let request = request_of(&body.bytes);
        let (manner, dice, serial) = {
            let mut temper = temper.borrow_mut();
            (temper.manner(), temper.dice.fork(), book.borrow_mut().serial())
        };
        let stream = find(&body.bytes, b"\"stream\":true");
        let usage = find(&body.bytes, b"\"include_usage\":true");
        let mut answer = Answer { line: &mut line, dice, serial, manner, stream, usage };
        let script = answer.write();
        let seen = Seen { provider: index, at: answer.line.now(), body: body.bytes, head, reused, meant: script.meant.clone() };
        book.borrow_mut().seen.entry(request).or_default().push(seen);
        if !answer.perform(script).await {
            // Whoever sends on a connection whose last answer was left in doubt would be answered
            // by the wrong one.
            while line.fill().await {}
            // Who closes without warning, or says more than it was asked for, may be asked meanwhile.
            let unannounced = matches!(manner, Manner::CloseAfter | Manner::Surplus);
            if line.has_more() && !unannounced {
                book.borrow_mut().complaints.push(format!("provider {index} was asked on a connection left in doubt by {manner:?}"));
            }
            return;
        }
        reused = true;
    }
}

pub(super) fn find(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What is to be said, in order.
struct Script {
    meant: Meant,
    steps: Vec<Step>,
    /// The connection may carry another request afterwards.
    reusable: bool,
}

enum Step {
    Say(Vec<u8>),
    Wait(u64),
    Close,
    Reset,
}

struct Answer<'l> {
    line: &'l mut Line,
    dice: Dice,
    serial: u32,
    manner: Manner,
    stream: bool,
    usage: bool,
}

impl Answer<'_> {
    /// Says what the script says; true when the connection may be used again.
    async fn perform(&mut self, script: Script) -> bool {
        let short = self.manner == Manner::Dripping;
        for step in script.steps {
            match step {
                Step::Say(bytes) => {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        if self.line.end.gone() != Gone::No {
                            return false;
                        }
                        let most = if short { 1 + bytes.len() as u64 / 24 } else { bytes.len() as u64 };
                        let count = (1 + self.dice.below(most)) as usize;
                        let (now, later) = rest.split_at(count.min(rest.len()));
                        self.line.end.write(now);
                        rest = later;
                        let wait = if short {
                            self.dice.below(40)
                        } else if self.dice.chance(300) {
                            self.dice.below(8)
                        } else {
                            0
                        };
                        if wait > 0 {
                            self.line.pause(self.line.now().plus_millis(wait)).await;
                        }
                    }
                }
                Step::Wait(millis) => {
                    self.line.pause(self.line.now().plus_millis(millis)).await;
                }
                Step::Close => self.line.end.close(),
                Step::Reset => self.line.end.reset(),
            }
        }
        script.reusable
    }

    /// Writes what is to be said.
    fn write(&mut self) -> Script {
        let only = |steps: Vec<Step>| Script { meant: Meant::Nothing, steps, reusable: false };
        match self.manner {
            Manner::CloseBeforeHead => return only(vec![Step::Close]),
            Manner::ResetBeforeHead => return only(vec![Step::Reset]),
            Manner::StallBeforeHead => return only(vec![]),
            Manner::BadHead => return only(vec![Step::Say(b"HTTP/1.1 two hundred\r\nno colon\r\n\r\n".to_vec())]),
            Manner::Page => {
                let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
                return only(vec![Step::Say(page.to_vec())]);
            }
            Manner::Status(status, after) => return self.error(status, after),
            _ => {}
        }
        let mut script = if self.stream { self.events() } else { self.json() };
        match self.manner {
            Manner::Late(millis) => script.steps.insert(0, Step::Wait(millis)),
            Manner::Interim => {
                let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".to_vec();
                script.steps.insert(0, Step::Say(interim));
            }
            Manner::Surplus => script.steps.push(Step::Say(b"and another thing".to_vec())),
            Manner::CloseAfter | Manner::Closing | Manner::ToEnd => script.steps.push(Step::Close),
            _ => {}
        }
        script.reusable &= !matches!(self.manner, Manner::Surplus | Manner::CloseAfter | Manner::Closing | Manner::ToEnd);
        script
    }

    fn error(&mut self, status: u16, after: Option<u64>) -> Script {
        let code = match status {
            429 => "rate_limit_exceeded",
            401 => "invalid_api_key",
            400 => "unsupported_value",
            _ => "server_error",
        };
        let body =
            format!("{{\"error\":{{\"message\":\"no {}\",\"type\":null,\"param\":null,\"code\":\"{code}\"}}}}", self.serial).into_bytes();
        let after = after.map_or(String::new(), |millis| format!("retry-after-ms: {millis}\r\n"));
        let mut bytes =
            format!("HTTP/1.1 {status} No\r\ncontent-type: application/json\r\n{after}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(&body);
        Script { meant: Meant::Error { status, body }, steps: vec![Step::Say(bytes)], reusable: true }
    }

    /// How the body is framed, as the field that says so; `None` is in chunks.
    fn framing(&mut self, length: usize) -> (String, bool) {
        match self.manner {
            Manner::Short => (format!("content-length: {}\r\n", length + 10), false),
            Manner::Long => (format!("content-length: {}\r\n", length - 10), false),
            Manner::ToEnd => ("connection: close\r\n".to_owned(), false),
            Manner::BadChunk => ("transfer-encoding: chunked\r\n".to_owned(), true),
            _ if self.stream || self.dice.chance(300) => ("transfer-encoding: chunked\r\n".to_owned(), true),
            _ => (format!("content-length: {length}\r\n"), false),
        }
    }

    fn head(&self, kind: &str, framing: &str) -> Vec<u8> {
        let close = if self.manner == Manner::Closing { "connection: close\r\n" } else { "" };
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-request-id: req-{}\r\n{framing}{close}\r\n", self.serial).into_bytes()
    }

    fn json(&mut self) -> Script {
        let large = matches!(self.manner, Manner::Large | Manner::LargeCut);
        let filler = "x".repeat(if large { 1_200_000 } else { self.dice.below(3_000) as usize });
        let serial = self.serial;
        let choices = match self.manner {
            Manner::Empty => "[]".to_owned(),
            _ => format!(
                "[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"answer {serial} {filler}\"}},\"finish_reason\":\"stop\"}}]"
            ),
        };
        let body = match self.manner {
            Manner::ErrorWithin => format!("{{\"error\":{{\"message\":\"within {serial}\",\"type\":\"server_error\",\"code\":null}}}}"),
            Manner::BadJson => format!("{{\"id\":\"a{serial}\",\"choices\":{choices},,}}"),
            _ => format!(
                "{{\"id\":\"a{serial}\",\"object\":\"chat.completion\",\"choices\":{choices},\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":5,\"total_tokens\":8}}}}"
            ),
        }
        .into_bytes();
        let (field, chunked) = self.framing(body.len());
        let mut steps = vec![Step::Say(self.head("application/json", &field))];
        let (cut, how) = self.cut(&mut vec![body.clone()]);
        let framed = if chunked { self.chunks(&body, cut.is_none()) } else { body.clone() };
        let framed = match cut {
            Some(cut) => framed[..(framed.len() * cut / 1_000).max(1)].to_vec(),
            None => framed,
        };
        steps.push(Step::Say(framed));
        steps.extend(how);
        let bad =
            matches!(self.manner, Manner::Empty | Manner::ErrorWithin | Manner::BadJson | Manner::BadChunk | Manner::Short | Manner::Long);
        if self.manner == Manner::Short {
            steps.push(Step::Close);
        }
        let torn = cut.is_some() || matches!(self.manner, Manner::BadChunk | Manner::Short | Manner::Long);
        Script { meant: Meant::Json { body, valid: !bad && cut.is_none() }, steps, reusable: !torn }
    }

    /// Where the body breaks off, in thousandths, and what happens then.
    fn cut(&mut self, _events: &mut Vec<Vec<u8>>) -> (Option<usize>, Option<Step>) {
        let how = match self.manner {
            Manner::StallWithin => Some(Step::Wait(0)),
            Manner::CutWithin | Manner::LargeCut => Some(Step::Close),
            Manner::ResetWithin => Some(Step::Reset),
            _ => return (None, None),
        };
        // The last part of a large answer is beyond what is held.
        let least = if self.manner == Manner::LargeCut { 900 } else { 0 };
        (Some(least + self.dice.below(950 - least as u64) as usize), how)
    }

    /// Bytes in chunks of any size, and the last chunk perhaps.
    fn chunks(&mut self, mut body: &[u8], whole: bool) -> Vec<u8> {
        let mut out = Vec::new();
        while !body.is_empty() {
            let count = (1 + self.dice.below(body.len() as u64)) as usize;
            out.extend_from_slice(format!("{count:x}\r\n").as_bytes());
            out.extend_from_slice(&body[..count]);
            out.extend_from_slice(b"\r\n");
            body = &body[count..];
        }
        match (self.manner, whole) {
            (Manner::BadChunk, _) => out.extend_from_slice(b"zz\r\n"),
            (_, true) => out.extend_from_slice(b"0\r\n\r\n"),
            _ => {}
        }
        out
    }

    /// The events of a good stream.
    fn good_events(&mut self) -> Vec<Vec<u8>> {
        let serial = self.serial;
        let chunk = |choices: &str| {
            format!("data: {{\"id\":\"a{serial}\",\"object\":\"chat.completion.chunk\",\"choices\":{choices}}}\n\n").into_bytes()
        };
        let delta = |delta: &str| chunk(&format!("[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]"));
        let mut events = vec![delta("{\"role\":\"assistant\",\"content\":\"\"}")];
        if let Manner::Reasoning(_) | Manner::Large | Manner::LargeCut = self.manner {
            let size = if matches!(self.manner, Manner::Reasoning(_)) { 20 } else { 20_000 };
            let count = if matches!(self.manner, Manner::Reasoning(_)) { 3 } else { 5 };
            for _ in 0..count {
                events.push(delta(&format!("{{\"reasoning_content\":\"{}\"}}", "hm ".repeat(size / 3))));
            }
        }
        for index in 0..1 + self.dice.below(8) {
            events.push(delta(&format!("{{\"content\":\"part {index} of {serial}\"}}")));
        }
        events.push(chunk("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]"));
        if self.usage {
            events.push(
                format!("data: {{\"id\":\"a{serial}\",\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":5,\"total_tokens\":8}}}}\n\n")
                    .into_bytes(),
            );
        }
        events.push(b"data: [DONE]\n\n".to_vec());
        events
    }

    fn events(&mut self) -> Script {
        let mut events = self.good_events();
        let mut valid = true;
        let count = events.len();
        match self.manner {
            Manner::NoMarker => {
                events.pop();
            }
            Manner::NoFinish => {
                events.truncate(2);
                valid = false;
            }
            Manner::Empty => {
                events = vec![events.swap_remove(0), b"data: [DONE]\n\n".to_vec()];
                valid = false;
            }
            Manner::ErrorWithin => {
                events.truncate(1 + self.dice.below(count as u64 - 2) as usize);
                let error =
                    format!("data: {{\"error\":{{\"message\":\"within {}\",\"type\":\"server_error\",\"code\":null}}}}\n\n", self.serial);
                events.push(error.into_bytes());
                valid = false;
            }
            Manner::BadJson => {
                events.insert(1 + self.dice.below(2) as usize, b"data: {\"id\":,}\n\n".to_vec());
                valid = false;
            }
            _ => {}
        }
        let mut meant = events.clone();
        if self.manner == Manner::NoMarker {
            // The gateway writes it in the provider's place.
            meant.push(b"data: [DONE]\n\n".to_vec());
        }
        let (field, chunked) = self.framing(events.concat().len());
        let (cut, how) = self.cut(&mut events);
        let whole = cut.is_none();
        let last = events.pop().expect("there is always an event");
        let before = events.concat();
        let kept = match cut {
            Some(cut) => before[..before.len() * cut / 1_000].to_vec(),
            None => [before, last].concat(),
        };
        valid &= whole && !matches!(self.manner, Manner::Long);
        let mut steps = vec![Step::Say(self.head("text/event-stream; charset=utf-8", &field))];
        match self.manner {
            Manner::Pings(times) => {
                for _ in 0..times {
                    let ping = if chunked { self.chunks(b": ping\n\n", false) } else { b": ping\n\n".to_vec() };
                    steps.extend([Step::Say(ping), Step::Wait(90)]);
                }
            }
            Manner::Reasoning(millis) => steps.push(Step::Wait(millis)),
            _ => {}
        }
        let framed = if chunked { self.chunks(&kept, whole) } else { kept };
        steps.push(Step::Say(framed));
        steps.extend(how);
        if self.manner == Manner::Short {
            steps.push(Step::Close);
        }
        let torn = !whole || matches!(self.manner, Manner::BadChunk | Manner::Short | Manner::Long);
        // The marker ends a stream, whatever becomes of its framing.
        let reusable = !torn && valid;
        Script { meant: Meant::Events { events: meant, valid }, steps, reusable }
    }
}
