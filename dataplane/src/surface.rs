//! What can be asked for: the paths that the gateway answers at.

use crate::{models, request::Asked, respond::Refusal};
use codec::head::{self, Field, Method};

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/responses`
    Responses,
}

impl Surface {
    /// Every one.
    pub const ALL: [Surface; 4] = [Surface::Chat, Surface::Completions, Surface::Embeddings, Surface::Responses];

    /// Its path behind the version.
    pub const fn path(self) -> &'static str {
        match self {
            Surface::Chat => "/chat/completions",
            Surface::Completions => "/completions",
            Surface::Embeddings => "/embeddings",
            Surface::Responses => "/responses",
        }
    }

    /// Streams of it carry `stream_options`.
    pub const fn has_stream_options(self) -> bool {
        matches!(self, Surface::Chat | Surface::Completions)
    }
}

/// Who answers.
pub enum Asks<'a> {
    /// A provider.
    Provider(Surface),
    /// The gateway itself, about its models.
    Gateway(models::Page<'a>),
}

/// Longest decoded path that can be one of ours, in bytes.
const PATH_BYTES_MAX: usize = 512;

/// What a request asks for, by its method, its path and the kind of its body.
///
/// # Errors
/// There is nothing at the path, or not with this method, or the body is not JSON as it is.
pub fn of(asked: &Asked) -> Result<Asks<'static>, Refusal> {
    let path = asked.head.path(&asked.bytes);
    // As SDKs send it, and nearly everybody.
    if asked.head.method == Method::Post
        && let Some(rest) = path.strip_prefix(b"/v1")
        && let Some(&surface) = Surface::ALL.iter().find(|surface| surface.path().as_bytes() == rest)
    {
        return media_type(asked).map(|()| Asks::Provider(surface));
    }
    let mut decoded = [0; PATH_BYTES_MAX];
    if path.len() > PATH_BYTES_MAX {
        return Err(unknown_url());
    }
    let length = head::percent_decode(path, &mut decoded)?;
    let path = std::str::from_utf8(&decoded[..length]).map_err(|_| unknown_url())?;
    let rest = path.strip_prefix("/v1").unwrap_or(path);
    let (allowed, asks) = if let Some(&surface) = Surface::ALL.iter().find(|surface| surface.path() == rest) {
        ("POST", Asks::Provider(surface))
    } else if rest == "/models" {
        ("GET, HEAD", Asks::Gateway(models::Page::All))
    } else if let Some(name) = rest.strip_prefix("/models/") {
        ("GET, HEAD", Asks::Gateway(models::Page::One(name.to_owned().into())))
    } else {
        return Err(unknown_url());
    };
    match (asked.head.method, &asks) {
        (Method::Post, Asks::Provider(_)) => media_type(asked)?,
        // RFC 9110, section 9.1: HEAD goes wherever GET does.
        (Method::Get | Method::Head, Asks::Gateway(_)) => {}
        _ => {
            let message = "This path takes another method: POST for requests, GET for models.";
            return Err(Refusal { allow: Some(allowed), ..Refusal::tenant(405, "method_not_allowed", message) });
        }
    }
    Ok(asks)
}

fn unknown_url() -> Refusal {
    Refusal::tenant(
        404,
        "unknown_url",
        "There is nothing at this path. The gateway answers at /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses and /v1/models.",
    )
}

fn media_type(asked: &Asked) -> Result<(), Refusal> {
    let coded = asked.field(Field::ContentEncoding).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    if coded {
        return Err(Refusal::tenant(415, "content_encoding", "Send the body without Content-Encoding: it is read while it arrives."));
    }
    let json = asked.field(Field::ContentType).is_none_or(|kind| {
        let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"application/json")
    });
    if json { Ok(()) } else { Err(Refusal::tenant(415, "content_type", "The body must be application/json.")) }
}
