//! Reads the parts of a request's turns.

use super::media;
use super::prompt::{camel, listed, member};
use crate::dialect::Signature;
use crate::dialect::prompt::{Arguments, Call, Outcome, Part, Prompt, Role, Thought};
use crate::dialect::{Dialect, Needs};
use crate::json::{Str, Value};

/// What a part is, of which its other members only say more.
enum Data<'t> {
    Call(Value<'t>),
    Response(Value<'t>),
    Blob(Value<'t>),
    File(Value<'t>),
}

/// Reads what `role` said.
pub(super) fn read<'t>(part: Value<'t>, role: Role, prompt: &mut Prompt<'t>) {
    let mut text = None;
    let mut thought = false;
    let mut signature = None;
    let mut data = None;
    for (name, value) in part.members().filter(|(_, value)| !value.is_null()) {
        match &*camel(name) {
            "text" => text = value.str(),
            "thought" => thought = value.bool() == Some(true),
            "thoughtSignature" => {
                signature = value.str().filter(|seal| !seal.is_empty()).map(|seal| Signature::read(seal, Dialect::Gemini))
            }
            "functionCall" => data = Some(Data::Call(value)),
            "functionResponse" => data = Some(Data::Response(value)),
            "inlineData" => data = Some(Data::Blob(value)),
            "fileData" => data = Some(Data::File(value)),
            "executableCode" | "codeExecutionResult" | "toolCall" | "toolResponse" => prompt.needs.add(Needs::PROVIDER_TOOLS),
            "mediaResolution" | "partMetadata" => {}
            _ => prompt.needs.add(Needs::OWN),
        }
    }
    let found = match data {
        Some(Data::Call(call)) => read_call(call, signature.take(), &mut prompt.needs).map(Part::Call),
        Some(Data::Response(response)) => Some(Part::Outcome(read_response(response, &mut prompt.needs))),
        Some(Data::Blob(blob)) => media::read_blob(blob, &mut prompt.needs),
        Some(Data::File(file)) => media::read_file(file, &mut prompt.needs),
        None if thought => {
            let shown = text.unwrap_or(Str::plain(""));
            // So our own encoder tells what was redacted from a seal that came behind its thoughts.
            let redacted = text.is_some() && shown.is_empty() && signature.is_some_and(|seal| seal.origin != Dialect::Gemini);
            let signature = signature.take();
            (signature.is_some() || !shown.is_empty()).then_some(Part::Thought(Thought { text: shown, signature, redacted }))
        }
        None => text.filter(|text| !text.is_empty()).map(|text| Part::Text { text, cache: None }),
    };
    if let Some(found) = found {
        // Whoever it is put down to: only a model calls and thinks, and tools never answer for it.
        let role = match found {
            Part::Call(_) | Part::Thought(_) => Role::Assistant,
            Part::Outcome(_) => Role::User,
            _ => role,
        };
        prompt.say(role, found);
    }
    // A seal on something else than a call or a thought.
    if signature.is_some() && role == Role::Assistant {
        prompt.say(role, Part::Thought(Thought { text: Str::plain(""), signature, redacted: false }));
    }
}

fn read_call<'t>(call: Value<'t>, signature: Option<Signature<'t>>, needs: &mut Needs) -> Option<Call<'t>> {
    if member(call, "partialArgs").is_some() {
        needs.add(Needs::OWN);
    }
    let arguments = call.get("args").filter(|args| args.is_object()).map_or(&b"{}"[..], Value::raw);
    Some(Call {
        id: call.text("id").filter(|id| !id.is_empty()),
        name: call.text("name")?,
        arguments: Arguments::Object(arguments),
        signature,
    })
}

/// What a tool answered: an object, which is often no more than a text in a wrapping.
fn read_response<'t>(response: Value<'t>, needs: &mut Needs) -> Outcome<'t> {
    let object = response.get("response").filter(|object| object.is_object());
    let mut outcome = Outcome {
        id: response.text("id").filter(|id| !id.is_empty()),
        name: response.text("name").filter(|name| !name.is_empty()),
        parts: Vec::new(),
        object: None,
        error: object.is_some_and(|object| object.get("error").is_some()),
        cache: None,
    };
    let mut members = object.into_iter().flat_map(Value::members).filter(|(_, value)| !value.is_null());
    match (members.next(), members.next()) {
        (None, _) => {}
        (Some((name, value)), None) if value.str().is_some() && ["output", "result", "error"].iter().any(|word| name.is(word)) => {
            outcome.parts.extend(value.str().map(|text| Part::Text { text, cache: None }));
        }
        _ => outcome.object = object.map(Value::raw),
    }
    for part in response.get("parts").into_iter().flat_map(listed) {
        let blob = member(part, "inlineData").and_then(|blob| media::read_blob(blob, needs));
        let part = blob.or_else(|| member(part, "fileData").and_then(|file| media::read_file(file, needs)));
        // An object and pictures: only this dialect has both.
        if part.is_none() || outcome.object.is_some() {
            needs.add(Needs::OWN);
        }
        outcome.parts.extend(part);
    }
    outcome
}
