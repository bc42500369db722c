// OpenAI's client, in both of its dialects.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { everywhere, fault, key, log, PNG, REPORT, reset, says, seesPng, SPOKEN_TOKENS, url, WEATHER_SCHEMA } from "./gateway.js";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 30_000 });
const Report = z.object({ title: z.string(), count: z.number(), places: z.array(z.object({ name: z.string() })) });
const image = `data:image/png;base64,${PNG}`;
const tools = [{ type: "function", function: { name: "weather", parameters: WEATHER_SCHEMA } }];

/** The whole answer, however it comes. */
async function chat(stream, asked) {
  if (!stream) return client.chat.completions.create(asked);
  const runner = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
  let text = "";
  runner.on("content", (delta) => (text += delta));
  const answer = await runner.finalChatCompletion();
  assert.equal(text, answer.choices[0].message.content ?? "");
  return answer;
}

everywhere(test, "chat text", async (model, stream) => {
  const answer = await chat(stream, { model, messages: [{ role: "user", content: "hi" }] });
  assert.equal(answer.choices[0].message.content, says(model));
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.usage.completion_tokens, SPOKEN_TOKENS);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + SPOKEN_TOKENS);
});

everywhere(test, "chat tools", async (model, stream) => {
  const messages = [{ role: "user", content: "mock:calls=2" }];
  const { message, finish_reason } = (await chat(stream, { model, messages, tools })).choices[0];
  assert.equal(finish_reason, "tool_calls");
  const calls = message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  assert.deepEqual(calls, [["weather", { city: "w0" }], ["weather", { city: "w1" }]]);
  const results = message.tool_calls.map((call, n) => ({ role: "tool", tool_call_id: call.id, content: `${20 + n} C` }));
  const final = await chat(stream, { model, messages: [...messages, message, ...results], tools });
  assert.match(final.choices[0].message.content, /says: \[result .*20 C.*21 C.* w0 .* w11$/);
});

everywhere(test, "chat image", async (model, stream) => {
  const content = [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: image } }];
  const answer = await chat(stream, { model, messages: [{ role: "user", content }] });
  assert.equal(answer.choices[0].message.content, seesPng(model));
});

everywhere(test, "chat parse", async (model, stream) => {
  const asked = { model, messages: [{ role: "user", content: "report" }], response_format: zodResponseFormat(Report, "report") };
  const answer = stream ? await chat(true, asked) : await client.chat.completions.parse(asked);
  assert.deepEqual(answer.choices[0].message.parsed, REPORT);
});

everywhere(test, "responses text", async (model, stream) => {
  const answer = await responses(stream, { model, input: "hi" });
  assert.equal(answer.output_text, says(model));
  assert.equal(answer.status, "completed");
  assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + SPOKEN_TOKENS);
});

/** The whole answer, however it comes. */
async function responses(stream, asked) {
  if (!stream) return client.responses.create(asked);
  const runner = client.responses.stream(asked);
  let text = "";
  runner.on("response.output_text.delta", (event) => (text += event.delta));
  const answer = await runner.finalResponse();
  assert.equal(text, answer.output_text);
  return answer;
}

everywhere(test, "responses tools", async (model, stream) => {
  const input = [{ role: "user", content: "mock:calls=2" }];
  const tools = [{ type: "function", name: "weather", parameters: WEATHER_SCHEMA, strict: true }];
  const { output } = await responses(stream, { model, input, tools });
  const called = output.filter((item) => item.type === "function_call");
  assert.deepEqual(called.map((call) => [call.name, JSON.parse(call.arguments)]), [["weather", { city: "w0" }], ["weather", { city: "w1" }]]);
  const sent = output.map(({ parsed_arguments, ...item }) => item);
  const results = called.map((call, n) => ({ type: "function_call_output", call_id: call.call_id, output: `${20 + n} C` }));
  const final = await responses(stream, { model, input: [...input, ...sent, ...results], tools });
  assert.match(final.output_text, /says: \[result .*20 C.*21 C.* w0 .* w11$/);
});

everywhere(test, "responses parse", async (model, stream) => {
  const asked = { model, input: "report", text: { format: zodTextFormat(Report, "report") } };
  const answer = stream ? await responses(true, asked) : await client.responses.parse(asked);
  assert.deepEqual(answer.output_parsed, REPORT);
});

everywhere(test, "errors", async (model, stream) => {
  await fault(model, "400");
  const asked = { model, messages: [{ role: "user", content: "hi" }] };
  await assert.rejects(chat(stream, asked), (error) => error instanceof OpenAI.BadRequestError && error.requestID.length === 16);
  assert.equal((await log()).length, 1);
  await fault(model, "529");
  await assert.rejects(chat(stream, asked), (error) => error instanceof OpenAI.InternalServerError && error.status === 503);
});

test("errors of the gateway", async () => {
  await reset();
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-nobody", maxRetries: 0 });
  const asked = { model: "chat", messages: [{ role: "user", content: "hi" }] };
  await assert.rejects(stranger.chat.completions.create(asked), OpenAI.AuthenticationError);
  await assert.rejects(client.chat.completions.create({ ...asked, model: "nobody" }), OpenAI.NotFoundError);
  assert.deepEqual(await log(), []);
});

for (const model of ["chat", "responses", "messages", "generate"]) {
  test(`a cut stream raises: ${model}`, async () => {
    await reset();
    await fault(model, "error-event;events=9", "pace;gap_ms=5");
    const asked = { model, messages: [{ role: "user", content: "hi" }] };
    await assert.rejects(chat(true, asked), OpenAI.APIError);
    await assert.rejects(responses(true, { model, input: "hi" }), OpenAI.APIError);
  });

  test(`another dialect answers: ${model}`, async () => {
    await reset();
    await fault(model, "500");
    for (const stream of [false, true]) {
      const answer = await chat(stream, { model: `${model}-spare`, messages: [{ role: "user", content: "hi" }] });
      assert.match(answer.choices[0].message.content, / says: w0 .* w11$/);
      assert.doesNotMatch(answer.choices[0].message.content, new RegExp(`^${model} `));
    }
  });
}

test("the client tries again what it is told to, and nothing else", async () => {
  const asked = { model: "messages", messages: [{ role: "user", content: "hi" }] };
  const counts = [];
  for (const maxRetries of [0, 1]) {
    const patient = client.withOptions({ maxRetries });
    await reset();
    await fault("messages", "503");
    await assert.rejects(patient.chat.completions.create(asked), OpenAI.InternalServerError);
    counts.push((await log()).length);
    await reset();
    await fault("messages", "400");
    await assert.rejects(patient.chat.completions.create(asked), OpenAI.BadRequestError);
    assert.equal((await log()).length, 1);
  }
  assert.equal(counts[1], 2 * counts[0]);
});
