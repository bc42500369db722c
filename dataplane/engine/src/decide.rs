//! Which chain answers a request, and which of its targets can.

use crate::{
    board::Board,
    exchange::Exchange,
    judge::Fault,
    moment::Moment,
    prepared::{Prepared, Way},
    text::Text,
    vectors::Vectors,
};
use codec::dialect::Needs;
use policy::{ChainId, Speaks, TenantId, limits};
use std::fmt::Write;

/// What a request asks, as far as it matters here.
pub struct Ask<'a> {
    /// Who asks; `None` in a policy without tenants.
    pub tenant: Option<TenantId>,
    /// The request's `model`.
    pub model: &'a str,
    /// Looks a field of the request's head up, by its name in lower case.
    pub field: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// The chain that the request names in a field of its head.
    pub chain: Option<&'a str>,
    /// How long the request gives the exchange, in milliseconds; it can only shorten it.
    pub deadline_ms: Option<u64>,
    /// The answer is to be a stream.
    pub stream: bool,
    /// What a target must be able to be told.
    pub wants: Wants,
    /// When the request began.
    pub started: Moment,
}

/// What a request wants of the model that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// The dialect that it is written in.
    pub spoken: Speaks,
    /// What not every target can be told.
    pub needs: Needs,
    /// Tokens of its prompt: so many at least.
    pub tokens: u32,
    /// Tokens that are taken of a credential's limit until its provider has counted; 0 where none are.
    pub charge: u32,
    /// The dialects that have an answer to what is asked, be it said anew: all but for embeddings, counts
    /// and completions.
    pub known_to: Speaks,
    /// The vectors that are asked for.
    pub vectors: Vectors,
    /// Who asks goes away when nothing of an answer has come after so many milliseconds; 0 is not known.
    pub within_ms: u64,
}

impl Default for Wants {
    fn default() -> Self {
        Wants {
            spoken: Speaks::CHAT,
            needs: Needs::NONE,
            tokens: 0,
            charge: 0,
            known_to: Speaks::EVERY,
            vectors: Vectors::None,
            within_ms: 0,
        }
    }
}

/// Why a request is not even tried. A model that was refused is quoted in the message, shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It names no model.
    NoModel,
    /// The tenant may not ask for this.
    Forbidden(Quote),
    /// No route takes it and no name fits.
    UnknownModel(Quote),
    /// The chain that it names in its head does not exist.
    UnknownChain(Quote),
}

/// So much of a name as is shown in a message.
pub type Quote = Text<80>;

impl Refusal {
    /// Status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::NoModel => 400,
            Refusal::Forbidden(_) => 403,
            Refusal::UnknownModel(_) | Refusal::UnknownChain(_) => 404,
        }
    }

    /// `error.code`; OpenAI's own for a model, so that callers that know it know what to do.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::NoModel => "missing_required_parameter",
            Refusal::Forbidden(_) => "model_not_allowed",
            Refusal::UnknownModel(_) => "model_not_found",
            Refusal::UnknownChain(_) => "chain_not_found",
        }
    }

    /// `error.type`.
    pub const fn kind(&self) -> &'static str {
        "invalid_request_error"
    }

    /// `error.param`.
    pub const fn param(&self) -> Option<&'static str> {
        match self {
            Refusal::UnknownChain(_) => None,
            _ => Some("model"),
        }
    }

    /// `error.message`. It lists nothing that the tenant did not say itself.
    pub fn message(&self) -> Text<160> {
        let mut text = Text::new();
        let written = match self {
            Refusal::NoModel => text.write_str("you must provide a model parameter"),
            Refusal::Forbidden(name) => write!(text, "You are not allowed to ask for `{name}`."),
            Refusal::UnknownModel(name) => write!(text, "The model `{name}` does not exist or you do not have access to it."),
            Refusal::UnknownChain(name) => write!(text, "The chain `{name}` does not exist or you do not have access to it."),
        };
        written.expect("a short text takes what fits and never fails");
        text
    }

    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        Fault::Tenant
    }
}

/// Decides which chain answers, and begins the exchange: every target of the chain is a candidate,
/// with the reason for each one that cannot be asked at `now`.
///
/// # Errors
/// A [`Refusal`] that says what the request got wrong.
#[inline]
pub fn decide(prepared: &Prepared, ask: &Ask<'_>, board: &Board, now: Moment) -> Result<Exchange, Refusal> {
    let (chain, way) = chain_for(prepared, ask)?;
    let mut exchange = Exchange::blank(prepared, ask, chain, way);
    exchange.survey_all(prepared, ask, board, now);
    Ok(exchange)
}

/// Begins an exchange that is made for another one and beside it. It makes one attempt, at a target that can be asked
/// at once: it waits for nobody, and passes by whoever is open, paused or to be spared.
pub fn decide_aside(prepared: &Prepared, ask: &Ask<'_>, chain: ChainId, board: &Board, now: Moment) -> Exchange {
    let mut exchange = Exchange::blank(prepared, ask, chain, Way::Aside).once();
    exchange.survey_all(prepared, ask, board, now);
    exchange
}

/// Which chain answers, and why.
///
/// # Errors
/// A [`Refusal`] that says what the request got wrong.
pub fn chain_for(prepared: &Prepared, ask: &Ask<'_>) -> Result<(ChainId, Way), Refusal> {
    if ask.model.is_empty() {
        return Err(Refusal::NoModel);
    }
    let tenant = ask.tenant.map(|id| &prepared.tenants[id]);
    let may_ask = |name: &str| tenant.is_none_or(|tenant| tenant.may_ask_for(name));
    if !may_ask(ask.model) {
        return Err(Refusal::Forbidden(Quote::of(ask.model)));
    }
    if let Some(name) = ask.chain {
        // A field of the head must not lead past what the tenant may ask for by name.
        if !may_ask(name) {
            return Err(Refusal::Forbidden(Quote::of(name)));
        }
        let chain = prepared.chain_called(name).ok_or_else(|| Refusal::UnknownChain(Quote::of(name)))?;
        return Ok((chain, Way::Asked));
    }
    if ask.model.len() > limits::MODEL_NAME_BYTES_MAX {
        return Err(Refusal::UnknownModel(Quote::of(ask.model)));
    }
    if let Some((route, chain)) = prepared.route_for(ask.model, ask.tenant, ask.field) {
        return Ok((chain, Way::Route(route)));
    }
    let chain = prepared.chain_for_name(ask.model).ok_or_else(|| Refusal::UnknownModel(Quote::of(ask.model)))?;
    Ok((chain, Way::Name))
}

#[cfg(test)]
mod tests;
