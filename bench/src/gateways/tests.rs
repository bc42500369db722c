use super::{Kind, Start};
use serde_json::Value;
use std::{net::SocketAddr, path::Path};

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn started(kind: Kind) -> (Start, Vec<String>) {
    let start = kind.start(Path::new("/run"), at(1), at(2)).expect("a port");
    let words = start.arguments.iter().map(|word| word.to_str().expect("text").to_owned()).collect();
    (start, words)
}

#[test]
fn sglang_has_one_worker_and_one_thread() {
    let (start, words) = started(Kind::Sglang);
    assert_eq!(words[..5], ["launch", "--worker-urls", "http://127.0.0.1:2", "--host=127.0.0.1", "--port=1"]);
    assert!(start.variables.contains(&("TOKIO_WORKER_THREADS", "1".to_owned())));
    let way = Kind::Sglang.way(at(1), at(2), &[7]);
    assert_eq!((way.name, way.fields.as_str(), way.rewrites, way.slow), ("sglang", "", false, true));
}

#[test]
fn litellm_has_one_worker_and_one_model() {
    let (start, words) = started(Kind::Litellm);
    assert_eq!(words[..6], ["--config", "/run/config.yaml", "--host", "127.0.0.1", "--port", "1"]);
    assert!(words.windows(2).any(|pair| pair == ["--num_workers", "1"]));
    let (path, text) = start.file.expect("a configuration");
    assert_eq!(path, Path::new("/run/config.yaml"));
    let config: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["model_list"].as_array().map(Vec::len), Some(1));
    let way = Kind::Litellm.way(at(1), at(2), &[7]);
    assert_eq!(config["model_list"][0]["model_name"], way.model);
    assert_eq!(config["model_list"][0]["litellm_params"]["api_base"], "http://127.0.0.1:2/v1");
    assert!(way.rewrites && start.variables.contains(&("LITELLM_MASTER_KEY", way.key.to_owned())));
}

#[test]
fn portkey_is_told_where_in_every_request() {
    let (start, words) = started(Kind::Portkey);
    assert_eq!((words, start.file), (vec!["--port=1".to_owned(), "--headless".to_owned()], None));
    let way = Kind::Portkey.way(at(1), at(2), &[7]);
    assert_eq!(way.fields, "x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:2/v1\r\n");
}
