"""What goes wrong, as each client tells it: the exception that its documentation names, with status and
request id, whichever provider's error it was."""

import pytest

from cells import CLIENTS, FORMS, cell
from said import Wish
from stack import SPENT, spent

assert SPENT >= len(CLIENTS) * len(FORMS), "a chain for each"


def fails(client, model, form):
    """Asks for what fails, and reads the exception."""
    with pytest.raises(Exception) as caught:
        client.ask(model, client.start("hi"), Wish(stream=form == "stream"))
    assert type(caught.value).__module__.split(".")[0] in ("openai", "anthropic", "google"), repr(caught.value)
    return client.failed(caught.value)


def check(client, failed, name, status):
    """It is the exception of this name."""
    assert issubclass(failed.kind, client.errors[name]), failed
    assert failed.status == status
    assert len(failed.request_id) == 16, "one request id, and it is the gateway's"


@cell("error")
def test_the_callers_own_mistake(stack, client, provider, form):
    stack.fault(provider, "400")
    failed = fails(client, provider, form)
    check(client, failed, "bad_request", 400)
    assert "token" in failed.message, "the provider's own words"
    assert len(stack.log()) == 1


@cell("error")
def test_everybody_is_overloaded(stack, client, provider, form):
    stack.fault(provider, "529")
    check(client, fails(client, provider, form), "overloaded", 503)
    assert {entry["status"] for entry in stack.log()} == {529}


@cell("error")
def test_everybody_is_limited(stack, client, provider, form):
    model = spent(provider, CLIENTS.index(type(client)) * len(FORMS) + FORMS.index(form))
    stack.fault(provider, "429;retry_after=20")
    failed = fails(client, model, form)
    check(client, failed, "limited", 429)
    assert failed.retry_after == "20"
    # Until then nobody asks, and who asks is told how long.
    failed = fails(client, model, form)
    check(client, failed, "limited", 429)
    assert 0 < int(failed.retry_after) <= 20
    assert len(stack.log()) == 1


@cell("error")
def test_what_passes_is_tried_again(stack, client, provider, form):
    stack.fault(provider, "503;count=2")
    said = client.ask(provider, client.start("hi"), Wish(stream=form == "stream"))
    assert said.text.startswith(f"{provider} says: w0")
    assert [entry["status"] for entry in stack.log()] == [503, 503, 200]


@cell("error")
@pytest.mark.parametrize("fault", ["error-event;events=9", "cut;events=9", "no-terminal;events=9"])
def test_a_cut_stream_raises(stack, client, provider, fault):
    # Paced: what was not read yet when a connection broke, nobody has seen.
    stack.fault(provider, fault, "pace;gap_ms=5")
    with pytest.raises(client.errors["cut"]):
        client.ask(provider, client.start("hi"), Wish(stream=True))
    assert len(stack.log()) == 1


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.name)
def test_errors_that_are_the_gateways(stack, kind):
    stranger = kind(stack, key="sk-nobody")
    for form in FORMS:
        check(stranger, fails(stranger, "chat", form), "key", 401)
    stranger.close()
    client = kind(stack)
    for form in FORMS:
        check(client, fails(client, "nobody", form), "model", 404)
    client.close()
    assert stack.log() == []


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.name)
def test_retries_of_the_client(stack, kind):
    counts = []
    for retries in (0, 1):
        client = kind(stack, retries=retries)
        stack.order("POST", "/reset")
        stack.fault("messages", "503")
        check(client, fails(client, "messages", "json"), "overloaded", 503)
        counts.append(len(stack.log()))
        # What cannot get better is asked once by everybody.
        stack.order("POST", "/reset")
        stack.fault("messages", "400")
        check(client, fails(client, "messages", "json"), "bad_request", 400)
        assert len(stack.log()) == 1
        client.close()
    assert counts[1] == 2 * counts[0]
