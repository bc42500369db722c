//! What a provider says, to the byte, and where it breaks off.

use super::Manner;
use crate::{
    io::fake::Gone,
    sim::{book::Meant, dice::Dice, line::Line},
};

/// What is to be said, in order.
pub(super) struct Script {
    pub(super) meant: Meant,
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

/// One answer, being given.
pub(super) struct Answer<'l> {
    pub(super) line: &'l mut Line,
    pub(super) dice: Dice,
    pub(super) serial: u32,
    pub(super) manner: Manner,
    pub(super) stream: bool,
    pub(super) responses: bool,
    pub(super) usage: bool,
}

impl Answer<'_> {
    /// Says what the script says; true when the connection may be used again.
    pub(super) async fn perform(&mut self, script: Script) -> bool {
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
    pub(super) fn write(&mut self) -> Script {
        let only = |steps: Vec<Step>| Script { meant: Meant::Nothing, steps, reusable: false };
        match self.manner {
            Manner::CloseBeforeHead => return only(vec![Step::Close]),
            Manner::CloseLate(after) => return only(vec![Step::Wait(after), Step::Close]),
            Manner::ResetBeforeHead => return only(vec![Step::Reset]),
            Manner::StallBeforeHead => return only(vec![]),
            Manner::BadHead => return only(vec![Step::Say(b"HTTP/1.1 two hundred\r\nno colon\r\n\r\n".to_vec())]),
            Manner::Page => {
                let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
                return only(vec![Step::Say(page.to_vec())]);
            }
            Manner::Status(status, after) => return self.error(status, after),
            Manner::Accepted(after) if self.stream => {
                let answer = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 32\r\n\r\n{\"choices\":[{\"message\":\"soon\"}]}";
                return Script { reusable: true, ..only(vec![Step::Wait(after), Step::Say(answer.to_vec())]) };
            }
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
        if self.responses {
            return self.json_responses(&filler);
        }
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
        let bad = matches!(self.manner, Manner::Empty | Manner::ErrorWithin | Manner::BadJson);
        self.framed(body, bad)
    }

    /// An answer of the Responses API, which may be empty.
    fn json_responses(&mut self, filler: &str) -> Script {
        let serial = self.serial;
        let output = match self.manner {
            Manner::Empty => String::new(),
            _ => format!("{{\"type\":\"message\",\"content\":[{{\"type\":\"output_text\",\"text\":\"answer {serial} {filler}\"}}]}}"),
        };
        let body = match self.manner {
            Manner::ErrorWithin => {
                format!(
                    "{{\"id\":\"a{serial}\",\"status\":\"failed\",\"error\":{{\"code\":\"server_error\",\"message\":\"within\"}},\"output\":[]}}"
                )
            }
            Manner::BadJson => format!("{{\"id\":\"a{serial}\",\"output\":[{output}],,}}"),
            _ => format!("{{\"id\":\"a{serial}\",\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"output\":[{output}]}}"),
        };
        let bad = matches!(self.manner, Manner::ErrorWithin | Manner::BadJson);
        self.framed(body.into_bytes(), bad)
    }

    /// A JSON body with its head, framed well or not.
    fn framed(&mut self, body: Vec<u8>, bad: bool) -> Script {
        let (field, chunked) = self.framing(body.len());
        let mut steps = vec![Step::Say(self.head("application/json", &field))];
        let (cut, how) = self.cut();
        let framed = if chunked { self.chunks(&body, cut.is_none()) } else { body.clone() };
        let framed = match cut {
            Some(cut) => framed[..(framed.len() * cut / 1_000).max(1)].to_vec(),
            None => framed,
        };
        steps.push(Step::Say(framed));
        steps.extend(how);
        let bad = bad || matches!(self.manner, Manner::BadChunk | Manner::Short | Manner::Long);
        if self.manner == Manner::Short {
            steps.push(Step::Close);
        }
        let torn = cut.is_some() || matches!(self.manner, Manner::BadChunk | Manner::Short | Manner::Long);
        Script { meant: Meant::Json { body, valid: !bad && cut.is_none() }, steps, reusable: !torn }
    }

    /// Where the body breaks off, in thousandths, and what happens then.
    fn cut(&mut self) -> (Option<usize>, Option<Step>) {
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

    /// The events of a good stream of the Responses API.
    fn good_responses(&mut self) -> Vec<Vec<u8>> {
        let serial = self.serial;
        let event =
            |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\",\"id\":\"a{serial}\"{rest}}}\n\n").into_bytes();
        let mut events = vec![event("response.created", ",\"response\":{\"status\":\"in_progress\",\"output\":[]}")];
        if let Manner::Reasoning(_) | Manner::Large | Manner::LargeCut = self.manner {
            let size = if matches!(self.manner, Manner::Reasoning(_)) { 20 } else { 20_000 };
            for _ in 0..5 {
                events.push(event("response.reasoning_summary_text.delta", &format!(",\"delta\":\"{}\"", "hm ".repeat(size / 3))));
            }
        }
        for index in 0..1 + self.dice.below(8) {
            events.push(event("response.output_text.delta", &format!(",\"delta\":\"part {index} of {serial}\"")));
        }
        let usage = "\"usage\":{\"input_tokens\":3,\"output_tokens\":5,\"total_tokens\":8}";
        events.push(event("response.completed", &format!(",\"response\":{{\"status\":\"completed\",{usage}}}")));
        events
    }

    /// The error event of the stream's dialect.
    fn error_event(&self) -> Vec<u8> {
        let serial = self.serial;
        match self.responses {
            true => format!("event: error\ndata: {{\"type\":\"error\",\"message\":\"within {serial}\",\"code\":\"server_error\"}}\n\n"),
            false => format!("data: {{\"error\":{{\"message\":\"within {serial}\",\"type\":\"server_error\",\"code\":null}}}}\n\n"),
        }
        .into_bytes()
    }

    /// The events of a good stream.
    fn good_events(&mut self) -> Vec<Vec<u8>> {
        if self.responses {
            return self.good_responses();
        }
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
                // The Responses API has no other end than its marker.
                events.pop();
                valid = !self.responses;
            }
            Manner::NoFinish => {
                events.truncate(2);
                valid = false;
            }
            Manner::Empty if self.responses => events = vec![events.swap_remove(0), events.pop().expect("the last event")],
            Manner::Empty => {
                events = vec![events.swap_remove(0), b"data: [DONE]\n\n".to_vec()];
                valid = false;
            }
            Manner::ErrorWithin => {
                events.truncate(1 + self.dice.below(count as u64 - 2) as usize);
                events.push(self.error_event());
                valid = false;
            }
            Manner::BadJson => {
                events.insert(1 + self.dice.below(2) as usize, b"data: {\"id\":,}\n\n".to_vec());
                valid = false;
            }
            _ => {}
        }
        let mut meant = events.clone();
        if self.manner == Manner::NoMarker && !self.responses {
            // The gateway writes it in the provider's place.
            meant.push(b"data: [DONE]\n\n".to_vec());
        }
        match self.manner {
            Manner::Musing(times, apart_ms) => return self.musing(events, times, apart_ms),
            Manner::NoFinishUnseen => return self.breaking(events, 1),
            Manner::ErrorAfterContent | Manner::StallAfterContent | Manner::ResetAfterContent => return self.breaking(events, 2),
            _ => {}
        }
        let (field, chunked) = self.framing(events.concat().len());
        let (cut, how) = self.cut();
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

    /// A good stream that reasons for a while first.
    fn musing(&mut self, events: Vec<Vec<u8>>, times: u64, apart_ms: u64) -> Script {
        let mut steps = vec![Step::Say(self.head("text/event-stream", "transfer-encoding: chunked\r\n"))];
        let thought = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":null}]}\n\n".to_vec();
        let mut meant = Vec::new();
        for _ in 0..times {
            steps.extend([Step::Say(self.chunks(&thought, false)), Step::Wait(apart_ms)]);
            meant.push(thought.clone());
        }
        steps.push(Step::Say(self.chunks(&events.concat(), true)));
        meant.extend(events);
        Script { meant: Meant::Events { events: meant, valid: true }, steps, reusable: true }
    }

    /// A stream of the first `count` events that then breaks off: with an error, a silence, a reset,
    /// or a proper end that comes too early.
    fn breaking(&mut self, mut events: Vec<Vec<u8>>, count: usize) -> Script {
        let meant = Meant::Events { events: events.clone(), valid: false };
        events.truncate(count);
        let (last, end) = match self.manner {
            Manner::ErrorAfterContent => {
                events.push(b"data: {\"error\":{\"message\":\"within\",\"type\":\"server_error\",\"code\":null}}\n\n".to_vec());
                (true, None)
            }
            Manner::NoFinishUnseen => (true, None),
            // What was sent before a reset may be lost with it.
            Manner::ResetAfterContent => (false, Some([Step::Wait(100), Step::Reset])),
            _ => (false, None),
        };
        let mut steps = vec![Step::Say(self.head("text/event-stream", "transfer-encoding: chunked\r\n"))];
        steps.push(Step::Say(self.chunks(&events.concat(), last)));
        steps.extend(end.into_iter().flatten());
        Script { meant, steps, reusable: false }
    }
}
