"""Starts the real gateway between the official client and mock providers that fail on command.

The binaries are those of the target folder, the newest profile that has all three, or that of
THROWOVER_BIN. Every process ends with the session.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARIES = ("throwover", "throwover-dataplane", "throwover-mock")
PATIENCE_S = 30.0
KEY = "sk-tenant-0123456789abcdef"
WORDS = 12


def binaries() -> pathlib.Path:
    """The folder of the binaries."""
    if chosen := os.environ.get("THROWOVER_BIN"):
        return pathlib.Path(chosen)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if not target.is_absolute():
        target = ROOT / target
    folders = [target / profile for profile in ("release", "debug")]
    whole = [folder for folder in folders if all((folder / name).is_file() for name in BINARIES)]
    if not whole:
        pytest.exit(f"no binaries in {target}: run `cargo build --workspace` first", returncode=2)
    return max(whole, key=lambda folder: (folder / "throwover-dataplane").stat().st_mtime)


def until(what: str, look):
    """Looks again and again until there is something to see."""
    by = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < by, f"never happened: {what}"
        time.sleep(0.01)


def says(provider: str) -> str:
    """What a provider answers."""
    return f"{provider} says: " + " ".join(f"w{number}" for number in range(WORDS))


class Stack:
    """Two providers, the daemon and the data plane."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="throwover-sdk-"))
        self.processes = []
        ports = self.folder / "ports.json"
        config = {
            "admin": "127.0.0.1:0",
            "ports_file": str(ports),
            "tls_dir": str(self.folder / "tls"),
            "providers": [{"name": name, "answers": {"words": WORDS}} for name in ("primary", "backup")],
        }
        (self.folder / "mock.json").write_text(json.dumps(config))
        self.start("throwover-mock", "serve", "--config", str(self.folder / "mock.json"))
        until("the providers listen", ports.is_file)
        self.ports = json.loads(ports.read_text())
        self.policy()
        places = ["--run", str(self.folder / "run"), "--state", str(self.folder / "state")]
        self.start("throwover", "daemon", "--config", str(self.folder / "throwover.yaml"), *places)
        until("the daemon answers", lambda: self.status() is not None)
        self.start("throwover-dataplane", *places)
        hello = until("the data plane listens", self.hello)
        self.base_url = f"http://{hello['listen'][0]}/v1"
        self.admin = hello["admin"]
        until("the data plane is ready", self.ready)

    def policy(self):
        """Writes a policy whose first provider is reached by TLS."""
        secure = self.ports["providers"]["primary"]["tls"].rsplit(":", 1)[1]
        plain = self.ports["providers"]["backup"]["address"]
        log = self.folder / "access.log"
        text = f"""
gateway: {{listen: "127.0.0.1:0", admin: "127.0.0.1:0", shards: 1, access_log: "{log}"}}
defaults: {{breaker: {{consecutive: 100000, min_requests: 100000}}, retry: {{base: 1ms, cap: 2ms}}}}
providers:
  primary: {{endpoint: "https://localhost:{secure}/v1", ca: "{self.folder}/tls/ca.pem", auth: none}}
  backup: {{endpoint: "http://{plain}/v1", auth: none}}
fallback:
  chains:
    - name: chain
      models: [{{provider: primary, model: m}}, {{provider: backup, model: m}}]
      ttft: 2s
      idle: 2s
      deadline: 20s
tenants: [{{name: sdk, keys: [{{key: "{KEY}"}}]}}]
"""
        (self.folder / "throwover.yaml").write_text(text)

    def start(self, name, *arguments):
        """Starts one of the binaries on a leash, so that it ends when this process does."""
        log = open(self.folder / f"{name}.log", "ab")
        folder = binaries()
        command = [folder / "throwover", "__leash", str(os.getpid()), folder / name, *arguments]
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def status(self):
        """What the daemon tells of its data planes."""
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(str(self.folder / "run" / "operator.sock"))
                stream.sendall(b'{"verb":"status","arguments":{}}\n')
                return json.loads(stream.makefile().readline())["data"]
        except OSError:
            return None

    def hello(self):
        """Where the data plane listens, once it does."""
        for plane in (self.status() or {}).get("planes", []):
            hello = plane.get("hello") or {}
            if hello.get("shards") and hello.get("listen"):
                return hello
        return None

    def ready(self):
        """The data plane says that traffic may come."""
        try:
            return urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=PATIENCE_S).status == 200
        except OSError:
            return False

    def order(self, method, path, body=None):
        """Orders the mock."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.ports['admin']}{path}", data=data, method=method)
        return json.loads(urllib.request.urlopen(request, timeout=PATIENCE_S).read())

    def fault(self, provider, *faults):
        """Sets the faults of a provider."""
        self.order("PUT", f"/providers/{provider}/faults", list(faults))

    def log(self):
        """What the providers received."""
        return self.order("GET", "/log?limit=10000")["entries"]

    def said(self):
        """The last words of every process, for failures."""
        parts = []
        for path in sorted(self.folder.glob("throwover*.log")):
            parts.append(f"--- {path.stem} said:\n{path.read_text(errors='replace')[-4000:]}")
        return "\n".join(parts)

    def end(self):
        """Ends every process, the data plane first."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def running():
    """One gateway for all tests."""
    stack = Stack()
    try:
        yield stack
    finally:
        stack.end()


@pytest.fixture
def stack(running):
    """The gateway, its providers healed and their logs empty."""
    # A pause of a target outlives a test; nothing here imposes one longer than a second or two.
    running.order("POST", "/reset")
    yield running
    for process in running.processes:
        assert process.poll() is None, f"a process has ended: {process.args}\n{running.said()}"
