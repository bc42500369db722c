// Anthropic's client.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { everywhere, fault, key, log, PNG, REPORT, REPORT_SCHEMA, reset, says, seesPng, SPOKEN_TOKENS, thinks, url, WEATHER_SCHEMA } from "./gateway.js";

const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 30_000 });
const tools = [{ name: "weather", input_schema: WEATHER_SCHEMA }];
const text = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

/** The whole answer, however it comes. */
async function ask(stream, asked) {
  const body = { max_tokens: 4096, system: "Be brief.", ...asked };
  if (!stream) return client.messages.create(body);
  const runner = client.messages.stream(body);
  let said = "";
  runner.on("text", (delta) => (said += delta));
  const message = await runner.finalMessage();
  assert.equal(said, text(message));
  return message;
}

everywhere(test, "text", async (model, stream) => {
  const message = await ask(stream, { model, messages: [{ role: "user", content: "hi" }] });
  assert.equal(text(message), says(model));
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(message.usage.output_tokens, SPOKEN_TOKENS);
  assert.ok(message.usage.input_tokens > 0);
  if (!stream) assert.equal(message._request_id.length, 16);
});

everywhere(test, "tools", async (model, stream) => {
  const messages = [{ role: "user", content: "mock:calls=2" }];
  const message = await ask(stream, { model, messages, tools });
  assert.equal(message.stop_reason, "tool_use");
  const calls = message.content.filter((block) => block.type === "tool_use");
  assert.deepEqual(calls.map((call) => [call.name, call.input]), [["weather", { city: "w0" }], ["weather", { city: "w1" }]]);
  const results = calls.map((call, n) => ({ type: "tool_result", tool_use_id: call.id, content: `${20 + n} C` }));
  const turns = [{ role: "assistant", content: message.content }, { role: "user", content: results }];
  const final = await ask(stream, { model, messages: [...messages, ...turns], tools });
  assert.match(text(final), /says: \[result .*20 C.*21 C.* w0 .* w11$/);
});

everywhere(test, "image", async (model, stream) => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };
  const message = await ask(stream, { model, messages: [{ role: "user", content: [{ type: "text", text: "look" }, image] }] });
  assert.equal(text(message), seesPng(model));
});

everywhere(test, "schema", async (model, stream) => {
  const output_config = { format: { type: "json_schema", schema: REPORT_SCHEMA } };
  const message = await ask(stream, { model, messages: [{ role: "user", content: "report" }], output_config });
  assert.deepEqual(JSON.parse(text(message)), REPORT);
});

everywhere(test, "thinking", async (model, stream) => {
  const thinking = { type: "enabled", budget_tokens: 1024, display: "summarized" };
  const messages = [{ role: "user", content: "mock:call" }];
  const message = await ask(stream, { model, messages, tools, thinking });
  assert.equal(message.content[0].type, "thinking");
  assert.equal(message.content[0].thinking, thinks(model));
  const call = message.content.find((block) => block.type === "tool_use");
  const turns = [{ role: "assistant", content: message.content }, { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "20 C" }] }];
  const final = await ask(stream, { model, messages: [...messages, ...turns], tools, thinking });
  assert.match(text(final), /20 C.* w11$/);
});

everywhere(test, "errors", async (model, stream) => {
  await fault(model, "400");
  const asked = { model, messages: [{ role: "user", content: "hi" }] };
  await assert.rejects(ask(stream, asked), (error) => error instanceof Anthropic.BadRequestError && error.requestID.length === 16);
  assert.equal((await log()).length, 1);
  await fault(model, "529");
  await assert.rejects(ask(stream, asked), (error) => error instanceof Anthropic.InternalServerError && error.status === 503);
});

everywhere(test, "another dialect answers", async (model, stream) => {
  await fault(model, "500");
  const said = text(await ask(stream, { model: `${model}-spare`, messages: [{ role: "user", content: "hi" }] }));
  assert.match(said, / says: w0 .* w11$/);
  assert.ok(!said.startsWith(`${model} `));
});

for (const model of ["chat", "responses", "messages", "generate"]) {
  test(`a cut stream raises: ${model}`, async () => {
    await reset();
    await fault(model, "error-event;events=9", "pace;gap_ms=5");
    await assert.rejects(ask(true, { model, messages: [{ role: "user", content: "hi" }] }), Anthropic.APIError);
  });
}

test("errors of the gateway", async () => {
  await reset();
  const stranger = new Anthropic({ baseURL: url, apiKey: "sk-nobody", maxRetries: 0 });
  const asked = { model: "chat", max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
  await assert.rejects(stranger.messages.create(asked), Anthropic.AuthenticationError);
  await assert.rejects(client.messages.create({ ...asked, model: "nobody" }), Anthropic.NotFoundError);
  assert.deepEqual(await log(), []);
});
