"""A provider fails and one of another dialect answers: the client notices nothing."""

import pytest

from cells import names_results
from said import Wish, thinks
from stack import SPARES, says, spare_of

BEFORE = ["500", "529", "cut-before-head", "html;status=200", "error-in-200", "refuse;existing=reset"]
IN_JSON = ["truncated-json", "cut", "length-long"]
IN_STREAM = ["error-before-content"]
# A stream of Gemini's has content from its first event on.
BARE = ["cut;events=1", "no-terminal;events=1"]


@pytest.mark.parametrize("form,fault", [("json", fault) for fault in BEFORE + IN_JSON] + [("stream", fault) for fault in BEFORE + IN_STREAM])
def test_an_outage_is_invisible(stack, client, provider, form, fault):
    stack.fault(provider, fault)
    said = client.ask(SPARES[provider], client.start("hi"), Wish(stream=form == "stream"))
    assert said.text == says(spare_of(provider))
    assert said.ending == client.endings["text"]


@pytest.mark.parametrize("fault", BARE)
@pytest.mark.parametrize("provider", ["chat", "responses", "messages"])
def test_a_stream_that_breaks_early_is_invisible(stack, client, provider, fault):
    stack.fault(provider, fault)
    said = client.ask(SPARES[provider], client.start("hi"), Wish(stream=True))
    assert said.text == says(spare_of(provider))


def test_an_answer_of_nothing_is_invisible(stack, client, provider, form):
    stack.fault(provider, "empty-choices")
    said = client.ask(SPARES[provider], client.start("hi"), Wish(stream=form == "stream"))
    assert said.text == says(spare_of(provider))


def test_a_conversation_goes_on_elsewhere(stack, client, provider, form):
    """What one provider thought, signed and called is told to another."""
    wish, spare = Wish(stream=form == "stream", thinks=True, tools=True), spare_of(provider)
    history = client.start("mock:calls=2")
    called = client.ask(SPARES[provider], history, wish)
    assert len(called.calls) == 2
    stack.fault(provider, "500")
    history = client.back(history, called, ["20 C", "21 C"])
    said = client.ask(SPARES[provider], history, wish)
    names_results(client, spare, said, ["20 C", "21 C"])
    assert said.thoughts in ("", thinks(spare))
    # And back again.
    stack.fault(provider)
    stack.fault(spare, "500")
    said = client.ask(SPARES[provider], client.more(history, said, "and?"), wish)
    assert said.text == says(provider)
