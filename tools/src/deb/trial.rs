//! The package tried out: built twice, installed, started, upgraded, removed and purged, in a root of
//! its own below the target folder. Nothing of this machine is changed.
//!
//! dpkg runs the scripts of the package without changing its root (`DPKG_ROOT`), as builders of images
//! do; so nothing but the package has to be in there.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{build, everything, fresh, line, make_folder, read, said, told, write};
use crate::ci;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// What the package needs of this machine; dpkg is told that it is there, as it is.
const NEEDS: &[&str] = &["libc6", "libgcc-s1", "systemd"];
/// What may be left after a purge, besides what was there before: the user, and dpkg's own books.
const LEFT: &[&str] = &[
    "etc/passwd",
    "etc/passwd-",
    "etc/group",
    "etc/group-",
    "etc/shadow",
    "etc/gshadow",
    "etc/.pwd.lock",
    "var/lib/dpkg",
    "var/log/dpkg.log",
];

/// Tries everything, as a step of `cargo xtask ci`.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let package = build(root)?;
    let once = read(&package)?;
    if read(&build(root)?)? != once {
        return Err(format!("{} was built twice, and differs", package.display()));
    }
    println!("{}: {:.1} MB, the same twice", package.display(), once.len() as f64 / 1e6);
    let place = Place::new(ci::target(root).join("deb/root"))?;
    let before = place.listing()?;

    place.dpkg(&["-i", &package.to_string_lossy()])?;
    println!("installed: {}", place.check_files(&package)?);
    place.check_commands()?;
    let policy = serve(&place)?;

    place.dpkg(&["-i", &package.to_string_lossy()])?;
    if read(&place.at("etc/throwover/throwover.yaml"))? != policy.as_bytes() {
        return Err("an upgrade changed the operator's policy".to_owned());
    }
    println!("upgraded: the policy is still the operator's");

    place.dpkg(&["-r", "throwover"])?;
    if place.at("usr/bin/throwover").exists() || !place.at("etc/throwover/throwover.yaml").exists() {
        return Err("a removal takes the programs and leaves the policy".to_owned());
    }
    place.dpkg(&["-P", "throwover"])?;
    let allowed = |path: &String| LEFT.iter().any(|left| path == left || path.starts_with(&format!("{left}/")));
    let left: Vec<String> = place.listing()?.difference(&before).filter(|path| !allowed(path)).cloned().collect();
    match left.is_empty() {
        true => println!("purged: nothing is left but the user"),
        false => return Err(format!("left after a purge: {}", left.join(", "))),
    }
    lint(&package)
}

/// Asks lintian, where there is one.
fn lint(package: &Path) -> Result<(), String> {
    let Ok(output) = Command::new("lintian").args(["--fail-on", "error", "--allow-root"]).arg(package).output() else {
        println!("lintian is not installed: not asked");
        return Ok(());
    };
    print!("{}", String::from_utf8_lossy(&output.stdout));
    match output.status.success() {
        true => Ok(()),
        false => Err("lintian found errors".to_owned()),
    }
}

/// A root that a package is installed into.
struct Place(PathBuf);

impl Place {
    fn new(folder: PathBuf) -> Result<Place, String> {
        fresh(&folder)?;
        for part in ["etc", "run", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"] {
            make_folder(&folder.join(part))?;
        }
        write(&folder.join("etc/passwd"), b"root:x:0:0:root:/root:/bin/sh\n")?;
        write(&folder.join("etc/group"), b"root:x:0:\n")?;
        let mut status = String::new();
        for package in NEEDS {
            let format = "-f=Package: ${Package}\nStatus: install ok installed\nArchitecture: ${Architecture}\nMulti-Arch: ${Multi-Arch}\n\
                Version: ${Version}\nMaintainer: ${Maintainer}\nDescription: as on this machine\n\n";
            let found = String::from_utf8_lossy(&said(Command::new("dpkg-query").args(["-W", format, package]))?).into_owned();
            status.push_str(&found.lines().filter(|line| *line != "Multi-Arch: ").map(|line| format!("{line}\n")).collect::<String>());
            // Multi-arch packages have their architecture in the name of the list.
            let architecture = line(&said(Command::new("dpkg").arg("--print-architecture"))?);
            for name in [(*package).to_owned(), format!("{package}:{architecture}")] {
                write(&folder.join(format!("var/lib/dpkg/info/{name}.list")), b"/.\n")?;
            }
        }
        write(&folder.join("var/lib/dpkg/status"), status.as_bytes())?;
        Ok(Place(folder))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn dpkg(&self, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", self.0.display())).arg(format!("--log={}", self.at("var/log/dpkg.log").display()));
        // Whoever is not root has everything belong to himself in there.
        command.args(["--force-script-chrootless", "--force-not-root"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        let path = std::env::var("PATH").unwrap_or_default();
        print!("{}", String::from_utf8_lossy(&said(command.env("PATH", format!("{path}:/usr/sbin:/sbin")))?));
        Ok(())
    }

    fn listing(&self) -> Result<BTreeSet<String>, String> {
        let inner = |path: PathBuf| path.strip_prefix(&self.0).map(|path| path.display().to_string()).map_err(|error| error.to_string());
        everything(&self.0)?.into_iter().map(inner).collect()
    }

    /// Every file of the package is there, root's, and with the mode that its kind has.
    fn check_files(&self, package: &Path) -> Result<String, String> {
        let listed = String::from_utf8_lossy(&said(Command::new("dpkg-deb").arg("-c").arg(package))?).into_owned();
        let own = fs::metadata(&self.0).map_err(|error| told(&self.0, &error))?.uid();
        let mut count = 0;
        for entry in listed.lines() {
            let words: Vec<&str> = entry.split_whitespace().collect();
            let [mode, owner, .., path] = words[..] else { return Err(format!("dpkg-deb lists {entry}")) };
            let at = self.at(path.trim_start_matches("./"));
            let found = fs::metadata(&at).map_err(|error| told(&at, &error))?;
            let wanted = if found.is_dir() || path.starts_with("./usr/bin/") { ("rwxr-xr-x", 0o755) } else { ("rw-r--r--", 0o644) };
            if !mode.ends_with(wanted.0) || owner != "root/root" || found.permissions().mode() & 0o7777 != wanted.1 || found.uid() != own {
                return Err(format!(
                    "{path}: {mode} {owner} in the package, {:o} of user {} installed",
                    found.permissions().mode(),
                    found.uid()
                ));
            }
            count += 1;
        }
        let user = String::from_utf8(read(&self.at("etc/passwd"))?).map_err(|error| error.to_string())?;
        match user.lines().find(|line| line.starts_with("throwover:")) {
            Some(line) if line.ends_with(":/var/lib/throwover:/usr/sbin/nologin") => Ok(format!("{count} files and folders, user {line}")),
            other => Err(format!("the user throwover is {other:?}")),
        }
    }

    /// What an operator does first.
    fn check_commands(&self) -> Result<(), String> {
        let policy = self.at("etc/throwover/throwover.yaml");
        let checked = said(Command::new(self.at("usr/bin/throwover")).args(["check", "--strict"]).arg(&policy))?;
        let version = said(Command::new(self.at("usr/bin/throwover-dataplane")).arg("--version"))?;
        let page = said(Command::new("gzip").arg("-dc").arg(self.at("usr/share/man/man1/throwover-check.1.gz")))?;
        if !page.starts_with(b".ie") && !page.windows(3).any(|bytes| bytes == b".TH") {
            return Err("throwover-check.1 is no manual page".to_owned());
        }
        println!("{}, {}", line(&version), line(&checked));
        Ok(())
    }

    /// The program and its arguments that a unit starts, in here.
    fn started_by(&self, unit: &str) -> Result<Vec<String>, String> {
        let text = String::from_utf8(read(&self.at("usr/lib/systemd/system").join(unit))?).map_err(|error| error.to_string())?;
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).ok_or(format!("{unit} starts nothing"))?;
        let inside = |word: &str| if word.starts_with('/') { self.at(word).display().to_string() } else { word.to_owned() };
        Ok(line.split(' ').map(inside).collect())
    }

    /// Folders that systemd makes for a unit.
    fn make_places(&self) -> Result<(), String> {
        for folder in ["run/throwover", "var/lib/throwover", "var/log/throwover"] {
            let at = self.at(folder);
            make_folder(&at)?;
            fs::set_permissions(&at, fs::Permissions::from_mode(0o700)).map_err(|error| told(&at, &error))?;
        }
        Ok(())
    }

    fn start(&self, unit: &str) -> Result<Running, String> {
        let words = self.started_by(unit)?;
        let log = self.at("var/log/throwover").join(unit);
        let file = fs::File::create(&log).map_err(|error| told(&log, &error))?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        // What systemd would have made of the operator's file.
        command.env("CREDENTIALS_DIRECTORY", self.at("run/credentials"));
        let child = command.spawn().map_err(|error| format!("{unit}: {error}"))?;
        Ok(Running { child, log })
    }
}

/// A process of the gateway, which ends with this.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Both processes as the units start them, with a policy of the operator's: a mock provider is asked,
/// with a key that came as a credential. Returns the policy.
fn serve(place: &Place) -> Result<String, String> {
    const KEY: &str = "sk-of-the-trial";
    let zoo = mock::Zoo::start(mock::Config { providers: vec![mock::ProviderConfig::named("local")], ..mock::Config::default() });
    let zoo = zoo.map_err(|error| error.to_string())?;
    let provider = zoo.addresses().provider("local").ok_or("the mock has no address")?.address;
    let policy = format!(
        "gateway: {{listen: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", shards: 1}}\n\
         providers: {{local: {{endpoint: \"http://{provider}/v1\", keys: [\"${{credential:key_local}}\"]}}}}\n\
         fallback: {{chains: [{{name: chat, models: [{{provider: local, model: m}}]}}]}}\n"
    );
    write(&place.at("etc/throwover/throwover.yaml"), policy.as_bytes())?;
    place.make_places()?;
    make_folder(&place.at("run/credentials"))?;
    let credential = place.at("run/credentials/key_local");
    write(&credential, format!("{KEY}\n").as_bytes())?;
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o400)).map_err(|error| told(&credential, &error))?;

    let daemon = place.start("throwover.service")?;
    let mut plane = place.start("throwover-dataplane.service")?;
    let run = place.at("run/throwover");
    let status = until("the gateway serves", || {
        let said = said(Command::new(place.at("usr/bin/throwover")).args(["status", "--format", "json", "--run"]).arg(&run)).ok()?;
        let status: Value = serde_json::from_slice(&said).ok()?;
        let plane = &status["planes"][0];
        (plane["stats"]["ready"] == true && plane["hello"]["listen"][0].is_string()).then(|| plane.clone())
    });
    let status = status.map_err(|why| format!("{why}\n{}{}", daemon.said(), plane.said()))?;
    let of = |value: &Value| value.as_str().map(str::to_owned).ok_or(format!("no address in {status}"));
    let (listen, admin) = (of(&status["hello"]["listen"][0])?, of(&status["hello"]["admin"])?);
    let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    let ask = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(&listen, &ask)?;
    if !answer.starts_with("HTTP/1.1 200 ") || !answer.contains("local says: ") {
        return Err(format!("the gateway answers {answer}\n{}{}", daemon.said(), plane.said()));
    }
    let ready = exchange(&admin, "GET /readyz HTTP/1.1\r\nhost: g\r\n\r\n")?;
    if !ready.starts_with("HTTP/1.1 200 ") {
        return Err(format!("the admin listener answers {ready}"));
    }
    said(Command::new("kill").arg(plane.child.id().to_string()))?;
    let ended = until("the data plane ends", || plane.child.try_wait().ok().flatten())?;
    if !ended.success() {
        return Err(format!("the data plane ended with {ended}\n{}", plane.said()));
    }
    // What systemd would have taken away.
    fs::remove_dir_all(place.at("run/credentials")).map_err(|error| told(&credential, &error))?;
    println!(
        "served: {} on {listen}, as the units start it; {}",
        line(answer.lines().next().unwrap_or_default().as_bytes()),
        line(plane.said().as_bytes())
    );
    Ok(policy)
}

fn exchange(address: &str, request: &str) -> Result<String, String> {
    let told = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = TcpStream::connect(address).map_err(told)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    stream.write_all(request.as_bytes()).map_err(told)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(told)?;
    Ok(answer)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let by = Instant::now() + PATIENCE;
    while Instant::now() < by {
        if let Some(found) = look() {
            return Ok(found);
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("never happened: {what}"))
}
