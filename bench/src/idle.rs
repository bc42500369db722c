//! What an idle connection costs in memory, of Throwover and of nginx.

use crate::{
    canned,
    load::Pace,
    machine,
    peers::{self, Wanted},
    stage::Stage,
    throwover,
    way::{Asked, Way},
};
use serde_json::{Value, json};
use std::{io, time::Duration};

/// Memory of data plane and nginx before and with so many idle connections.
pub(crate) fn run(wanted: &Wanted, connections: usize) -> io::Result<(String, Value)> {
    let allowed = machine::raise_files(4 * connections as u64 + 4_096);
    // Each process has one end of every connection, and a pool.
    if allowed < connections as u64 + 2_048 {
        return Err(io::Error::other(format!("{allowed} open files are allowed here, too few for {connections} connections")));
    }
    let mut scene = peers::set(wanted)?;
    let mut text = format!("{}\n{connections} idle connections, one request served on each\n", machine::described());
    let mut all = Vec::new();
    let nginx = machine::family(scene.nginx.process.pid())?;
    let ways = [
        Way::new("nginx", scene.nginx.plain, canned::MODEL, "", &nginx),
        Way::new("throwover", scene.gateway.listen, throwover::PLAIN, throwover::TENANT_KEY, &[scene.plane.pid()]),
    ];
    let asked =
        Asked { request_bytes: wanted.request_bytes, answer_bytes: wanted.answer_bytes, events: None, connections, pace: Pace::Once };
    for way in &ways {
        let before = machine::resident(&way.pids)?;
        scene.stage.begin(way.plan(&asked));
        let served = |stage: &mut Stage| stage.load().is_some_and(|load| load.served() == connections);
        let complete = scene.stage.until(Duration::from_secs(120), served)?;
        scene.stage.run(Duration::from_secs(1))?;
        let after = machine::resident(&way.pids)?;
        let open: usize = way.pids.iter().map(|&pid| machine::files(pid).unwrap_or(0)).sum();
        let load = scene.stage.end().ok_or_else(|| io::Error::other("no load"))?;
        let served = load.served();
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let each = after.saturating_sub(before) as f64 / served.max(1) as f64;
        let note = if complete && load.tally.errors() == 0 {
            String::new()
        } else {
            format!("  VOID: {served} served; {}", load.tally.errors_text())
        };
        text.push_str(&format!(
            "{:<12} RSS {:.1} MB before, {:.1} MB with them: {each:.0} bytes each; {open} descriptors{note}\n",
            way.name,
            mb(before),
            mb(after)
        ));
        all.push(json!({
            "name": way.name, "connections": served, "rss_before_bytes": before, "rss_bytes": after, "bytes_each": each,
            "descriptors": open, "errors": load.tally.errors_text(),
        }));
        drop(load);
        scene.stage.run(Duration::from_millis(500))?;
    }
    Ok((text, json!({"machine": machine::described(), "idle": all})))
}
