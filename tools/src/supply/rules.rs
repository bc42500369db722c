//! The part of `.deny.toml` that is enforced here.
//!
//! Not all of TOML: sections, lists of texts, and lists of one-line tables. What is not understood
//! is an error, so that a rule cannot be lost without a word.

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Licences that any package may have.
    pub(crate) licences: Vec<String>,
    /// Licences of single packages.
    pub(crate) exceptions: Vec<(String, Vec<String>)>,
    /// Packages that may not be here.
    pub(crate) bans: Vec<Ban>,
    /// Where packages may come from.
    pub(crate) registries: Vec<String>,
}

/// A package that may not be here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub(crate) name: String,
    /// Only versions below this one.
    pub(crate) below: Option<String>,
    pub(crate) reason: String,
}

impl Rules {
    /// Reads the file.
    ///
    /// # Errors
    /// A list is missing or empty, or an entry is not understood.
    pub(crate) fn read(text: &str) -> Result<Rules, String> {
        let mut rules = Rules {
            licences: list(text, "licenses", "allow")?.iter().map(|entry| quoted(entry)).collect::<Result<_, _>>()?,
            registries: list(text, "sources", "allow-registry")?.iter().map(|entry| quoted(entry)).collect::<Result<_, _>>()?,
            ..Rules::default()
        };
        for entry in list(text, "licenses", "exceptions")? {
            let allowed = entry.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).map(|(inner, _)| inner);
            let allowed = allowed.ok_or_else(|| format!("`{entry}` allows nothing"))?;
            let words = allowed.split(',').map(|word| quoted(word.trim())).collect::<Result<_, _>>()?;
            rules.exceptions.push((member(&entry, "crate")?, words));
        }
        for entry in list(text, "bans", "deny")? {
            let named = member(&entry, "crate")?;
            let (name, below) = match named.split_once(":<") {
                Some((name, below)) => (name.to_owned(), Some(below.to_owned())),
                None if named.contains([':', '@']) => return Err(format!("`{named}`: only `name` and `name:<version` are understood")),
                None => (named, None),
            };
            rules.bans.push(Ban { name, below, reason: member(&entry, "reason")? });
        }
        Ok(rules)
    }

    /// True when this one package may have this licence.
    pub(crate) fn excepted(&self, package: &str, licence: &str) -> bool {
        self.exceptions.iter().any(|(name, words)| name == package && words.iter().any(|word| word == licence))
    }
}

/// The entries of a list of a section, one text each.
fn list(text: &str, section: &str, key: &str) -> Result<Vec<String>, String> {
    let missing = || format!("there is no list `{key}` in [{section}]");
    let mut lines =
        text.lines().map(uncommented).skip_while(|line| *line != format!("[{section}]")).skip(1).take_while(|line| !line.starts_with('['));
    let opening = lines.find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim)).ok_or_else(missing)?;
    let rest = opening.strip_prefix('[').ok_or_else(missing)?;
    if let Some(inner) = rest.strip_suffix(']') {
        return entries(&[inner]);
    }
    let mut inner = vec![rest];
    for line in lines {
        if line == "]" {
            return entries(&inner);
        }
        inner.push(line);
    }
    Err(format!("the list `{key}` in [{section}] has no end"))
}

fn entries(lines: &[&str]) -> Result<Vec<String>, String> {
    let found: Vec<String> =
        lines.iter().map(|line| line.trim().trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect();
    if found.is_empty() { Err("a list is empty".to_owned()) } else { Ok(found) }
}

/// A line without its comment. No value of ours holds a `#`.
fn uncommented(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn quoted(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inner| !inner.contains('"'));
    inner.map(str::to_owned).ok_or_else(|| format!("`{text}` is not one text in quotation marks to a line"))
}

/// `key = "value"` of a one-line table.
fn member(entry: &str, key: &str) -> Result<String, String> {
    let value = entry.split_once(&format!("{key} = \"")).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value.to_owned());
    value.filter(|value| !value.is_empty()).ok_or_else(|| format!("`{entry}` has no `{key}`"))
}

/// True for a version below another. What comes after `-` or `+` is left out: `1.0.0-rc.1` counts
/// as `1.0.0`.
pub(crate) fn below(version: &str, limit: &str) -> bool {
    let parts = |text: &str| -> Vec<u64> {
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts: Vec<u64> = core.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        parts.resize(3, 0);
        parts
    };
    parts(version) < parts(limit)
}
