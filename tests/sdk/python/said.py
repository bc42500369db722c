"""What was asked and what was said, whichever client asked and whichever provider answered."""

import base64
import dataclasses
import typing

from pydantic import BaseModel

from stack import WORDS, says

# One pixel.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SYSTEM = "Be brief."
TOKENS = 4096
THOUGHTS = 4
# The mock counts a token for each word, and two for who speaks.
SPOKEN_TOKENS = WORDS + 2
THOUGHT_TOKENS = THOUGHTS + 2


class Weather(BaseModel):
    """What a tool is called with."""

    city: str
    days: int


class Place(BaseModel):
    """Something within something."""

    name: str
    warm: bool


class Report(BaseModel):
    """What an answer is to be."""

    title: str
    count: int
    kind: typing.Literal["short", "long"]
    places: list[Place]


# What the mock makes of the schema.
REPORT = Report(title="w0", count=0, kind="short", places=[Place(name="w0", warm=True)])


def thinks(provider: str) -> str:
    """What a provider thinks."""
    return f"{provider} thinks: " + " ".join(f"t{number}" for number in range(THOUGHTS))


def says_of(provider: str, *seen: str) -> str:
    """What a provider says once it has seen something."""
    return says(provider).replace(" says:", " says: " + " ".join(f"[{what}]" for what in seen))


@dataclasses.dataclass(frozen=True)
class Call:
    """A tool call."""

    id: str | None
    name: str
    arguments: dict


@dataclasses.dataclass(frozen=True)
class Usage:
    """Token counts, in the client's own arithmetic."""

    asked: int
    answered: int
    """Thoughts included."""
    thought: int | None = None
    """`None` where the dialect does not tell."""
    total: int | None = None


@dataclasses.dataclass
class Said:
    """An answer, read from the client's own objects."""

    text: str = ""
    thoughts: str = ""
    calls: list[Call] = dataclasses.field(default_factory=list)
    ending: str | None = None
    usage: Usage | None = None
    parsed: BaseModel | None = None
    request_id: str | None = None
    pieces: int = 1
    """In how many pieces the text came."""
    turn: list = dataclasses.field(default_factory=list)
    """What goes back in the next request, as the client's documentation tells."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is asked for beside text."""

    stream: bool = False
    tools: bool = False
    report: bool = False
    thinks: bool = False
    tokens: int = TOKENS


@dataclasses.dataclass(frozen=True)
class Failed:
    """An error, read from the client's exception."""

    kind: type
    status: int | None
    message: str
    request_id: str | None
    retry_after: str | None
