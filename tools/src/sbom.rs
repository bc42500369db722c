//! `cargo xtask sbom`: what the binaries are made of, as CycloneDX.
//!
//! The same sources give the same bytes: there is no time and no random number in it.

use serde_json::{Value, json};
use std::path::Path;

use crate::packages::{self, Graph, Package};

#[cfg(test)]
mod tests;

/// The packages whose binaries are shipped.
const SHIPPED: &[&str] = &["controlplane", "dataplane"];

/// Writes it to a file, or prints it.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let bill = bill(&packages::read(root)?);
    let text = format!("{bill:#}\n");
    match arguments {
        [] => print!("{text}"),
        [file] => {
            std::fs::write(file, text).map_err(|error| format!("{file}: {error}"))?;
            println!("{file}: {} packages", bill["components"].as_array().map_or(0, Vec::len));
        }
        _ => return Err("one file at most: cargo xtask sbom [FILE]".to_owned()),
    }
    Ok(())
}

/// The bill of materials.
fn bill(graph: &Graph) -> Value {
    let closure = graph.closure(SHIPPED);
    let packages: Vec<&Package> = closure.iter().filter_map(|id| graph.packages.get(*id)).collect();
    let components: Vec<Value> = packages.iter().map(|package| component(package)).collect();
    let mut dependencies: Vec<Value> = Vec::new();
    for package in &packages {
        let needs = graph.needs.get(&package.id).into_iter().flatten();
        let needs: Vec<String> = needs.filter_map(|id| graph.packages.get(id)).map(reference).collect();
        dependencies.push(json!({"ref": reference(package), "dependsOn": needs}));
    }
    let own = |package: &&&Package| package.source.is_none() && SHIPPED.contains(&package.name.as_str());
    let roots: Vec<String> = packages.iter().filter(own).map(|package| reference(package)).collect();
    dependencies.push(json!({"ref": "throwover", "dependsOn": roots}));
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": "throwover", "name": "throwover", "version": env!("CARGO_PKG_VERSION"),
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
            "tools": {"components": [{"type": "application", "name": "cargo xtask sbom", "version": env!("CARGO_PKG_VERSION")}]},
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(package: &Package) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": reference(package), "name": package.name, "version": package.version,
    });
    if let Some(license) = &package.license {
        // Packages older than the rule write `MIT/Apache-2.0`, which is no SPDX expression.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if package.source.is_some() {
        component["purl"] = json!(format!("pkg:cargo/{}@{}", package.name, package.version));
    }
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

/// Unique within the bill: Cargo has each version of a name once from a registry.
fn reference(package: &Package) -> String {
    let origin = if package.source.is_some() { "cargo" } else { "own" };
    format!("{origin}:{}@{}", package.name, package.version)
}
