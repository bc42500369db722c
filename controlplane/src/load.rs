//! From files to one tree: a file, or every file of a folder in the order of their names.

use crate::{
    complaint::{Complaint, Complaints, Sources, Span},
    excerpt,
    tree::{self, Entry, Node, Value},
};
use std::{
    io::{self, Read},
    path::Path,
};

/// Largest policy, in bytes, over all files.
const POLICY_BYTES_MAX: u64 = 64 << 20;
/// Most files of a folder.
const FILES_MAX: usize = 1_000;

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The files.
    pub sources: Sources,
    /// Their contents, merged; `None` when no file could be read as YAML.
    pub tree: Option<Node>,
    /// Complaints so far.
    pub complaints: Complaints,
}

/// Reads a policy.
///
/// # Errors
/// The file or folder cannot be read, or is beyond the bounds.
pub fn load(path: &Path) -> io::Result<Loaded> {
    let mut files = Vec::new();
    let mut room = POLICY_BYTES_MAX;
    if path.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"))
            .collect();
        names.sort();
        if names.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the folder holds no .yaml file"));
        }
        if names.len() > FILES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the folder holds more than {FILES_MAX} files")));
        }
        for name in names {
            files.push((name.display().to_string(), read(&name, &mut room)?));
        }
    } else {
        files.push((path.display().to_string(), read(path, &mut room)?));
    }
    Ok(merge(Sources { files, ..Sources::default() }))
}

/// Reads a policy from text, as if it were a file of this name.
pub fn text(name: &str, text: &str) -> Loaded {
    merge(Sources { files: vec![(name.to_owned(), text.to_owned())], ..Sources::default() })
}

fn read(path: &Path, room: &mut u64) -> io::Result<String> {
    // Not by what the file says of its length: a device says 0 and never ends.
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(*room + 1).read_to_end(&mut bytes)?;
    *room = room
        .checked_sub(bytes.len() as u64)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("the policy is larger than {} MiB", POLICY_BYTES_MAX >> 20)))?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}

fn merge(mut sources: Sources) -> Loaded {
    let mut complaints = Complaints::default();
    let mut whole: Option<Node> = None;
    for (index, (_, text)) in sources.files.iter().enumerate() {
        let Some(node) = tree::parse(text, index as u16, &mut complaints) else {
            sources.unread.push(index as u16);
            continue;
        };
        excerpt::hide(&node, &mut sources.hidden);
        whole = match whole {
            None => Some(node),
            Some(mut before) => {
                merge_into(&mut before, node, &sources, &mut complaints);
                Some(before)
            }
        };
    }
    Loaded { sources, tree: whole, complaints }
}

/// Mappings are joined, lists are appended; anything else may be said once.
fn merge_into(into: &mut Node, from: Node, sources: &Sources, out: &mut Complaints) {
    match (&mut into.value, from.value) {
        (_, Value::Null) => {}
        (value @ Value::Null, other) => {
            *value = other;
            into.span = from.span;
        }
        (Value::List(items), Value::List(more)) => items.extend(more),
        (Value::Map(entries), Value::Map(more)) => {
            let mut at: std::collections::HashMap<String, usize> =
                entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
            for Entry { key, span, node } in more {
                match at.get(&key) {
                    Some(index) => merge_into(&mut entries[*index].node, node, sources, out),
                    None => {
                        at.insert(key.clone(), entries.len());
                        entries.push(Entry { key, span, node });
                    }
                }
            }
        }
        _ => {
            let other = format!("it also stands in {}:{}", sources.name(into.span), into.span.line);
            out.push(Complaint::error(from.span, "this is said twice").help(other));
        }
    }
}

/// The place that stands for the whole policy.
pub fn whole() -> Span {
    Span::start(0)
}

#[cfg(test)]
mod tests;
