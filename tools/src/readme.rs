//! Tables of the README that are made of a run: each stands between two lines that carry its name.

use std::path::Path;

#[cfg(test)]
mod tests;

/// Puts a table in its place; with `only_check` it only says whether it is there.
pub(crate) fn put(root: &Path, name: &str, table: &str, only_check: bool) -> Result<(), String> {
    let path = root.join("README.md");
    let readme = read(&path)?;
    let wanted = placed(&readme, name, table)?;
    if readme == wanted {
        println!("the table in README.md is that of the run");
        return Ok(());
    }
    if only_check {
        return Err(format!("the table in README.md is not that of the run; `cargo xtask {name}` puts it there"));
    }
    std::fs::write(&path, wanted).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("README.md has the table of the run");
    Ok(())
}

/// Reads a file, or says which could not be.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// True when the arguments of a verb are `--check`; there may be no others.
pub(crate) fn only_check(arguments: &[String]) -> Result<bool, String> {
    match arguments {
        [] => Ok(false),
        [flag] if flag == "--check" => Ok(true),
        _ => Err("it takes nothing, or --check".to_owned()),
    }
}

/// The README with the table in its place.
fn placed(readme: &str, name: &str, table: &str) -> Result<String, String> {
    let [start, end] = [format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n")];
    let missing = || format!("README.md lacks the lines `{}` and `{}`, between which the table belongs", start.trim(), end.trim());
    let (before, rest) = readme.split_once(&start).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{start}{table}{end}{after}"))
}
