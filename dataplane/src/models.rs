//! `GET /v1/models`: the names that a tenant may ask for.

use crate::{
    current::Policy,
    downstream::{Downstream, Gone},
    request::{Asked, Ended},
    respond::{self, Refusal},
    shard::Shard,
};
use codec::json;
use policy::chain::Name;
use std::{borrow::Cow, rc::Rc};

/// Which names are asked for.
pub enum Page<'a> {
    /// All of them.
    All,
    /// One.
    One(Cow<'a, str>),
}

/// Answers from the snapshot.
pub async fn answer(shard: &Rc<Shard>, policy: &Policy, tenant: &mut Downstream, asked: &Asked, page: Page<'_>) -> Result<Ended, Ended> {
    match crate::body::discard(shard, tenant, asked).await {
        Ok(true) => {}
        Ok(false) => tenant.keep_alive = false,
        Err(Gone) => return Err(Ended::HungUp),
    }
    let may = |name: &&Name| name.listed && asked.tenant.is_none_or(|tenant| policy.tenants[tenant].may_ask_for(&name.name));
    let mut body = shard.io.vec();
    match page {
        Page::All => {
            body.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
            for (index, name) in policy.names.iter().filter(may).enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                write(&mut body, &name.name);
            }
            body.extend_from_slice(b"]}");
        }
        Page::One(wanted) => match policy.names.iter().filter(may).find(|name| name.name == wanted) {
            Some(name) => write(&mut body, &name.name),
            None => {
                let message = format!(
                    "The model {wanted:?} does not exist here, or may not be asked for with this key. GET /v1/models lists what may."
                );
                return Err(Refusal::tenant(404, "model_not_found", message).about(Some("model")).into());
            }
        },
    }
    respond::document(shard, tenant, asked.id, &body);
    Ok(Ended::Answered)
}

/// One entry, in OpenAI's form. `created` is 0: a chain has no birthday.
fn write(body: &mut Vec<u8>, name: &str) {
    body.extend_from_slice(b"{\"id\":\"");
    json::escape_into(body, name);
    body.extend_from_slice(b"\",\"object\":\"model\",\"created\":0,\"owned_by\":\"throwover\"}");
}
