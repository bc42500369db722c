//! Servers that run beside the tenant.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static OLLAMA: &[Row] = &[
    on(ModelGone, &[404]).message("model .* not found"),
    on(Overloaded, &[503]).message("server busy|maximum pending requests"),
    on(InvalidRequest, &[400]).message("does not support"),
    on(Permission, &[403]).told("forbidden"),
    on(ServerError, &[502]),
    on(ServerError, &[200]).message(".+").told("error_event"),
];

pub(super) static VLLM: &[Row] = &[
    on(ContextWindow, &[400]).message("maximum context length is|longer than the maximum model length|maximum input length"),
    on(ModelGone, &[404]).message("The model .* does not exist"),
    on(ServerError, &[503]).told("engine_dead"),
];

pub(super) static LLAMACPP: &[Row] = &[
    on(ContextWindow, &[400, 500]).kind("^exceed_context_size_error$"),
    on(ContextWindow, &[400, 500]).message("exceeds the available context size|context size|too large to process"),
    on(Overloaded, &[503]).kind("unavailable_error").message("Loading model").told("loading"),
    on(Overloaded, &[503]).told("unavailable"),
    on(Auth, &[401]).told("unauthorized"),
];

pub(super) static LMSTUDIO: &[Row] = &[
    on(ContextWindow, &[400, 200, 500])
        .message("tokens to keep from the initial prompt|Trying to keep the first|Context size has been exceeded|context the overflows"),
    on(ModelGone, &[400, 404]).message("No models loaded|Failed to load model|model_not_found|Model is unloaded"),
];
