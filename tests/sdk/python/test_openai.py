"""The official client against the gateway: it cannot tell, and it does not notice an outage."""

import asyncio
import uuid

import openai
import pytest

from stack import KEY, says, until

FAILS = [
    "500",
    "502",
    "503",
    "529",
    "504",
    "cut-before-head",
    "reset-before-head",
    "garbage",
    "html;status=502",
    "html;status=200",
    "redirect",
    "length-twice",
    "length-and-chunked",
    "huge-head",
    "error-in-200",
    "empty-choices",
    "wrong-type",
]
JSON_FAILS = ["truncated-json", "cut", "reset", "length-long"]
STREAM_FAILS = ["cut;events=1", "reset;events=1", "error-before-content", "bad-chunk;events=1", "no-terminal;events=1"]
MESSAGES = [{"role": "user", "content": "hi"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}


@pytest.fixture
def client(stack):
    """A client that never retries by itself, so that what it sees is what the gateway did."""
    with openai.OpenAI(base_url=stack.base_url, api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


def text_of(stream):
    """The text of a chat stream."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_chat(client):
    answer = client.chat.completions.create(model="chain", messages=MESSAGES)
    assert answer.choices[0].message.content == says("primary")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0


def test_chat_streamed(client):
    with client.chat.completions.create(model="chain", messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert text_of(chunks) == says("primary")
    assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"


def test_chat_streamed_with_usage(client):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="chain", messages=MESSAGES, stream=True, stream_options=options))
    assert text_of(chunks) == says("primary")
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-1].choices == []


def test_stream_helper(client):
    with client.chat.completions.stream(model="chain", messages=MESSAGES) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == says("primary")


def test_async_client(stack):
    async def run():
        async with openai.AsyncOpenAI(base_url=stack.base_url, api_key=KEY, max_retries=0, timeout=30) as client:
            async def streamed():
                stream = await client.chat.completions.create(model="chain", messages=MESSAGES, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

            whole = [client.chat.completions.create(model="chain", messages=MESSAGES) for _ in range(10)]
            answers = await asyncio.gather(*whole, *[streamed() for _ in range(10)])
            return [answer if isinstance(answer, str) else answer.choices[0].message.content for answer in answers]

    assert asyncio.run(run()) == [says("primary")] * 20


def test_tools_streamed(client):
    arguments = {"model": "chain", "messages": MESSAGES, "tools": [TOOL], "tool_choice": "required"}
    call = client.chat.completions.create(**arguments).choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    name, text = "", ""
    for chunk in client.chat.completions.create(**arguments, stream=True):
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            name += delta.function.name or ""
            text += delta.function.arguments or ""
    assert (name, text) == ("weather", call.function.arguments)


def test_completions(client):
    assert client.completions.create(model="chain", prompt="hi").choices[0].text == says("primary")
    stream = client.completions.create(model="chain", prompt="hi", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == says("primary")


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_embeddings(client, form):
    more = {} if form is None else {"encoding_format": form}
    answer = client.embeddings.create(model="chain", input=["a", "b", "a"], **more)
    assert len(answer.data) == 3
    assert answer.data[0].embedding == answer.data[2].embedding != answer.data[1].embedding


def test_responses(client):
    answer = client.responses.create(model="chain", input="hi")
    assert (answer.status, answer.output_text) == ("completed", says("primary"))
    assert answer.usage.output_tokens > 0


def test_responses_streamed(client):
    events = list(client.responses.create(model="chain", input="hi", stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == says("primary")
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == says("primary")


def test_models(client, stack):
    assert "chain" in [model.id for model in client.models.list()]
    assert client.models.retrieve("chain").object == "model"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nothing")
    assert caught.value.code == "model_not_found"
    assert stack.log() == [], "models are the gateway's own answer"


def test_raw_response(client, stack):
    stack.fault("primary", "500")
    raw = client.chat.completions.with_raw_response.create(model="chain", messages=MESSAGES)
    assert raw.headers["x-throwover-provider"] == "backup"
    assert raw.headers["x-throwover-fallback-reason"] == "server_error"
    assert int(raw.headers["x-throwover-attempts"]) == 2
    answer = raw.parse()
    assert answer._request_id == raw.headers["x-request-id"]
    assert len(answer._request_id) == 16, "one request id, and it is the gateway's"


def test_wrong_key(stack):
    with openai.OpenAI(base_url=stack.base_url, api_key="sk-nobody", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="chain", messages=MESSAGES)
    assert caught.value.code == "invalid_api_key"
    assert stack.log() == []


def test_errors_that_are_ours(client, stack):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=MESSAGES)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert caught.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.post("/nothing", cast_to=object, body={})
    assert stack.log() == []


def test_the_callers_own_mistake_is_made_once(client, stack):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chain", messages=[])
    assert caught.value.param == "messages"
    assert len(stack.log()) == 1
    # Even a client that retries is told not to.
    with openai.OpenAI(base_url=stack.base_url, api_key=KEY, max_retries=3) as insisting:
        with pytest.raises(openai.BadRequestError):
            insisting.chat.completions.create(model="chain", messages=[])
    assert len(stack.log()) == 2


def test_everybody_is_broken(client, stack):
    stack.fault("primary", "500")
    stack.fault("backup", "500")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="chain", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (502, "provider_error")
    assert caught.value.response.headers["x-throwover-fault"] == "provider"


def test_everybody_is_limited(client, stack):
    stack.fault("primary", "429;retry_after_ms=700")
    stack.fault("backup", "429;retry_after_ms=700")
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="chain", messages=MESSAGES, timeout=30, extra_headers={"x-throwover-deadline-ms": "1500"})
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1
    # The pause is over by itself, and the client's own retries bring it there.
    stack.order("POST", "/reset")
    with openai.OpenAI(base_url=stack.base_url, api_key=KEY, max_retries=5) as patient:
        answer = patient.chat.completions.create(model="chain", messages=MESSAGES)
    assert answer.choices[0].message.content in (says("primary"), says("backup"))
    until("the pauses are over", lambda: client.chat.completions.create(model="chain", messages=MESSAGES).choices[0].message.content == says("primary"))


@pytest.mark.parametrize("fault", ["cut;events=4", "reset;events=4", "error-event;events=4", "stall;events=4", "no-terminal;events=4"])
def test_a_cut_stream_raises(client, stack, fault):
    # Paced: a reset overtakes what was not read yet, and then nobody has seen anything.
    stack.fault("primary", fault, "pace;gap_ms=30")
    text = ""
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model="chain", messages=MESSAGES, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert caught.value.code == "stream_cut"
    assert text and says("primary").startswith(text)
    assert [entry["provider"] for entry in stack.log()] == ["primary"]


def test_a_cut_response_raises(client, stack):
    stack.fault("primary", "cut;events=8")
    seen = []
    with pytest.raises(openai.APIError) as caught:
        for event in client.responses.create(model="chain", input="hi", stream=True):
            seen.append(event)
    assert caught.value.code == "stream_cut"
    assert all(event.type != "response.completed" for event in seen)


@pytest.mark.parametrize("fault", FAILS + JSON_FAILS)
def test_an_outage_is_invisible(client, stack, fault):
    stack.fault("primary", fault)
    answer = client.chat.completions.create(model="chain", messages=MESSAGES)
    assert answer.choices[0].message.content == says("backup")
    assert {entry["provider"] for entry in stack.log()} == {"primary", "backup"}


@pytest.mark.parametrize("fault", FAILS + STREAM_FAILS)
def test_an_outage_is_invisible_in_streams(client, stack, fault):
    stack.fault("primary", fault)
    stream = client.chat.completions.create(model="chain", messages=MESSAGES, stream=True)
    assert text_of(stream) == says("backup")


@pytest.mark.parametrize("kind", ["expired", "wrong-host", "unknown-issuer"])
def test_a_bad_certificate_is_invisible(client, stack, kind):
    stack.order("POST", "/providers/primary/certificate", {"kind": kind})
    stack.fault("primary", "refuse;existing=reset")
    stack.fault("primary")
    for _ in range(3):
        answer = client.chat.completions.create(model="chain", messages=MESSAGES)
        assert answer.choices[0].message.content == says("backup")
    assert all(entry["provider"] == "backup" for entry in stack.log())


def test_a_dead_provider_is_invisible(client, stack):
    stack.fault("primary", "refuse;existing=reset")
    for _ in range(3):
        assert client.chat.completions.create(model="chain", messages=MESSAGES).choices[0].message.content == says("backup")
        assert text_of(client.chat.completions.create(model="chain", messages=MESSAGES, stream=True)) == says("backup")


def test_leaving_a_stream_cancels_it(client, stack):
    stack.fault("primary", "pace;gap_ms=200")
    with client.chat.completions.create(model="chain", messages=MESSAGES, stream=True, user=str(uuid.uuid4())) as stream:
        next(iter(stream))
    until("the provider is hung up on", lambda: any(entry["hung_up"] for entry in stack.log()))
    assert len(stack.log()) == 1
