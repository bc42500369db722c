"""Google's client."""

from google import genai
from google.genai import errors, types

from said import PNG, SYSTEM, Call, Failed, Report, Said, Usage, Weather
from stack import KEY

WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="weather", description="The weather.", parameters_json_schema=Weather.model_json_schema())
    ]
)


class Generate:
    """generateContent."""

    name = "Gemini"
    endings = {"text": "STOP", "tool": "STOP", "length": "MAX_TOKENS"}
    errors = {
        "bad_request": errors.ClientError,
        "key": errors.ClientError,
        "model": errors.ClientError,
        "limited": errors.ClientError,
        "overloaded": errors.ServerError,
        "cut": errors.APIError,
    }

    def __init__(self, stack, key=KEY, retries=0, headers=None):
        retrying = types.HttpRetryOptions(attempts=retries + 1, initial_delay=0.01, max_delay=0.02)
        options = types.HttpOptions(base_url=stack.url, timeout=30_000, retry_options=retrying, headers=headers)
        self.client = genai.Client(api_key=key, http_options=options)

    def close(self):
        """Lets go of the connections."""
        self.client.close()

    def failed(self, error) -> Failed:
        """An exception of the client."""
        headers = error.response.headers if error.response is not None else {}
        return Failed(type(error), error.code, error.message, headers.get("x-request-id"), headers.get("retry-after"))

    def start(self, text, image=False):
        """The conversation before its first answer."""
        parts = [types.Part(text=text)]
        if image:
            parts.append(types.Part.from_bytes(data=PNG, mime_type="image/png"))
        return [types.UserContent(parts=parts)]

    def back(self, history, said, results):
        """The conversation with an answer and the results of its calls."""
        answer = lambda call, result: types.FunctionResponse(id=call.id, name=call.name, response={"result": result})
        answers = [types.Part(function_response=answer(call, result)) for call, result in zip(said.calls, results)]
        return [*history, *said.turn, types.UserContent(parts=answers)]

    def more(self, history, said, text):
        """The conversation with an answer and another question."""
        return [*history, *said.turn, types.UserContent(parts=[types.Part(text=text)])]

    def ask(self, model, history, wish):
        """Asks, and reads what the client makes of the answer."""
        by_hand = types.AutomaticFunctionCallingConfig(disable=True)
        config = types.GenerateContentConfig(system_instruction=SYSTEM, max_output_tokens=wish.tokens, automatic_function_calling=by_hand)
        if wish.tools:
            config.tools = [WEATHER]
        if wish.thinks:
            config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        if wish.report:
            config.response_mime_type, config.response_schema = "application/json", Report
        asked = {"model": model, "contents": history, "config": config}
        if wish.stream:
            return self.streamed(asked, wish)
        answer = self.client.models.generate_content(**asked)
        said = self.read([answer])
        said.parsed = answer.parsed
        return said

    def streamed(self, asked, wish):
        """The same, as a stream."""
        said = self.read(list(self.client.models.generate_content_stream(**asked)))
        # The client parses no streams.
        said.parsed = Report.model_validate_json(said.text) if wish.report else None
        return said

    def read(self, answers):
        """The parts of an answer."""
        parts = [part for answer in answers if answer.candidates for part in answer.candidates[0].content.parts or []]
        calls = [part.function_call for part in parts if part.function_call]
        texts = [part.text for part in parts if part.text and not part.thought]
        usage = next(answer.usage_metadata for answer in reversed(answers) if answer.usage_metadata)
        thought = usage.thoughts_token_count or 0
        endings = [answer.candidates[0].finish_reason for answer in answers if answer.candidates and answer.candidates[0].finish_reason]
        assert len(endings) == 1, endings
        return Said(
            text="".join(texts),
            thoughts="".join(part.text for part in parts if part.text and part.thought),
            calls=[Call(call.id, call.name, call.args) for call in calls],
            ending=endings[0].value,
            usage=Usage(usage.prompt_token_count, (usage.candidates_token_count or 0) + thought, thought, usage.total_token_count),
            request_id=answers[0].sdk_http_response.headers.get("x-request-id") if answers[0].sdk_http_response else None,
            pieces=len(texts),
            turn=[types.ModelContent(parts=parts)],
        )
