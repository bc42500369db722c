//! A stream as one JSON array that grows by an element for each event: what Google's API gives to who
//! does not ask for events.

use super::error_body;
use crate::sse::{Kind, Splitter};

/// What may stand anywhere between elements, and keeps an idle stream alive.
pub const KEEPALIVE: &[u8] = b"\n";

/// An array that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Array {
    begun: bool,
}

impl Array {
    /// Writes whole events as elements. Comments have no place in JSON and are left out.
    pub fn elements(&mut self, mut events: &[u8], out: &mut Vec<u8>) {
        let mut splitter = Splitter::new(events.len().max(1));
        while let Ok(Some(cut)) = splitter.next(events) {
            if cut.kind == Kind::Event {
                self.begin(out);
                out.extend_from_slice(cut.data(&splitter, events));
            }
            events = &events[cut.used..];
        }
    }

    /// Writes an error as the last element, and the end. That the stream was cut is told by how the
    /// connection ends besides.
    pub fn error(&mut self, out: &mut Vec<u8>, status: u16, message: &str, code: &str, request_id: &str) {
        self.begin(out);
        error_body(out, status, message, code, request_id);
        self.end(out);
    }

    /// Writes the end.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b"\n]\n" } else { b"[]\n" });
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if std::mem::replace(&mut self.begun, true) { b"\n,\r\n" } else { b"[" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(parts: &[&str], end: impl FnOnce(&mut Array, &mut Vec<u8>)) -> String {
        let (mut array, mut out) = (Array::default(), Vec::new());
        for part in parts {
            array.elements(part.as_bytes(), &mut out);
            out.extend_from_slice(KEEPALIVE);
        }
        end(&mut array, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_become_elements() {
        let events = ["data: {\"a\":1}\r\n\r\n", "", ": comment\n\n", "data: {\"b\":\r\ndata: 2}\r\n\r\ndata: {\"c\":3}\r\n\r\n"];
        let text = written(&events, |array, out| array.end(out));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!([{"a": 1}, {"b": 2}, {"c": 3}]), "{text}");
        assert_eq!(written(&[], |array, out| array.end(out)), "[]\n");
    }

    #[test]
    fn an_error_is_the_last_element() {
        for events in [&[][..], &["data: {\"a\":1}\r\n\r\n"][..]] {
            let text = written(events, |array, out| array.error(out, 502, "m", "stream_cut", "r"));
            let value: Value = serde_json::from_str(&text).unwrap();
            let last = value.as_array().unwrap().last().unwrap();
            assert_eq!((&last["error"]["code"], &last["error"]["message"]), (&json!(502), &json!("m")), "{text}");
            assert_eq!(value.as_array().unwrap().len(), events.len() + 1);
        }
    }
}
