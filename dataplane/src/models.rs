//! `GET /v1/models`: the names that a tenant may ask for.

use crate::{
    current::Policy,
    downstream::{Downstream, Gone},
    request::{Asked, Ended},
    respond::{self, Refusal},
    shard::Shard,
};
use codec::{dialect::Dialect, json};
use policy::chain::Name;
use std::rc::Rc;

/// Which names are asked for.
pub struct Page {
    /// The language of the answer.
    pub dialect: Dialect,
    /// One of them; else all.
    pub one: Option<Box<str>>,
}

/// Answers from the snapshot.
pub async fn answer(shard: &Rc<Shard>, policy: &Policy, tenant: &mut Downstream, asked: &Asked, page: Page) -> Result<Ended, Ended> {
    match crate::body::discard(shard, tenant, asked).await {
        Ok(true) => {}
        Ok(false) => tenant.keep_alive = false,
        Err(Gone) => return Err(Ended::HungUp),
    }
    let may = |name: &&Name| name.listed && asked.tenant.is_none_or(|tenant| policy.tenants[tenant].may_ask_for(&name.name));
    let mut body = shard.io.vec();
    match page.one {
        None => {
            let names: Vec<&Name> = policy.names.iter().filter(may).collect();
            write_all(&mut body, page.dialect, &names);
        }
        Some(wanted) => match policy.names.iter().filter(may).find(|name| *name.name == *wanted) {
            Some(name) => write(&mut body, page.dialect, &name.name),
            None => {
                let message = format!(
                    "The model {wanted:?} does not exist here, or may not be asked for with this key. GET /v1/models lists what may."
                );
                return Err(Refusal::tenant(404, "model_not_found", message).about(Some("model")).into());
            }
        },
    }
    respond::document(shard, tenant, asked.id, page.dialect, &body);
    Ok(Ended::Answered)
}

/// All of them, on one page whatever was asked for: a policy has some hundred names at most that it lists.
fn write_all(body: &mut Vec<u8>, dialect: Dialect, names: &[&Name]) {
    body.extend_from_slice(match dialect {
        Dialect::Openai | Dialect::Responses => b"{\"object\":\"list\",\"data\":[",
        Dialect::Anthropic => b"{\"data\":[",
        Dialect::Gemini => b"{\"models\":[",
    });
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write(body, dialect, &name.name);
    }
    body.push(b']');
    if dialect == Dialect::Anthropic {
        let id = |name: Option<&&Name>| name.map_or("null".to_owned(), |name| format!("\"{}\"", escaped(&name.name)));
        let ends = format!(",\"has_more\":false,\"first_id\":{},\"last_id\":{}", id(names.first()), id(names.last()));
        body.extend_from_slice(ends.as_bytes());
    }
    body.push(b'}');
}

/// One entry. Its time is that of no birthday: a chain has none.
fn write(body: &mut Vec<u8>, dialect: Dialect, name: &str) {
    let name = escaped(name);
    let entry = match dialect {
        Dialect::Openai | Dialect::Responses => {
            format!("{{\"id\":\"{name}\",\"object\":\"model\",\"created\":0,\"owned_by\":\"throwover\"}}")
        }
        Dialect::Anthropic => {
            format!("{{\"type\":\"model\",\"id\":\"{name}\",\"display_name\":\"{name}\",\"created_at\":\"1970-01-01T00:00:00Z\"}}")
        }
        Dialect::Gemini => format!(
            "{{\"name\":\"models/{name}\",\"displayName\":\"{name}\",\"supportedGenerationMethods\":[\"generateContent\",\"streamGenerateContent\"]}}"
        ),
    };
    body.extend_from_slice(entry.as_bytes());
}

fn escaped(name: &str) -> String {
    let mut text = Vec::new();
    json::escape_into(&mut text, name);
    String::from_utf8(text).expect("what was text before it was escaped is text")
}
