//! One rule as it is written down.

use crate::failover::Scope;
use policy::Class;

/// In a row's statuses: every one from 400 to 499.
pub(super) const CLIENT_ERRORS: u16 = 4;
/// In a row's statuses: every one from 500 to 599.
pub(super) const SERVER_ERRORS: u16 = 5;

/// One rule. It fits when the status is listed, or none is, and every pattern that it has is found in
/// its field. Patterns are read by [`super::pattern`].
#[derive(Clone, Copy, Debug)]
pub(in crate::judge) struct Row {
    pub(in crate::judge) class: Class,
    pub(in crate::judge) statuses: &'static [u16],
    /// For the type of the error.
    pub(in crate::judge) kind: Option<&'static str>,
    /// For its code.
    pub(in crate::judge) code: Option<&'static str>,
    /// For its message.
    pub(in crate::judge) message: Option<&'static str>,
    /// What records say.
    pub(in crate::judge) detail: &'static str,
    /// Where it differs from its class: the same target may be asked again.
    pub(in crate::judge) retry_same: Option<bool>,
    /// Where it differs from its class: the next target is asked.
    pub(in crate::judge) move_on: Option<bool>,
    /// Where it differs from its class: what is left alone.
    pub(in crate::judge) scope: Option<Scope>,
    /// False for a failure that says nothing about later requests.
    pub(in crate::judge) pauses: bool,
}

/// An answer with one of these statuses is of this class; none is every status. 200 is an error within
/// an answer that began well, or the word that it ended with.
pub(super) const fn on(class: Class, statuses: &'static [u16]) -> Row {
    Row {
        class,
        statuses,
        kind: None,
        code: None,
        message: None,
        detail: word(class),
        retry_same: None,
        move_on: None,
        scope: None,
        pauses: true,
    }
}

/// What records say when a rule has no better word.
const fn word(class: Class) -> &'static str {
    match class {
        Class::RateLimit => "rate_limit",
        Class::QuotaExhausted => "quota",
        Class::Auth => "invalid_api_key",
        Class::Permission => "not_authorized",
        Class::ModelGone => "model_not_found",
        Class::ContextWindow => "context_window",
        Class::ContentFilter => "content_filter",
        Class::InvalidRequest => "bad_request",
        Class::Overloaded => "overloaded",
        Class::ServerError => "server_error",
        Class::SchemaViolation => "schema_violation",
        Class::Timeout => "gateway_timeout",
        Class::Connect => "origin_unreachable",
        Class::Tls => "origin_tls",
        Class::Reset => "cancelled",
        Class::StreamCut => "cut_stream",
        Class::Malformed => "malformed_body",
        Class::Empty => "empty",
        Class::Refusal => "refused_answer",
    }
}

impl Row {
    /// … and the type is like this.
    pub(super) const fn kind(self, pattern: &'static str) -> Row {
        Row { kind: Some(pattern), ..self }
    }

    /// … and the code is like this.
    pub(super) const fn code(self, pattern: &'static str) -> Row {
        Row { code: Some(pattern), ..self }
    }

    /// … and the message is like this.
    pub(super) const fn message(self, pattern: &'static str) -> Row {
        Row { message: Some(pattern), ..self }
    }

    /// Records say so.
    pub(super) const fn told(self, detail: &'static str) -> Row {
        Row { detail, ..self }
    }

    /// Whether the same target may be asked again, whatever the class says.
    pub(super) const fn retry(self, retry_same: bool) -> Row {
        Row { retry_same: Some(retry_same), ..self }
    }

    /// This request will never succeed there, and others may: nothing is left alone.
    pub(super) const fn never(self) -> Row {
        Row { retry_same: Some(false), pauses: false, ..self }
    }

    /// It holds for the whole account, whatever model it is asked for.
    pub(super) const fn wide(self) -> Row {
        Row { scope: Some(Scope::Key), ..self }
    }

    /// Another provider may understand what this one does not.
    pub(super) const fn elsewhere(self) -> Row {
        Row { move_on: Some(true), ..self }
    }

    /// Some field decides, and not the status alone.
    pub(in crate::judge) const fn reads_fields(&self) -> bool {
        self.kind.is_some() || self.code.is_some() || self.message.is_some()
    }

    /// The message alone decides, beside the status.
    pub(in crate::judge) const fn reads_message_alone(&self) -> bool {
        self.message.is_some() && self.kind.is_none() && self.code.is_none()
    }

    /// A type alone, and it says no more than that the server erred.
    pub(in crate::judge) const fn is_vague(&self) -> bool {
        matches!(self.class, Class::ServerError) && self.code.is_none() && self.message.is_none()
    }

    /// The status is listed, or none is.
    pub(in crate::judge) fn is_for(&self, status: u16) -> bool {
        let listed = |&listed: &u16| if listed < 10 { listed == status / 100 } else { listed == status };
        self.statuses.is_empty() || self.statuses.iter().any(listed)
    }
}
