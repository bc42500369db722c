"""LiteLLM as a client, across dialects: one function that speaks three of them."""

import json

import pytest

from cells import FORMS
from said import SPOKEN_TOKENS, Weather
from stack import KEY, PROVIDERS, says

# It would ask GitHub for a list of prices.
pytest.MonkeyPatch().setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
import litellm  # noqa: E402

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


# Of models that it does not know it thinks that they can follow no schema.
CLAIMS = {"supports_response_schema": True, "mode": "chat", "max_tokens": 4096}
litellm.register_model(
    {f"{dialect}/{provider}": {"litellm_provider": dialect, **CLAIMS} for dialect in ("anthropic", "gemini") for provider in PROVIDERS}
)


@pytest.fixture(params=["openai", "anthropic", "gemini"])
def ask(request, stack, provider):
    """Asks in a dialect, and gives back the whole message with its usage."""
    bases = {
        "openai": stack.base_url,
        "anthropic": stack.url,
        # Of a base for Gemini it wants the model's path, too.
        "gemini": f"{stack.url}/v1beta/models/{provider}",
    }

    def ask(messages, form, **more):
        asked = {"model": f"{request.param}/{provider}", "api_base": bases[request.param], "api_key": KEY, "max_retries": 0, "timeout": 30}
        asked |= {"messages": messages, "max_tokens": 4096, **more}
        if form == "json":
            return litellm.completion(**asked)
        chunks = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
        whole = litellm.stream_chunk_builder(chunks, messages=messages)
        # The builder forgets why it ended.
        [whole.choices[0].finish_reason] = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
        return whole

    return ask


def user(text):
    """A question."""
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("form", FORMS)
def test_text(ask, provider, form):
    said = ask(user("hi"), form)
    assert said.choices[0].message.content == says(provider)
    assert said.choices[0].finish_reason == "stop"
    assert said.usage.completion_tokens == SPOKEN_TOKENS
    assert said.usage.total_tokens == said.usage.prompt_tokens + SPOKEN_TOKENS


@pytest.mark.parametrize("form", FORMS)
def test_tools(ask, provider, form):
    history = user("mock:calls=2")
    said = ask(history, form, tools=[TOOL])
    assert said.choices[0].finish_reason == "tool_calls"
    calls = said.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [("weather", {"city": f"w{n}"}) for n in (0, 1)]
    assert calls[0].id != calls[1].id
    answers = [{"role": "tool", "tool_call_id": call.id, "content": f"{n} C"} for n, call in enumerate(calls)]
    final = ask([*history, said.choices[0].message.model_dump(), *answers], form, tools=[TOOL]).choices[0].message.content
    assert final.startswith(f"{provider} says: [result ")
    assert "0 C" in final and "1 C" in final


@pytest.mark.parametrize("form", FORMS)
def test_structured(ask, form):
    # A flat one: on the way to Anthropic it spoils references within a schema.
    said = ask(user("weather"), form, response_format=Weather)
    assert Weather.model_validate_json(said.choices[0].message.content) == Weather(city="w0", days=0)


def test_an_error_is_its_own(ask, stack, provider):
    stack.fault(provider, "400")
    with pytest.raises(litellm.BadRequestError):
        ask(user("hi"), "json")
    assert len(stack.log()) == 1
