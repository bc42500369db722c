"""The cells of the matrix: who asks whom, how, for what. `cargo xtask matrix` makes the README's table of what
became of them."""

import pytest

from by_anthropic import Messages
from by_google import Generate
from by_openai import Chat, Responses
from stack import says

CLIENTS = [Chat, Responses, Messages, Generate]
FORMS = ["json", "stream"]
FEATURES = ["text", "tools", "parallel tools", "image", "schema", "reasoning", "error"]


def cell(feature):
    """Marks a test as a part of the cells of a feature."""
    assert feature in FEATURES
    return pytest.mark.cell(feature)


def names_results(client, provider, said, results):
    """The provider has seen the results, in their order, and named them."""
    assert said.calls == []
    assert said.ending == client.endings["text"]
    places = [said.text.index(result) for result in results]
    assert places == sorted(places)
    assert said.text.startswith(f"{provider} says: [result ")
    assert said.text.endswith(says(provider).split(":")[1])
