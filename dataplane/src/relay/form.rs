//! The form that a request asks its answer to have. A whole answer in another is none, and the next target is
//! asked; what is left of a stream when that is known goes out, and its target is remembered for it.

use super::Scene;
use crate::{ledger::Story, meters::Meter};
use codec::dialect::{
    Dialect,
    answer::Answer,
    form::{self, Fit, Gatherer},
    prompt::{Format, Prompt},
};
use engine::judge::{self, Transport, Verdict};

/// Where the form of an answer is said. The schema stays in the request's body, which is kept for every attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Nowhere: any text will do.
    #[default]
    Free,
    /// It is to be JSON, which is all that Gemini's media type says.
    Json,
    /// It is to be a JSON object.
    Object,
    /// It is to follow a schema, which lies in the body from here on. `start + size <= body.held.len()`
    Schema {
        /// Its first byte.
        start: u32,
        /// Its bytes.
        size: u32,
        /// It is in OpenAPI's words.
        openapi: bool,
    },
}

impl Form {
    /// What a prompt asks for that was read from `source`, which is the body.
    pub fn of(prompt: &Prompt<'_>, source: &[u8]) -> Form {
        match prompt.format {
            Format::Text => Form::Free,
            Format::Json if prompt.own == Some(Dialect::Gemini) => Form::Json,
            Format::Json => Form::Object,
            Format::Schema(schema) => {
                // The difference of addresses is an offset where the one lies within the other, and is checked.
                let start = (schema.schema.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
                let inside = start.checked_add(schema.schema.len()).is_some_and(|end| end <= source.len());
                match (u32::try_from(start), u32::try_from(schema.schema.len())) {
                    (Ok(start), Ok(size)) if inside => Form::Schema { start, size, openapi: schema.openapi },
                    _ => Form::Free,
                }
            }
        }
    }

    /// True when there is nothing to be looked at.
    pub fn is_free(self) -> bool {
        self == Form::Free
    }

    /// Whether what is looked at by `fits` has this form.
    fn ask(self, scene: &Scene<'_>, fits: impl FnOnce(form::Form<'_>) -> Fit) -> Fit {
        let fit = match self {
            Form::Free => Fit::Kept,
            Form::Json => fits(form::Form::Schema { schema: b"true", openapi: false }),
            Form::Object => fits(form::Form::Object),
            Form::Schema { start, size, openapi } => {
                let (start, size) = (start as usize, size as usize);
                let mut schema = Vec::with_capacity(size);
                scene.body.held.write_range(start..start + size, &mut schema);
                fits(form::Form::Schema { schema: &schema, openapi })
            }
        };
        if fit == Fit::Beyond {
            scene.shard.meters().count(Meter::Unchecked);
        }
        fit
    }
}

/// Fails a whole answer that is in another form.
pub(super) fn heeded(scene: &Scene<'_>, form: Form, answer: &Answer) -> Result<(), Verdict> {
    match form.ask(scene, |form| answer.fits(form)) {
        Fit::Kept | Fit::Beyond => Ok(()),
        Fit::Broken => Err(judge::transport(Transport::SchemaViolation)),
    }
}

/// Notes whether a stream that is over was in its form.
#[cold]
pub(super) fn look_back(scene: &Scene<'_>, gatherer: &Gatherer, story: &mut Story) {
    story.flawed = story.form.ask(scene, |form| gatherer.fits(form)) == Fit::Broken;
}
