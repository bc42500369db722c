"""LangChain's chat models, across dialects."""

import langchain_anthropic
import langchain_openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

from cells import FORMS
from said import REPORT, SPOKEN_TOKENS, Report
from stack import KEY, says


@tool
def weather(city: str, days: int) -> str:
    """The weather."""
    return f"{20 + days} C in {city}"


def chat(stack, model):
    """Chat completions."""
    return langchain_openai.ChatOpenAI(model=model, base_url=stack.base_url, api_key=KEY, max_retries=0, timeout=30, stream_usage=True)


def responses(stack, model):
    """Responses."""
    return langchain_openai.ChatOpenAI(
        model=model, base_url=stack.base_url, api_key=KEY, max_retries=0, timeout=30, use_responses_api=True, store=False
    )


def messages(stack, model):
    """Messages."""
    return langchain_anthropic.ChatAnthropic(model=model, base_url=stack.url, api_key=KEY, max_retries=0, timeout=30, max_tokens=4096)


@pytest.fixture(params=[chat, responses, messages], ids=lambda kind: kind.__name__)
def model(request, stack, provider):
    """A chat model whose answers come from a provider."""
    return request.param(stack, provider)


def ask(model, messages, form):
    """The whole answer, however it comes."""
    if form == "json":
        return model.invoke(messages)
    whole = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return whole


@pytest.mark.parametrize("form", FORMS)
def test_text(model, provider, form):
    said = ask(model, "hi", form)
    assert said.text == says(provider)
    assert said.usage_metadata["output_tokens"] == SPOKEN_TOKENS
    assert said.usage_metadata["total_tokens"] == said.usage_metadata["input_tokens"] + SPOKEN_TOKENS


@pytest.mark.parametrize("form", FORMS)
def test_tools(model, provider, form):
    bound = model.bind_tools([weather])
    history = [HumanMessage("mock:calls=2")]
    said = ask(bound, history, form)
    assert [(call["name"], call["args"]) for call in said.tool_calls] == [("weather", {"city": f"w{n}", "days": 0}) for n in (0, 1)]
    answers = [weather.invoke(call) for call in said.tool_calls]
    assert all(isinstance(answer, ToolMessage) for answer in answers)
    final = ask(bound, [*history, said, *answers], form)
    assert final.tool_calls == []
    assert "20 C in w0" in final.text and "20 C in w1" in final.text


def test_structured(model):
    assert model.with_structured_output(Report, method="json_schema").invoke("report") == REPORT


def test_structured_by_a_tool(model):
    assert model.with_structured_output(Report, method="function_calling").invoke("report") == REPORT


