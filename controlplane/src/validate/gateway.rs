//! What the process does as a whole, and what holds where a chain says nothing.

use super::Validator;
use crate::{
    document::{At, Document, Gateway, Tls},
    reference::{self, Reference},
};
use policy::{ServerIdentity, limits};
use std::{net::SocketAddr, path::Path};

/// Longest duration of anything in `gateway`, in milliseconds.
const LONGEST_MS: u64 = 24 * 3_600_000;

impl Validator<'_> {
    pub(super) fn gateway(&mut self, document: &Document) {
        let empty = Gateway::default();
        let gateway = document.gateway.as_ref().map_or(&empty, |gateway| &gateway.value);
        let mut plan = policy::Gateway::default();
        if let Some(listen) = &gateway.listen {
            plan.listen = listen.0.iter().filter_map(|text| self.address(text)).collect();
            let none = listen.0.is_empty() && gateway.proxy_protocol.is_none();
            if none || listen.0.len() > limits::LISTENERS_MAX {
                self.error(listen, format!("there are 1 to {} addresses to listen on", limits::LISTENERS_MAX)).push();
            }
        }
        if let Some(introduced) = &gateway.proxy_protocol {
            plan.introduced = introduced.listen.iter().flat_map(|listen| &listen.0).filter_map(|text| self.address(text)).collect();
            plan.proxies = self.networks(&introduced.from);
            if plan.listen.len() + plan.introduced.len() > limits::LISTENERS_MAX {
                self.error(introduced, format!("there are at most {} addresses to listen on in all", limits::LISTENERS_MAX)).push();
            }
            if plan.introduced.is_empty() || plan.proxies.is_empty() {
                self.error(introduced, "`proxy_protocol` says where to listen and whose word is taken")
                    .help("proxy_protocol: {listen: \"0.0.0.0:8081\", from: [10.0.0.0/8]}")
                    .push();
            }
        }
        if let Some(admin) = &gateway.admin {
            plan.admin = if admin.value == "off" { None } else { self.address(admin) };
        }
        self.public_address(document, gateway, &plan);
        if let Some(tls) = &gateway.tls {
            plan.tls = true;
            self.plan.identity = self.identity(tls);
        }
        plan.shards = gateway.shards.as_ref().map_or(0, |shards| shards.0 as u16);
        plan.drain_ms = self.bounded(&gateway.drain, "drain", 0, LONGEST_MS, plan.drain_ms);
        plan.queue_ms = self.bounded(&gateway.queue, "queue", 0, 60_000, plan.queue_ms);
        plan.head_ms = self.bounded(&gateway.head_timeout, "head_timeout", 1, 3_600_000, plan.head_ms);
        plan.body_ms = self.bounded(&gateway.body_timeout, "body_timeout", 1, 3_600_000, plan.body_ms);
        plan.keep_alive_ms = self.bounded(&gateway.keep_alive, "keep_alive", 0, LONGEST_MS, plan.keep_alive_ms);
        plan.write_stall_ms = self.bounded(&gateway.write_stall, "write_stall", 1, 3_600_000, plan.write_stall_ms);
        plan.spin_us = self.bounded(&gateway.spin_us, "spin_us", 0, 1_000_000, plan.spin_us.into()) as u32;
        plan.connections_max = self.bounded(&gateway.connections, "connections", 1, 1 << 24, plan.connections_max.into()) as u32;
        if let Some(log) = &gateway.access_log {
            plan.access_log = if log.value == "stderr" { String::new() } else { log.value.clone() };
            if !matches!(log.as_str(), "stderr" | "off") && !log.starts_with('/') {
                self.error(log, "`access_log` is an absolute path, `stderr` or `off`").push();
            }
        }
        if let Some(defaults) = &document.defaults {
            plan.body_bytes_max = self.bounded(&defaults.max_body, "max_body", 1, limits::BODY_BYTES_MAX as u64, plan.body_bytes_max);
            plan.body_memory_bytes = self.bounded(&defaults.body_memory, "body_memory", 1, 1 << 40, plan.body_memory_bytes);
            plan.cache_memory_bytes =
                self.bounded(&defaults.cache_memory, "cache_memory", 0, limits::CACHE_BYTES_MAX as u64, plan.cache_memory_bytes);
            plan.in_flight_max = self.bounded(&defaults.in_flight, "in_flight", 1, 1 << 24, plan.in_flight_max.into()) as u32;
            if plan.body_memory_bytes < plan.body_bytes_max {
                let at = defaults.body_memory.as_ref().map(|at| at.span).or(defaults.max_body.as_ref().map(|at| at.span));
                let at = At { value: (), span: at.unwrap_or(defaults.span) };
                self.error(&at, "`body_memory` is less than one body of `max_body`").help("make it several times as much").push();
            }
        }
        self.plan.gateway = plan;
    }

    fn address(&mut self, text: &At<String>) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            self.error(text, format!("`{}` is no address to listen on", text.value))
                .help("write an IP address and a port: `127.0.0.1:8080`, `[::]:8080`")
                .push();
        }
        address
    }

    /// Whoever can reach a public address spends the operator's money.
    fn public_address(&mut self, document: &Document, gateway: &Gateway, plan: &policy::Gateway) {
        let tenants = document.tenants.as_ref().is_some_and(|tenants| !tenants.is_empty());
        let listen = gateway.listen.iter().flat_map(|listen| plan.listen.iter().map(|address| (listen.span, *address)));
        let introduced = gateway.proxy_protocol.iter().flat_map(|at| plan.introduced.iter().map(|address| (at.span, *address)));
        let public = listen.chain(introduced).find(|(_, address)| !address.ip().is_loopback());
        let public = public.map(|(span, address)| At { value: address, span });
        if let Some(at) = &public
            && !tenants
        {
            let public = at.value;
            self.error(at, format!("{public} can be reached by others, and no tenants are declared"))
                .help("declare `tenants`, or listen on 127.0.0.1")
                .path("gateway.listen")
                .push();
        }
        if let Some(at) = &public
            && tenants
            && gateway.tls.is_none()
        {
            self.warning(at, "tenants' keys cross the network unencrypted").help("declare `gateway.tls`, or put TLS in front").push();
        }
        if let Some(admin) = &gateway.admin
            && plan.admin.is_some_and(|address| !address.ip().is_loopback())
        {
            self.warning(admin, "the admin address can be reached by others, and asks nobody who they are")
                .help("bind it to 127.0.0.1")
                .push();
        }
    }

    fn identity(&mut self, tls: &At<Tls>) -> Option<ServerIdentity> {
        let (certificate, key) = (tls.certificate.as_ref()?, tls.key.as_ref()?);
        let shown = self.file_or_reference(certificate, "BEGIN CERTIFICATE");
        let secret = self.file_or_reference(key, "PRIVATE KEY");
        Some(ServerIdentity { certificate: shown?, key: policy::Secret::new(secret?) })
    }

    /// PEM from a path or a reference.
    fn file_or_reference(&mut self, at: &At<String>, marker: &str) -> Option<Vec<u8>> {
        let found = match reference::parse(at) {
            Reference::Literal => (self.from.file)(Path::new(&at.value)).map_err(|error| format!("{} cannot be read: {error}", at.value)),
            _ => reference::bytes(at, self.from).map_err(|missing| missing.to_string()),
        };
        match found {
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(marker) => Some(bytes),
            Ok(_) => {
                self.error(at, format!("there is no PEM block with `{marker}` here")).push();
                None
            }
            Err(why) => {
                self.error(at, why).push();
                None
            }
        }
    }

    /// Certificate authorities, PEM, from a path.
    pub(super) fn authorities(&mut self, at: &At<String>) -> Option<Vec<u8>> {
        self.file_or_reference(at, "BEGIN CERTIFICATE")
    }
}
