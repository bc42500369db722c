//! What of the heads for providers and tenants follows from the policy alone: checked and written once,
//! when the policy is made ready, so that a request copies it.

use crate::surface::Surface;
use codec::{dialect::gemini, head};
use policy::{Model, Provider, ProviderId, Snapshot, id::Id, target::MODEL};
use std::borrow::Cow;

/// What heads that concern one provider have in common, checked and written once.
pub struct Rendered {
    lines: Lines,
    place: Place,
    common: head::FieldLines,
    served_by: head::FieldLines,
}

impl Rendered {
    /// The first line of a request.
    ///
    /// # Errors
    /// The model cannot stand in a path.
    pub fn line(&self, surface: Surface, model: &str) -> Result<Cow<'_, head::RequestLine>, head::Unwritable> {
        match (surface.verb(), &self.lines) {
            (None, Lines::Same(lines)) => Ok(Cow::Borrowed(&lines[surface as usize])),
            (None, Lines::ByModel(models)) => match models.binary_search_by(|(name, _)| name.as_str().cmp(model)) {
                Ok(at) => Ok(Cow::Borrowed(&models[at].1[surface as usize])),
                Err(_) => self.place.line(surface, model).map(Cow::Owned),
            },
            (Some(_), _) => self.place.line(surface, model).map(Cow::Owned),
        }
    }

    /// Fields of every request to it.
    pub fn common(&self) -> &head::FieldLines {
        &self.common
    }

    /// Fields of every answer that tell a tenant who served it, and under which policy.
    pub fn served_by(&self) -> &head::FieldLines {
        &self.served_by
    }
}

/// First lines, in the order of [`Surface::FIXED`].
type Fixed = [head::RequestLine; Surface::FIXED.len()];

enum Lines {
    /// The same for every model.
    Same(Fixed),
    /// The model stands in the path: those of the models that targets name, ascending by name. What a
    /// tenant names is written when it is asked for.
    ByModel(Vec<(String, Fixed)>),
}

/// Where a provider takes what is asked.
struct Place {
    base: String,
    /// Anthropic's endpoint is written without the version in most places.
    bare: bool,
    query: Option<String>,
}

impl Place {
    fn of(provider: &Provider) -> Place {
        let (base, query) = provider.base();
        let bare = provider.dialect == policy::Dialect::Anthropic && !base.ends_with("/v1");
        Place { base: base.to_owned(), bare, query: query.map(str::to_owned) }
    }

    fn names_the_model(&self) -> bool {
        self.base.contains(MODEL)
    }

    /// # Errors
    /// The model cannot stand in a path, or would name another one.
    fn line(&self, surface: Surface, model: &str) -> Result<head::RequestLine, head::Unwritable> {
        let mut path = String::with_capacity(self.base.len() + model.len() + 64);
        for (index, part) in self.base.split(MODEL).enumerate() {
            if index > 0 {
                if is_step(model) {
                    return Err(head::Unwritable::Target);
                }
                head::percent_encode(model, b"-._~", &mut path);
            }
            path.push_str(part);
        }
        match surface.verb() {
            // A tenant may name it, and its slashes stay: no step of them leads to another path.
            Some(_) if model.split('/').any(is_step) => return Err(head::Unwritable::Target),
            Some(verb) => path.push_str(&gemini::path(model, verb)),
            None => {
                path.push_str(if self.bare { "/v1" } else { "" });
                path.push_str(surface.path());
            }
        }
        if let Some(query) = &self.query {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(query);
        }
        head::RequestLine::new("POST", path.as_bytes())
    }

    /// The lines of one model, or of all where the path names none.
    fn fixed(&self, model: &str) -> Result<Fixed, head::Unwritable> {
        let [chat, completions, embeddings, responses, messages, count_tokens] = Surface::FIXED.map(|surface| self.line(surface, model));
        Ok([chat?, completions?, embeddings?, responses?, messages?, count_tokens?])
    }

    fn lines(&self, snapshot: &Snapshot, id: ProviderId) -> Result<Lines, head::Unwritable> {
        if !self.names_the_model() {
            return self.fixed("").map(Lines::Same);
        }
        let mut models: Vec<&str> = snapshot
            .targets
            .iter()
            .filter(|(_, target)| target.provider == id)
            .filter_map(|(_, target)| match &target.model {
                Model::Named(model) => Some(model.as_str()),
                Model::Rest => None,
            })
            .collect();
        models.sort_unstable();
        models.dedup();
        models.into_iter().map(|model| Ok((model.to_owned(), self.fixed(model)?))).collect::<Result<_, _>>().map(Lines::ByModel)
    }
}

/// RFC 3986, section 5.2.4: what is no segment of a path, but a step within it.
fn is_step(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

/// The program, as providers see it.
const USER_AGENT: &str = concat!("throwover/", env!("CARGO_PKG_VERSION"));

fn render(snapshot: &Snapshot, id: ProviderId, provider: &Provider) -> Result<Rendered, head::Unwritable> {
    let origin = &snapshot.origins[provider.origin];
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let usual = if origin.tls.is_some() { 443 } else { 80 };
    let host = if origin.port == usual { host } else { format!("{host}:{}", origin.port) };
    let place = Place::of(provider);
    let mut common = head::FieldLines::default();
    for (name, value) in [("host", host.as_str()), ("content-type", "application/json"), ("user-agent", USER_AGENT)] {
        common.add(name, value.as_bytes())?;
    }
    for (name, value) in &provider.headers {
        common.add(name, value.as_bytes())?;
    }
    let mut served_by = head::FieldLines::default();
    served_by.add("x-throwover-provider", provider.name.as_bytes())?;
    served_by.add("x-throwover-generation", snapshot.generation.to_string().as_bytes())?;
    Ok(Rendered { lines: place.lines(snapshot, id)?, place, common, served_by })
}

/// Of every provider of `snapshot`, by id.
///
/// # Errors
/// Something of one cannot stand in a head.
pub fn all(snapshot: &Snapshot) -> Result<Vec<Option<Rendered>>, String> {
    let mut rendered = Vec::new();
    rendered.resize_with(snapshot.providers.slots(), || None);
    for (id, provider) in snapshot.providers.iter() {
        let lines =
            render(snapshot, id, provider).map_err(|flaw| format!("provider {:?} cannot stand in a head: {flaw:?}", provider.name))?;
        rendered[id.index()] = Some(lines);
    }
    Ok(rendered)
}

#[cfg(test)]
mod tests;
