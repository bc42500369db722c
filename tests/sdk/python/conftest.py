"""Starts one gateway for all tests, and keeps what became of the cells of the matrix."""

import json
import os

import pytest

from cells import CLIENTS, FEATURES, FORMS
from stack import PROVIDERS, Stack

# Where the cells are written, for `cargo xtask matrix`.
MATRIX = "THROWOVER_MATRIX"
# What became of the parts of each cell: client, provider, form, feature.
CELLS = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "cell(feature): a part of a cell of the matrix")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    mark = item.get_closest_marker("cell")
    if mark is not None and (call.when == "call" or report.failed):
        given = item.callspec.params
        # A part without a form is about streams.
        key = (given["client"].name, given["provider"], given.get("form", "stream"), mark.args[0])
        reasons = [reason for name, reason in item.user_properties if name == "unsupported"]
        CELLS.setdefault(key, []).append((report.passed, reasons))
    return report


def pytest_sessionfinish(session):
    where = os.environ.get(MATRIX)
    if where is None:
        return
    cells = []
    for client in CLIENTS:
        for provider in PROVIDERS:
            for feature in FEATURES:
                for form in FORMS:
                    parts = CELLS.get((client.name, provider, form, feature), [])
                    reasons = sorted({reason for _, found in parts for reason in found})
                    works = bool(parts) and all(passed for passed, _ in parts)
                    verdict = "works" if works and not reasons else "unsupported" if works else "fails" if parts else "missing"
                    names = {"client": client.name, "provider": PROVIDERS[provider].name, "form": form, "feature": feature}
                    cells.append(names | {"verdict": verdict, "reasons": reasons})
    with open(where, "w") as file:
        json.dump({"cells": cells}, file, indent=1)


@pytest.fixture(scope="session")
def clients(running):
    """A client of each kind, which never retries by itself, so that what it sees is what the gateway did."""
    # Each loads the certificates of the whole world when it begins, which takes longer than a test.
    clients = {kind: kind(running) for kind in CLIENTS}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.name.replace(" ", "-"))
def client(request, stack, clients):
    """One of the clients."""
    return clients[request.param]


@pytest.fixture(params=PROVIDERS)
def provider(request):
    """The chain of one provider, which has its name."""
    return request.param


@pytest.fixture(params=FORMS)
def form(request):
    """How the answer comes."""
    return request.param


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
