"""The real gateway between the official clients and mock providers that fail on command.

The binaries are those of the target folder, the newest profile that has all three, or that of
THROWOVER_BIN. Every process ends with the session.

As a program it runs a command beside such a gateway: `python3 stack.py node --test`. The command
finds it by THROWOVER_URL, the mock's admin port by MOCK_URL, and its key by THROWOVER_KEY.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARIES = ("throwover", "throwover-dataplane", "throwover-mock")
PATIENCE_S = 30.0
KEY = "sk-tenant-0123456789abcdef"
WORDS = 12


@dataclasses.dataclass(frozen=True)
class Provider:
    """A mock provider that is reached in one dialect."""

    name: str
    """What the README calls its dialect."""
    dialect: str
    """What the mock speaks."""
    base: str
    """What follows the address in the policy's `endpoint`."""
    policy: str
    """The other members of the policy's provider."""
    model: str
    """The model that is asked of it, whose name decides what the mock insists on."""
    answers: dict
    """How the mock answers, beside the number of words."""


# Each is the only member of the chain of its name. All insist on their own key, in the field where their
# dialect has it. The first shows its thoughts as compatible providers do, since OpenAI's chat only counts them.
PROVIDERS = {
    "chat": Provider("OpenAI chat", "openai", "/v1", "speaks: [chat]", "gpt-5.5", {"reasoning_content": True}),
    "responses": Provider("OpenAI Responses", "openai", "/v1", "speaks: [responses]", "gpt-5.5", {}),
    "messages": Provider("Anthropic", "anthropic", "", "dialect: anthropic, auth: {header: x-api-key}", "claude-sonnet-5-5", {}),
    "generate": Provider("Gemini", "gemini", "/v1beta", "dialect: gemini, auth: {header: x-goog-api-key}", "gemini-3.8-flash", {}),
}

# The same providers under other names, each with a chain: what rests after a refusal is nobody else's.
SPENT = 8


def spent(name: str, number: int) -> str:
    """The chain of such a provider."""
    return f"{name}-{number}"


# Chains of two dialects: the first fails when it is told to, the second answers.
SPARES = {name: f"{name}-spare" for name in PROVIDERS}


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
        sys.exit(f"no binaries in {target}: run `cargo build --workspace` first")
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


def chain(name: str, providers: dict) -> str:
    """A chain of the policy: its providers, and which of the mock's they are."""
    models = ", ".join(f"{{provider: {provider}, model: {PROVIDERS[of].model}}}" for provider, of in providers.items())
    return f"    - {{name: {name}, models: [{models}], ttft: 2s, idle: 2s, deadline: 20s}}\n"


def spare_of(name: str) -> str:
    """Who stands behind a provider in the chain of two: one of another dialect."""
    names = list(PROVIDERS)
    return names[(names.index(name) + 2) % len(names)]


class Stack:
    """The providers, the daemon and the data plane."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="throwover-sdk-"))
        self.processes = []
        ports = self.folder / "ports.json"
        config = {
            "admin": "127.0.0.1:0",
            "ports_file": str(ports),
            "tls_dir": str(self.folder / "tls"),
            "keep_bodies": True,
            "providers": [{"name": name, "answers": {"words": WORDS}} for name in ("primary", "backup")] + [
                {"name": name, "dialect": one.dialect, "answers": {"words": WORDS, "keys": [f"sk-{name}"], **one.answers}}
                for name, one in PROVIDERS.items()
            ],
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
        self.url = f"http://{hello['listen'][0]}"
        self.base_url = f"{self.url}/v1"
        self.admin = hello["admin"]
        until("the data plane is ready", self.ready)

    def policy(self):
        """Writes a policy whose first provider is reached by TLS."""
        secure = self.ports["providers"]["primary"]["tls"].rsplit(":", 1)[1]
        plain = self.ports["providers"]["backup"]["address"]
        log = self.folder / "access.log"
        names = {name: name for name in PROVIDERS} | {spent(name, number): name for name in PROVIDERS for number in range(SPENT)}
        text = f"""
gateway: {{listen: "127.0.0.1:0", admin: "127.0.0.1:0", shards: 1, access_log: "{log}"}}
defaults: {{breaker: {{consecutive: 100000, min_requests: 100000}}, retry: {{base: 1ms, cap: 2ms}}}}
providers:
  primary: {{endpoint: "https://localhost:{secure}/v1", ca: "{self.folder}/tls/ca.pem", auth: none}}
  backup: {{endpoint: "http://{plain}/v1", auth: none}}
{"".join(self.provider(name, of) for name, of in names.items())}
fallback:
  chains:
    - name: chain
      models: [{{provider: primary, model: m}}, {{provider: backup, model: m}}]
      ttft: 2s
      idle: 2s
      deadline: 20s
{"".join(chain(name, {name: of}) for name, of in names.items())}
{"".join(chain(SPARES[name], {name: name, spare_of(name): spare_of(name)}) for name in PROVIDERS)}
tenants: [{{name: sdk, keys: [{{key: "{KEY}"}}]}}]
"""
        (self.folder / "throwover.yaml").write_text(text)

    def provider(self, name, of):
        """A provider of the policy, which is one of the mock's."""
        one, address = PROVIDERS[of], self.ports["providers"][of]["address"]
        more = f", {one.policy}" if one.policy else ""
        return f'  {name}: {{endpoint: "http://{address}{one.base}", keys: [sk-{of}]{more}}}\n'

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


def main(command: list) -> int:
    """Runs a command beside a gateway."""
    stack = Stack()
    try:
        more = {"THROWOVER_URL": stack.url, "THROWOVER_KEY": KEY, "MOCK_URL": f"http://{stack.ports['admin']}"}
        status = subprocess.run(command, env={**os.environ, **more}).returncode
        if status != 0:
            print(stack.said(), file=sys.stderr)
        return status
    finally:
        stack.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
