//! LiteLLM's proxy: one worker, one model, no database, nothing logged.

use super::Start;
use serde_json::json;
use std::{net::SocketAddr, path::Path};

/// It does not start without a key of its own.
pub(super) const KEY: &str = "sk-bench-master-key-0123456789abcdef";

/// Its program, with a configuration in this folder.
pub(super) fn start(folder: &Path, listen: SocketAddr, sink: SocketAddr) -> Start {
    let config = folder.join("config.yaml");
    let (host, port) = (listen.ip().to_string(), listen.port().to_string());
    let words = ["--host", &host, "--port", &port, "--num_workers", "1", "--telemetry", "False"];
    let mut arguments = vec!["--config".into(), config.clone().into_os_string()];
    arguments.extend(words.map(Into::into));
    let set = |name, value: &str| (name, value.to_owned());
    Start {
        arguments,
        variables: vec![
            set("LITELLM_MASTER_KEY", KEY),
            // It would fetch its list of prices and load a `.env` of whoever started it.
            set("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
            set("LITELLM_MODE", "PRODUCTION"),
            set("LITELLM_LOG", "ERROR"),
            set("NO_PROXY", "*"),
        ],
        file: Some((config, configuration(sink))),
    }
}

/// YAML, since all JSON is.
fn configuration(sink: SocketAddr) -> String {
    let model = crate::canned::MODEL;
    let parameters = json!({"model": format!("openai/{model}"), "api_base": format!("http://{sink}/v1"), "api_key": "bench-provider-key"});
    json!({
        "model_list": [{"model_name": model, "litellm_params": parameters}],
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    })
    .to_string()
}
