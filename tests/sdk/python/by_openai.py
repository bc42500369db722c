"""OpenAI's client, which speaks two dialects: chat completions and Responses."""

import base64
import json

import openai

from said import PNG, SYSTEM, Call, Failed, Report, Said, Usage, Weather
from stack import KEY

WEATHER = openai.pydantic_function_tool(Weather, name="weather")
DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


class OpenAi:
    """What both have in common."""

    errors = {
        "bad_request": openai.BadRequestError,
        "key": openai.AuthenticationError,
        "model": openai.NotFoundError,
        "limited": openai.RateLimitError,
        "overloaded": openai.InternalServerError,
        "cut": openai.APIError,
    }

    def __init__(self, stack, key=KEY, retries=0, headers=None):
        self.client = openai.OpenAI(base_url=stack.base_url, api_key=key, max_retries=retries, timeout=30, default_headers=headers)

    def close(self):
        """Lets go of the connections."""
        self.client.close()

    def failed(self, error) -> Failed:
        """An exception of the client."""
        response = getattr(error, "response", None)
        after = response.headers.get("retry-after") if response is not None else None
        return Failed(type(error), getattr(error, "status_code", None), error.message, getattr(error, "request_id", None), after)


class Chat(OpenAi):
    """Chat completions."""

    name = "OpenAI chat"
    endings = {"text": "stop", "tool": "tool_calls", "length": "length"}

    def start(self, text, image=False):
        """The conversation before its first answer."""
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": DATA_URL}}]
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": parts if image else text}]

    def back(self, history, said, results):
        """The conversation with an answer and the results of its calls."""
        answers = [{"role": "tool", "tool_call_id": call.id, "content": result} for call, result in zip(said.calls, results)]
        return [*history, *said.turn, *answers]

    def more(self, history, said, text):
        """The conversation with an answer and another question."""
        return [*history, *said.turn, {"role": "user", "content": text}]

    def ask(self, model, history, wish):
        """Asks, and reads what the client makes of the answer."""
        asked = {"model": model, "messages": history, "max_completion_tokens": wish.tokens}
        if wish.tools:
            asked["tools"] = [WEATHER]
        if wish.thinks:
            asked["reasoning_effort"] = "low"
        if wish.report:
            asked["response_format"] = Report
        if wish.stream:
            return self.streamed(asked)
        ask = self.client.chat.completions.parse if wish.report else self.client.chat.completions.create
        answer = ask(**asked)
        message = answer.choices[0].message
        return self.read(answer, (message.model_extra or {}).get("reasoning_content") or "", 1)

    def streamed(self, asked):
        """The same, as a stream."""
        texts, thoughts = [], []
        with self.client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
            try:
                for event in stream:
                    if event.type == "content.delta":
                        texts.append(event.delta)
                    if event.type == "chunk" and event.chunk.choices:
                        thoughts.append((event.chunk.choices[0].delta.model_extra or {}).get("reasoning_content") or "")
                answer = stream.get_final_completion()
            except openai.LengthFinishReasonError as error:
                # The client's way to tell that a stream was too long.
                answer = error.completion
        assert "".join(texts) == (answer.choices[0].message.content or "")
        return self.read(answer, "".join(thoughts), len(texts))

    def read(self, answer, thoughts, pieces):
        """A whole answer."""
        choice, usage = answer.choices[0], answer.usage
        called = choice.message.tool_calls or []
        details = usage.completion_tokens_details
        return Said(
            text=choice.message.content or "",
            thoughts=thoughts,
            calls=[Call(call.id, call.function.name, json.loads(call.function.arguments)) for call in called],
            ending=choice.finish_reason,
            usage=Usage(usage.prompt_tokens, usage.completion_tokens, (details and details.reasoning_tokens) or 0, usage.total_tokens),
            parsed=getattr(choice.message, "parsed", None),
            request_id=getattr(answer, "_request_id", None),
            pieces=pieces,
            turn=[turn_of(choice.message)],
        )


def turn_of(message):
    """A message as it is sent back: what the client added by itself is no member of the API."""
    turn = message.model_dump(exclude_none=True, exclude={"parsed"})
    for call in turn.get("tool_calls", []):
        call.get("function", {}).pop("parsed_arguments", None)
        call.pop("index", None)
    return turn


class Responses(OpenAi):
    """Responses."""

    name = "OpenAI Responses"
    endings = {"text": "completed", "tool": "completed", "length": "incomplete"}

    def start(self, text, image=False):
        """The conversation before its first answer."""
        parts = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": DATA_URL, "detail": "auto"}]
        return [{"role": "user", "content": parts if image else text}]

    def back(self, history, said, results):
        """The conversation with an answer and the results of its calls."""
        answers = [{"type": "function_call_output", "call_id": call.id, "output": result} for call, result in zip(said.calls, results)]
        return [*history, *said.turn, *answers]

    def more(self, history, said, text):
        """The conversation with an answer and another question."""
        return [*history, *said.turn, {"role": "user", "content": text}]

    def ask(self, model, history, wish):
        """Asks, and reads what the client makes of the answer."""
        asked = {"model": model, "input": history, "instructions": SYSTEM, "max_output_tokens": wish.tokens, "store": False}
        if wish.tools:
            asked["tools"] = [{"type": "function", **WEATHER["function"]}]
        if wish.thinks:
            asked["reasoning"] = {"effort": "low", "summary": "auto"}
            asked["include"] = ["reasoning.encrypted_content"]
        if wish.report:
            asked["text_format"] = Report
        if wish.stream:
            return self.streamed(asked)
        ask = self.client.responses.parse if wish.report else self.client.responses.create
        return self.read(ask(**asked), 1)

    def streamed(self, asked):
        """The same, as a stream."""
        texts, thoughts = [], []
        with self.client.responses.stream(**asked) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    texts.append(event.delta)
                if event.type == "response.reasoning_summary_text.delta":
                    thoughts.append(event.delta)
                if event.type == "response.incomplete":
                    return self.read(event.response, len(texts))
            answer = stream.get_final_response()
        said = self.read(answer, len(texts))
        assert ("".join(texts), "".join(thoughts)) == (said.text, said.thoughts)
        return said

    def read(self, answer, pieces):
        """A whole answer."""
        called = [item for item in answer.output if item.type == "function_call"]
        summaries = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
        usage = answer.usage
        return Said(
            text=answer.output_text,
            thoughts="".join(summaries),
            calls=[Call(call.call_id, call.name, json.loads(call.arguments)) for call in called],
            ending=answer.status,
            usage=Usage(usage.input_tokens, usage.output_tokens, usage.output_tokens_details.reasoning_tokens, usage.total_tokens),
            parsed=getattr(answer, "output_parsed", None),
            request_id=getattr(answer, "_request_id", None),
            pieces=pieces,
            turn=[item_of(item) for item in answer.output],
        )


def item_of(item):
    """An item as it is sent back, without what the client added by itself."""
    turn = item.model_dump(exclude_none=True, exclude={"parsed_arguments"})
    for part in turn.get("content") or []:
        part.pop("parsed", None)
    return turn
