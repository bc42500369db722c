//! `cargo xtask deb`: the Debian package, from the release binaries.
//!
//! Laid out by a table, and packed by `dpkg-deb`. The same inputs give the same bytes: times are those
//! of `SOURCE_DATE_EPOCH`, or of the last commit, and one thread compresses.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::ci;

mod needs;
#[cfg(test)]
mod tests;
pub(crate) mod trial;

/// How a file of the package comes to be.
enum Source {
    /// A release binary, without what only debuggers read.
    Binary(&'static str),
    /// A file of the repository, as it is.
    File(&'static str),
    /// The same, compressed.
    Compressed(&'static str),
    /// What the installed command prints.
    Printed(&'static [&'static str]),
    /// An empty folder.
    Folder,
}

use Source::{Binary, Compressed, File, Folder, Printed};

/// What is in the package, besides the pages that the command writes. Folders and programs are 0755,
/// everything else 0644, and all of it is root's.
const LAYOUT: &[(&str, Source)] = &[
    ("usr/bin/throwover", Binary("throwover")),
    ("usr/bin/throwover-dataplane", Binary("throwover-dataplane")),
    ("usr/lib/systemd/system/throwover.service", File("controlplane/systemd/throwover.service")),
    ("usr/lib/systemd/system/throwover-dataplane.service", File("dataplane/systemd/throwover-dataplane.service")),
    ("usr/lib/systemd/system/throwover-dataplane.socket", File("dataplane/systemd/throwover-dataplane.socket")),
    ("usr/lib/sysusers.d/throwover.conf", File("tools/debian/sysusers.conf")),
    ("etc/throwover/throwover.yaml", File("tools/debian/throwover.yaml")),
    ("etc/throwover/credentials", Folder),
    ("usr/share/throwover/seccomp.json", File("dataplane/containers/seccomp.json")),
    ("usr/share/bash-completion/completions/throwover", Printed(&["completions", "bash"])),
    ("usr/share/zsh/vendor-completions/_throwover", Printed(&["completions", "zsh"])),
    ("usr/share/fish/vendor_completions.d/throwover.fish", Printed(&["completions", "fish"])),
    ("usr/share/man/man1/throwover-dataplane.1.gz", Compressed("tools/debian/throwover-dataplane.1")),
    ("usr/share/doc/throwover/copyright", File("tools/debian/copyright")),
    ("usr/share/doc/throwover/changelog.Debian.gz", Compressed("tools/debian/changelog")),
    ("usr/share/doc/throwover/README.md.gz", Compressed("README.md")),
    ("usr/share/doc/throwover/examples/embeddings.yaml", File("controlplane/examples/embeddings.yaml")),
    ("usr/share/doc/throwover/examples/smallest.yaml", File("controlplane/examples/smallest.yaml")),
    ("usr/share/doc/throwover/examples/self-hosted.yaml", File("controlplane/examples/self-hosted.yaml")),
    ("usr/share/doc/throwover/examples/tenants-and-routes.yaml", File("controlplane/examples/tenants-and-routes.yaml")),
    ("usr/share/doc/throwover/examples/two-keys.yaml", File("controlplane/examples/two-keys.yaml")),
    ("usr/share/doc/throwover/examples/whole.yaml", File("controlplane/examples/whole.yaml")),
];

/// What dpkg runs.
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];
/// Where the command's own pages go.
const PAGES: &str = "usr/share/man/man1";

/// Builds the package and says where it is.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("takes no arguments".to_owned());
    }
    let package = build(root)?;
    let bytes = fs::metadata(&package).map_err(|error| told(&package, &error))?.len();
    println!("{}: {:.1} MB", package.display(), bytes as f64 / 1e6);
    Ok(())
}

/// The package, made anew in the target folder.
fn build(root: &Path) -> Result<PathBuf, String> {
    let target = ci::target(root);
    let release = target.join("release");
    let stage = target.join("deb/stage");
    fresh(&stage)?;
    let mut binaries = Vec::new();
    for (path, source) in LAYOUT {
        let at = stage.join(path);
        make_folder(at.parent().unwrap_or(&stage))?;
        match source {
            Binary(name) => {
                let from = release.join(name);
                if !from.is_file() {
                    return Err(format!("{} is not there; build it first: cargo build --release", from.display()));
                }
                let strip = ["--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", "-o"];
                said(Command::new("strip").args(strip).arg(&at).arg(&from))?;
                binaries.push(at);
            }
            File(from) => write(&at, &read(&root.join(from))?)?,
            Compressed(from) => write(&at, &compressed(&root.join(from))?)?,
            Printed(words) => write(&at, &said(Command::new(release.join("throwover")).args(*words))?)?,
            Folder => make_folder(&at)?,
        }
    }
    pages(&stage, &release)?;
    let version = version(root)?;
    let architecture = line(&said(Command::new("dpkg").arg("--print-architecture"))?);
    describe(root, &stage, &version, &architecture, &needs::of(&binaries)?)?;
    let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(given) => given,
        Err(_) => line(&said(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root))?),
    };
    settle(&stage)?;
    let package = target.join(format!("throwover_{version}_{architecture}.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zxz", "--build"]).arg(&stage).arg(&package);
    // With several threads the blocks depend on how much memory there is.
    said(pack.env("SOURCE_DATE_EPOCH", epoch).env("DPKG_DEB_THREADS_MAX", "1"))?;
    Ok(package)
}

/// The pages of the command and of its verbs.
fn pages(stage: &Path, release: &Path) -> Result<(), String> {
    let folder = stage.join(PAGES);
    let plain = stage.with_extension("pages");
    fresh(&plain)?;
    said(Command::new(release.join("throwover")).args(["man", "--out"]).arg(&plain))?;
    for page in files(&plain)? {
        let name = page.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        write(&folder.join(format!("{name}.gz")), &compressed(&page)?)?;
    }
    Ok(())
}

/// What dpkg reads about the package.
fn describe(root: &Path, stage: &Path, version: &str, architecture: &str, depends: &str) -> Result<(), String> {
    let (mut sums, mut bytes, mut conffiles) = (String::new(), 0, String::new());
    for file in files(stage)? {
        let path = file.strip_prefix(stage).map_err(|error| error.to_string())?.display().to_string();
        bytes += fs::metadata(&file).map_err(|error| told(&file, &error))?.len();
        if path.starts_with("etc/") {
            conffiles.push_str(&format!("/{path}\n"));
        } else {
            let sum = line(&said(Command::new("md5sum").stdin(fs::File::open(&file).map_err(|error| told(&file, &error))?))?);
            sums.push_str(&format!("{}  {path}\n", sum.split(' ').next().unwrap_or_default()));
        }
    }
    let debian = stage.join("DEBIAN");
    make_folder(&debian)?;
    let template = String::from_utf8(read(&root.join("tools/debian/control"))?).map_err(|error| error.to_string())?;
    let filled =
        [("{version}", version), ("{architecture}", architecture), ("{depends}", depends), ("{size}", &bytes.div_ceil(1024).to_string())]
            .iter()
            .fold(template, |text, (hole, value)| text.replace(hole, value));
    write(&debian.join("control"), filled.as_bytes())?;
    write(&debian.join("md5sums"), sums.as_bytes())?;
    write(&debian.join("conffiles"), conffiles.as_bytes())?;
    SCRIPTS.iter().try_for_each(|script| write(&debian.join(script), &read(&root.join("tools/debian").join(script))?))
}

/// The version: that of the changelog's first entry, which is this workspace's with a revision.
fn version(root: &Path) -> Result<String, String> {
    let changelog = String::from_utf8(read(&root.join("tools/debian/changelog"))?).map_err(|error| error.to_string())?;
    let first = changelog.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(version, _)| version.to_owned());
    let version = first.ok_or("tools/debian/changelog begins with no version")?;
    match version.rsplit_once('-') {
        Some((env!("CARGO_PKG_VERSION"), _)) => Ok(version),
        _ => Err(format!("tools/debian/changelog begins with {version}, and this is {}", env!("CARGO_PKG_VERSION"))),
    }
}

/// Modes, whatever the umask was.
fn settle(stage: &Path) -> Result<(), String> {
    let program =
        |path: &Path| path.starts_with(stage.join("usr/bin")) || SCRIPTS.iter().any(|script| path == stage.join("DEBIAN").join(script));
    for path in everything(stage)? {
        let mode = if path.is_dir() || program(&path) { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(|error| told(&path, &error))?;
    }
    Ok(())
}

/// The folder and all that is in it, in the order of names.
fn everything(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut found, mut at) = (vec![folder.to_owned()], 0);
    while at < found.len() {
        if found[at].is_dir() && !found[at].is_symlink() {
            let entries = fs::read_dir(&found[at]).map_err(|error| told(&found[at], &error))?;
            let inner: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
            let inner = inner.map_err(|error| told(&found[at], &error))?;
            found.extend(inner);
        }
        at += 1;
    }
    found.sort();
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    Ok(everything(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

fn fresh(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(told(folder, &error)),
        _ => make_folder(folder),
    }
}

fn make_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| told(folder, &error))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| told(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| told(path, &error))
}

fn compressed(path: &Path) -> Result<Vec<u8>, String> {
    said(Command::new("gzip").args(["-9nc"]).arg(path))
}

/// What a command prints, when it ends well.
fn said(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
