"""Instructor, which makes objects of answers, across dialects."""

import anthropic
import instructor
import openai
import pytest
from google import genai

from said import REPORT, Report
from stack import KEY

ASKED = {"response_model": Report, "messages": [{"role": "user", "content": "report"}], "max_retries": 0}


def by_openai(stack, mode):
    """Through OpenAI's client."""
    return instructor.from_openai(openai.OpenAI(base_url=stack.base_url, api_key=KEY, max_retries=0), mode=mode)


def by_anthropic(stack, mode):
    """Through Anthropic's client."""
    return instructor.from_anthropic(anthropic.Anthropic(base_url=stack.url, api_key=KEY, max_retries=0), mode=mode)


def by_google(stack, mode):
    """Through Google's client."""
    return instructor.from_genai(genai.Client(api_key=KEY, http_options={"base_url": stack.url}), mode=mode)


WAYS = [
    (by_openai, instructor.Mode.TOOLS, {}),
    (by_openai, instructor.Mode.JSON_SCHEMA, {}),
    (by_anthropic, instructor.Mode.TOOLS, {"max_tokens": 4096}),
    (by_google, instructor.Mode.TOOLS, {}),
]


@pytest.mark.parametrize("start,mode,more", WAYS, ids=[f"{start.__name__}-{mode.name}" for start, mode, _ in WAYS])
def test_an_object(stack, provider, start, mode, more):
    client = start(stack, mode)
    made = client.create(model=provider, **ASKED, **more)
    # What it makes is of a class of its own.
    assert isinstance(made, Report) and made.model_dump() == REPORT.model_dump()


@pytest.mark.parametrize("start,mode,more", WAYS[:3], ids=[f"{start.__name__}-{mode.name}" for start, mode, _ in WAYS[:3]])
def test_an_object_that_grows(stack, provider, start, mode, more):
    client = start(stack, mode)
    grown = list(client.create_partial(model=provider, **ASKED, **more))
    assert grown[-1].model_dump() == REPORT.model_dump()
