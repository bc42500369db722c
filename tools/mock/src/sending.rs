//! An answer on its way out, carried as told and broken as told.

use std::time::{Duration, SystemTime};

use crate::answer::{Answer, Content, Event, Role};
use crate::effect::{self, Delivery, Framing, How, Point, Stop};
use crate::exchange::After;
use crate::http;
use crate::line::{Gone, Line};
use crate::script::Random;

/// Why sending ended early.
#[derive(Clone, Copy, Debug)]
pub enum Halt {
    /// The caller hung up.
    Gone,
    /// A fault says that this is the end.
    Fault(After),
}

impl From<Gone> for Halt {
    fn from(_: Gone) -> Halt {
        Halt::Gone
    }
}

/// An answer on its way out.
#[derive(Debug)]
pub struct Sending<'a> {
    line: &'a mut Line,
    delivery: &'a Delivery,
    /// How many bytes of the body may go before the stop.
    end: Option<(u64, How)>,
    sent_bytes: u64,
    sent_events: u64,
}

impl<'a> Sending<'a> {
    /// An answer of which nothing has been sent yet.
    pub fn new(line: &'a mut Line, delivery: &'a Delivery) -> Sending<'a> {
        Sending { line, delivery, end: None, sent_bytes: 0, sent_events: 0 }
    }

    /// How many bytes of the body have been sent.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// How many events have been sent.
    #[must_use]
    pub fn sent_events(&self) -> u64 {
        self.sent_events
    }

    /// Sends the answer as the delivery orders it.
    pub async fn all(&mut self, answer: &Answer, keep: bool) -> Result<(), Halt> {
        self.line.pause(Some(self.delivery.wait)).await?;
        self.line.set_drip(self.delivery.drip);
        let stop = self.delivery.stop;
        if let Some(Stop { at: Point::BeforeHead, how }) = stop {
            self.stop(how).await?;
        }
        if let Some(bytes) = self.delivery.garbage_bytes {
            self.garbage(bytes).await?;
            return Err(Halt::Fault(After::Close { notify: false }));
        }
        self.informational().await?;
        self.head(answer, keep).await?;
        match stop {
            Some(Stop { at: Point::BeforeHead, .. }) | None => {}
            Some(Stop { at: Point::AfterHead, how }) => self.stop(how).await?,
            Some(stop) => {
                self.end = Some((effect::stop_at_bytes(stop, &answer.content), stop.how));
            }
        }
        self.body(answer).await
    }

    async fn stop(&mut self, how: How) -> Result<(), Halt> {
        match how {
            How::StallThenGoOn(time) => Ok(self.line.pause(time).await?),
            How::StallThenClose(time) => {
                self.line.pause(time).await?;
                Err(Halt::Fault(After::Close { notify: false }))
            }
            How::Cut { notify } => Err(Halt::Fault(After::Close { notify })),
            How::Reset => Err(Halt::Fault(After::Reset)),
        }
    }

    async fn garbage(&mut self, bytes: u64) -> Result<(), Halt> {
        let mut random = Random::new(bytes);
        for _ in 0..bytes.div_ceil(8) {
            // The high bits are set, so that no byte can pass for a letter of a status line.
            let block = (random.bits() | 0x8080_8080_8080_8080).to_le_bytes();
            self.line.send(&block).await?;
        }
        Ok(())
    }

    async fn informational(&mut self) -> Result<(), Halt> {
        let head = http::head(103, &[("link".to_owned(), "</style.css>; rel=preload".to_owned())]);
        for _ in 0..self.delivery.informational_heads {
            self.line.send(&head).await?;
        }
        Ok(())
    }

    async fn head(&mut self, answer: &Answer, keep: bool) -> Result<(), Halt> {
        let mut headers = vec![("date".to_owned(), http::date(SystemTime::now()))];
        headers.extend(answer.headers.iter().cloned());
        headers.extend(self.framing_headers(answer));
        if !keep {
            headers.push(("connection".to_owned(), "close".to_owned()));
        }
        let mut bytes = http::head(answer.status, &headers);
        if self.delivery.head_padding_bytes == 0 {
            return Ok(self.line.send(&bytes).await?);
        }
        bytes.truncate(bytes.len() - 2);
        self.line.send(&bytes).await?;
        let padding = format!("x-padding: {}\r\n", "x".repeat(1011));
        for _ in 0..self.delivery.head_padding_bytes.div_ceil(padding.len() as u64) {
            self.line.send(padding.as_bytes()).await?;
        }
        Ok(self.line.send(b"\r\n").await?)
    }

    fn framing_headers(&self, answer: &Answer) -> Vec<(String, String)> {
        let length = match &answer.content {
            Content::Whole(body) => body.len() as u64,
            Content::Events(events) => events.iter().map(Event::len).sum(),
        };
        let length_is = |length: u64| ("content-length".to_owned(), length.to_string());
        let chunked = ("transfer-encoding".to_owned(), "chunked".to_owned());
        match self.delivery.framing {
            Framing::LengthOff(bytes) => vec![length_is(length.saturating_add_signed(bytes))],
            Framing::LengthAndChunked => vec![length_is(length), chunked],
            Framing::LengthTwice => vec![length_is(length), length_is(length + 1)],
            Framing::BadChunk(_) => vec![chunked],
            Framing::True if self.chunked(answer) => vec![chunked],
            Framing::True => vec![length_is(length)],
        }
    }

    fn chunked(&self, answer: &Answer) -> bool {
        match self.delivery.framing {
            Framing::LengthOff(_) | Framing::LengthTwice => false,
            Framing::LengthAndChunked | Framing::BadChunk(_) => true,
            Framing::True => matches!(answer.content, Content::Events(_)),
        }
    }

    async fn body(&mut self, answer: &Answer) -> Result<(), Halt> {
        let chunked = self.chunked(answer);
        match &answer.content {
            Content::Whole(body) => {
                if let Framing::BadChunk(_) = self.delivery.framing {
                    return self.bad_chunk().await;
                }
                let whole = Event::new(Role::Content, body.clone());
                if !whole.is_empty() || self.end.is_some() {
                    self.event(&whole, chunked).await?;
                }
            }
            Content::Events(events) => self.events(events, chunked).await?,
        }
        if chunked {
            self.line.send(b"0\r\n\r\n").await?;
        }
        Ok(())
    }

    async fn events(&mut self, events: &[Event], chunked: bool) -> Result<(), Halt> {
        let mut content: Option<&Event> = None;
        for (index, event) in (0_u64..).zip(events) {
            if let Framing::BadChunk(after) = self.delivery.framing
                && index >= after
            {
                return self.bad_chunk().await;
            }
            let ending = matches!(event.role, Role::Finish | Role::Terminal);
            if let (Some(gap), true, Some(content)) = (self.delivery.endless_gap, ending, content) {
                return self.endless(content, gap, chunked).await;
            }
            if index > 0 {
                self.line.pause(Some(self.delivery.gap)).await?;
            }
            self.event(event, chunked).await?;
            if event.role == Role::Content {
                content = Some(event);
            }
        }
        Ok(())
    }

    /// Repeats one event until somebody has had enough. Bounded by the caller, which is the point.
    async fn endless(&mut self, event: &Event, gap: Duration, chunked: bool) -> Result<(), Halt> {
        loop {
            self.line.pause(Some(gap)).await?;
            self.event(event, chunked).await?;
            // Lets other connections of this thread have their turn.
            tokio::task::yield_now().await;
        }
    }

    async fn bad_chunk(&mut self) -> Result<(), Halt> {
        self.line.send(b"zz!\r\nthis chunk has no size\r\n").await?;
        Err(Halt::Fault(After::Close { notify: false }))
    }

    /// Sends one event, or as much of it as the stop allows.
    async fn event(&mut self, event: &Event, chunked: bool) -> Result<(), Halt> {
        if let Some((end, how)) = self.end
            && self.sent_bytes + event.len() >= end
        {
            self.end = None;
            let room = end.saturating_sub(self.sent_bytes);
            return self.event_with_stop(event, room, how, chunked).await;
        }
        if event.filler_bytes == 0 {
            // The usual case goes out in one write.
            let out = match chunked {
                true => framed(&event.bytes),
                false => event.bytes.clone(),
            };
            self.line.send(&out).await?;
            self.sent_bytes += event.len();
        } else {
            if chunked {
                self.line.send(format!("{:x}\r\n", event.len()).as_bytes()).await?;
            }
            self.payload(&event.bytes).await?;
            self.filler(event.filler_bytes).await?;
            self.payload(&event.tail).await?;
            if chunked {
                self.line.send(b"\r\n").await?;
            }
        }
        self.sent_events += 1;
        Ok(())
    }

    async fn event_with_stop(&mut self, event: &Event, room: u64, how: How, chunked: bool) -> Result<(), Halt> {
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(event.bytes.len());
        let (before, after) = event.bytes.split_at(room);
        if before.is_empty() {
            self.stop(how).await?;
        }
        if chunked {
            self.line.send(format!("{:x}\r\n", event.len()).as_bytes()).await?;
        }
        self.payload(before).await?;
        if after.is_empty() && event.filler_bytes == 0 {
            // The stop falls between two events: the chunk is closed, the stream is not.
            if chunked {
                self.line.send(b"\r\n").await?;
            }
            self.sent_events += 1;
            return self.stop(how).await;
        }
        if !before.is_empty() {
            self.stop(how).await?;
        }
        self.payload(after).await?;
        self.filler(event.filler_bytes).await?;
        self.payload(&event.tail).await?;
        if chunked {
            self.line.send(b"\r\n").await?;
        }
        self.sent_events += 1;
        Ok(())
    }

    async fn payload(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        if !bytes.is_empty() {
            self.line.send(bytes).await?;
        }
        self.sent_bytes += bytes.len() as u64;
        Ok(())
    }

    async fn filler(&mut self, bytes: u64) -> Result<(), Halt> {
        let block = [b'x'; 4096];
        let mut left = bytes;
        while left > 0 {
            let size = left.min(block.len() as u64);
            let size_here = usize::try_from(size).expect("at most a block");
            self.payload(&block[..size_here]).await?;
            left -= size;
        }
        Ok(())
    }
}

/// One chunk.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}
