//! What is said differently to one model: text around the system prompt, and members that are set.

use super::Validator;
use crate::{
    document::{At, Deployment, Link, Params},
    plan::Wording,
};
use policy::limits;

/// Largest text before or behind a system prompt, and largest set of parameters, in bytes.
const WORDING_BYTES_MAX: usize = 16 * limits::KIB;
/// All wordings of a policy, in bytes: an image has room for them many times over.
pub(super) const WORDINGS_BYTES_MAX: usize = 16 * limits::MIB;
/// What a request says itself, or the gateway for it.
const WRITTEN_BY_THE_GATEWAY: &[&str] = &["model", "messages", "input", "contents", "stream", "stream_options"];

const _: () = assert!(WORDINGS_BYTES_MAX < limits::IMAGE_BYTES_MAX);

impl Validator<'_> {
    pub(super) fn wording_of_deployment(&mut self, deployment: &Deployment) -> Wording {
        self.wording(&deployment.prefix, &deployment.suffix, &deployment.params)
    }

    pub(super) fn wording_of_link(&mut self, link: &Link) -> Wording {
        self.wording(&link.prefix, &link.suffix, &link.params)
    }

    fn wording(&mut self, prefix: &Option<At<String>>, suffix: &Option<At<String>>, params: &Option<At<Params>>) -> Wording {
        Wording { prefix: self.text("prefix", prefix), suffix: self.text("suffix", suffix), params: self.params(params) }
    }

    /// An empty text is none.
    fn text(&mut self, noun: &str, text: &Option<At<String>>) -> Option<String> {
        let at = text.as_ref().filter(|at| !at.is_empty())?;
        if at.len() > WORDING_BYTES_MAX {
            self.error(at, format!("`{noun}` holds {} bytes, and there may be {WORDING_BYTES_MAX}", at.len())).push();
        }
        Some(at.value.clone())
    }

    fn params(&mut self, params: &Option<At<Params>>) -> serde_json::Map<String, serde_json::Value> {
        let Some(at) = params else { return serde_json::Map::new() };
        for name in at.0.keys().filter(|name| WRITTEN_BY_THE_GATEWAY.contains(&name.as_str())) {
            self.error(at, format!("`{name}` is what the request says, and is not set for it")).push();
        }
        let size = serde_json::to_string(&at.0).map_or(0, |text| text.len());
        if size > WORDING_BYTES_MAX {
            self.error(at, format!("`params` holds {size} bytes, and there may be {WORDING_BYTES_MAX}")).push();
        }
        at.0.clone()
    }
}

#[cfg(test)]
mod tests;
