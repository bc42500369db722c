"""Four clients, each in its own dialect, against four providers, each in its own: sixteen ways, and the
clients cannot tell."""

from cells import cell, names_results
from said import PNG, REPORT, SPOKEN_TOKENS, THOUGHT_TOKENS, Wish, says_of, thinks
from stack import says

IMAGE = f"image image/png {len(PNG)} bytes"

# Where thoughts are made and paid for, and nobody is shown them.
SILENT = {("OpenAI chat", "responses"), ("OpenAI chat", "generate")}
SILENCE = "thoughts are counted and not shown: a chat request has no member that asks for them, and this provider shows none unasked"


def adds_up(usage, answered, thought):
    """The counts are the mock's, and the client's sums are right."""
    assert usage.asked > 0
    assert usage.answered == answered
    assert usage.thought in (None, thought)
    assert usage.total in (None, usage.asked + usage.answered)


@cell("text")
def test_text(client, provider, form):
    said = client.ask(provider, client.start("hi"), Wish(stream=form == "stream"))
    assert said.text == says(provider)
    assert (said.calls, said.thoughts) == ([], "")
    assert said.ending == client.endings["text"]
    assert (said.pieces > 5) == (form == "stream"), "a stream comes piece by piece"
    assert form == "stream" or len(said.request_id) == 16
    adds_up(said.usage, SPOKEN_TOKENS, 0)
    again = client.ask(provider, client.more(client.start("hi"), said, "and?"), Wish(stream=form == "stream"))
    assert again.text == says(provider)
    assert again.usage.asked > said.usage.asked


def asks_tools(client, provider, form, calls):
    """Two turns: the calls, and what is said of their results."""
    wish = Wish(stream=form == "stream", tools=True)
    history = client.start(f"mock:calls={calls}" if calls > 1 else "mock:call")
    said = client.ask(provider, history, wish)
    # The mock numbers what it calls with.
    assert [(call.name, call.arguments) for call in said.calls] == [("weather", {"city": f"w{n}", "days": 0}) for n in range(calls)]
    assert len({call.id for call in said.calls}) == calls
    assert (said.text, said.ending) == ("", client.endings["tool"])
    results = [f"{20 + n} C" for n in range(calls)]
    final = client.ask(provider, client.back(history, said, results), wish)
    return final, results


@cell("tools")
def test_tools(client, provider, form):
    final, results = asks_tools(client, provider, form, 1)
    names_results(client, provider, final, results)


@cell("parallel tools")
def test_parallel_tools(client, provider, form):
    final, results = asks_tools(client, provider, form, 3)
    names_results(client, provider, final, results)


@cell("image")
def test_image(client, provider, form):
    said = client.ask(provider, client.start("look", image=True), Wish(stream=form == "stream"))
    assert said.text == says_of(provider, IMAGE)


@cell("schema")
def test_schema(client, provider, form):
    said = client.ask(provider, client.start("report"), Wish(stream=form == "stream", report=True))
    assert said.parsed == REPORT
    assert said.ending == client.endings["text"]


@cell("reasoning")
def test_reasoning(client, provider, form, request):
    wish = Wish(stream=form == "stream", thinks=True)
    history = client.start("hi")
    said = client.ask(provider, history, wish)
    thoughts = thinks(provider)
    if (client.name, provider) in SILENT:
        request.node.user_properties.append(("unsupported", SILENCE))
        thoughts = ""
    assert (said.thoughts, said.text) == (thoughts, says(provider))
    adds_up(said.usage, SPOKEN_TOKENS + THOUGHT_TOKENS, THOUGHT_TOKENS)
    # Thoughts go back with their signature, which the provider checks, and so do those that led to a call.
    again = client.ask(provider, client.more(history, said, "and?"), wish)
    assert (again.thoughts, again.text) == (thoughts, says(provider))
    history = client.start("mock:call")
    wish = Wish(stream=wish.stream, thinks=True, tools=True)
    called = client.ask(provider, history, wish)
    assert (called.thoughts, len(called.calls)) == (thoughts, 1)
    final = client.ask(provider, client.back(history, called, ["20 C"]), wish)
    names_results(client, provider, final, ["20 C"])


@cell("text")
def test_length(client, provider, form):
    said = client.ask(provider, client.start("mock:words=40"), Wish(stream=form == "stream", tokens=20))
    assert said.ending == client.endings["length"]
    assert said.text == f"{provider} says: " + " ".join(f"w{number}" for number in range(18))
    assert said.usage.answered == 20
