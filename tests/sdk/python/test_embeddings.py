"""Embeddings between OpenAI's dialect and Gemini's, and counts of tokens between Anthropic's and Gemini's, by the
official clients of each."""

import math

import pytest
from google.genai import types

from by_anthropic import WEATHER, Messages
from by_google import Generate
from by_openai import Chat
from said import SYSTEM

TEXTS = ["one", "two\n\u00e9 \"\U0001f600\"", "one"]
# Who answers a client of OpenAI's or Gemini's, and how many numbers its vectors have.
LENGTHS = {"chat": 1536, "generate": 3072}
# Who counts.
COUNTERS = ["messages", "generate"]
# Who cannot.
SPEECHLESS = ["chat", "responses"]


def long(vector):
    """How long a vector is in space."""
    return math.sqrt(sum(number * number for number in vector))


def by_openai(clients, model, texts, **more):
    """What OpenAI's client makes of it."""
    return clients[Chat].client.embeddings.create(model=model, input=texts, **more)


def by_google(clients, model, texts, **more):
    """What Google's client makes of it."""
    answer = clients[Generate].client.models.embed_content(model=model, contents=texts, config=types.EmbedContentConfig(**more))
    return [embedding.values for embedding in answer.embeddings]


@pytest.mark.parametrize("form", ["default", "float", "base64"])
@pytest.mark.parametrize("provider", LENGTHS)
def test_openai_embeds(stack, clients, provider, form):
    # Left to itself the client asks for base64, and reads it.
    more = {} if form == "default" else {"encoding_format": form}
    answer = by_openai(clients, provider, TEXTS, **more)
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.object == "list" and answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    if form == "base64":
        assert all(len(one.embedding) % 4 == 0 and isinstance(one.embedding, str) for one in answer.data)
        return
    vectors = [one.embedding for one in answer.data]
    assert {len(vector) for vector in vectors} == {LENGTHS[provider]}
    assert vectors[0] == vectors[2] != vectors[1]
    assert all(abs(long(vector) - 1) < 1e-4 for vector in vectors)


@pytest.mark.parametrize("provider", LENGTHS)
def test_openai_embeds_shorter(stack, clients, provider):
    answer = by_openai(clients, provider, "one", dimensions=256)
    assert [len(one.embedding) for one in answer.data] == [256]
    assert abs(long(answer.data[0].embedding) - 1) < 1e-4


@pytest.mark.parametrize("provider", LENGTHS)
def test_google_embeds(stack, clients, provider):
    vectors = by_google(clients, provider, TEXTS)
    assert [len(vector) for vector in vectors] == [LENGTHS[provider]] * 3
    assert vectors[0] == vectors[2] != vectors[1]
    assert [len(vector) for vector in by_google(clients, provider, "one", output_dimensionality=64)] == [64]


@pytest.mark.parametrize("provider", LENGTHS)
def test_both_clients_read_the_same(stack, clients, provider):
    openai = [one.embedding for one in by_openai(clients, provider, TEXTS[:2]).data]
    for one, other in zip(openai, by_google(clients, provider, TEXTS[:2])):
        assert one == pytest.approx(other, abs=1e-7)


def test_a_task_is_nobody_elses(stack, clients):
    with pytest.raises(Generate.errors["bad_request"]) as caught:
        by_google(clients, "chat", "one", task_type="RETRIEVAL_QUERY")
    assert "uses what only its own dialect has" in caught.value.message
    assert len(by_google(clients, "generate", "one", task_type="RETRIEVAL_QUERY")[0]) == LENGTHS["generate"]


def test_tokens_are_nobody_elses(stack, clients):
    with pytest.raises(Chat.errors["bad_request"]) as caught:
        by_openai(clients, "generate", [[1, 2], [3]])
    assert caught.value.code == "unsupported_by_targets" and "tokens instead of text" in caught.value.message
    assert len(by_openai(clients, "chat", [[1, 2], [3]]).data) == 2


def counts_by_anthropic(clients, model, text):
    """The count, and whether it is an estimate."""
    asked = {"model": model, "system": SYSTEM, "messages": [{"role": "user", "content": text}], "tools": [WEATHER]}
    raw = clients[Messages].client.messages.with_raw_response.count_tokens(**asked)
    return raw.parse().input_tokens, raw.headers.get("x-throwover-estimated") == "true"


def counts_by_google(clients, model, text):
    """The same of Google's client."""
    answer = clients[Generate].client.models.count_tokens(model=model, contents=text)
    return answer.total_tokens, answer.sdk_http_response.headers.get("x-throwover-estimated") == "true"


@pytest.mark.parametrize("count", [counts_by_anthropic, counts_by_google])
@pytest.mark.parametrize("provider", COUNTERS)
def test_who_counts_is_asked(stack, clients, provider, count):
    few, estimated = count(clients, provider, "one")
    more, _ = count(clients, provider, "one " * 200)
    assert 0 < few < more and not estimated
    assert len(stack.log()) == 2


@pytest.mark.parametrize("count", [counts_by_anthropic, counts_by_google])
@pytest.mark.parametrize("provider", SPEECHLESS)
def test_what_nobody_counts_is_estimated(stack, clients, provider, count):
    few, estimated = count(clients, provider, "one")
    more, _ = count(clients, provider, "one " * 200)
    assert 0 < few < more and estimated
    assert stack.log() == []
