"""Anthropic's client."""

import base64

import anthropic

from said import PNG, SYSTEM, Call, Failed, Report, Said, Usage, Weather
from stack import KEY

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}}
WEATHER = {"name": "weather", "description": "The weather.", "input_schema": Weather.model_json_schema()}


class Messages:
    """Messages."""

    name = "Anthropic"
    endings = {"text": "end_turn", "tool": "tool_use", "length": "max_tokens"}
    errors = {
        "bad_request": anthropic.BadRequestError,
        "key": anthropic.AuthenticationError,
        "model": anthropic.NotFoundError,
        "limited": anthropic.RateLimitError,
        "overloaded": anthropic.InternalServerError,
        "cut": anthropic.APIStatusError,
    }

    def __init__(self, stack, key=KEY, retries=0, headers=None):
        self.client = anthropic.Anthropic(base_url=stack.url, api_key=key, max_retries=retries, timeout=30, default_headers=headers)

    def close(self):
        """Lets go of the connections."""
        self.client.close()

    def failed(self, error) -> Failed:
        """An exception of the client."""
        return Failed(type(error), error.status_code, error.message, error.request_id, error.response.headers.get("retry-after"))

    def start(self, text, image=False):
        """The conversation before its first answer."""
        return [{"role": "user", "content": [{"type": "text", "text": text}, IMAGE] if image else text}]

    def back(self, history, said, results):
        """The conversation with an answer and the results of its calls."""
        answers = [{"type": "tool_result", "tool_use_id": call.id, "content": result} for call, result in zip(said.calls, results)]
        return [*history, *said.turn, {"role": "user", "content": answers}]

    def more(self, history, said, text):
        """The conversation with an answer and another question."""
        return [*history, *said.turn, {"role": "user", "content": text}]

    def ask(self, model, history, wish):
        """Asks, and reads what the client makes of the answer."""
        asked = {"model": model, "messages": history, "system": SYSTEM, "max_tokens": wish.tokens}
        if wish.tools:
            asked["tools"] = [WEATHER]
        if wish.thinks:
            asked["thinking"] = {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}
        if wish.report:
            asked["output_format"] = Report
        if wish.stream:
            return self.streamed(asked)
        ask = self.client.messages.parse if wish.report else self.client.messages.create
        return self.read(ask(**asked), 1)

    def streamed(self, asked):
        """The same, as a stream."""
        texts, thoughts = [], []
        with self.client.messages.stream(**asked) as stream:
            for event in stream:
                if event.type == "text":
                    texts.append(event.text)
                if event.type == "thinking":
                    thoughts.append(event.thinking)
            said = self.read(stream.get_final_message(), len(texts))
        assert ("".join(texts), "".join(thoughts)) == (said.text, said.thoughts)
        return said

    def read(self, answer, pieces):
        """A whole answer."""
        of = lambda kind: [block for block in answer.content if block.type == kind]
        return Said(
            text="".join(block.text for block in of("text")),
            thoughts="".join(block.thinking for block in of("thinking")),
            calls=[Call(block.id, block.name, block.input) for block in of("tool_use")],
            ending=answer.stop_reason,
            usage=Usage(answer.usage.input_tokens, answer.usage.output_tokens),
            parsed=getattr(answer, "parsed_output", None),
            request_id=getattr(answer, "_request_id", None),
            pieces=pieces,
            turn=[{"role": "assistant", "content": [block_of(block) for block in answer.content]}],
        )


def block_of(block):
    """A block as it is sent back, without what the client added by itself."""
    return block.model_dump(exclude_none=True, exclude={"parsed_output"})
