// Google's client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, GoogleGenAI } from "@google/genai";
import { everywhere, fault, key, log, PNG, REPORT, REPORT_SCHEMA, reset, says, seesPng, SPOKEN_TOKENS, thinks, url, WEATHER_SCHEMA } from "./gateway.js";

const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, timeout: 30_000 } });
const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: WEATHER_SCHEMA }] }];

/** The whole answer, however it comes. */
async function ask(stream, asked) {
  const answers = [];
  if (stream) {
    for await (const answer of await client.models.generateContentStream(asked)) answers.push(answer);
  } else {
    answers.push(await client.models.generateContent(asked));
  }
  const parts = answers.flatMap((answer) => answer.candidates?.[0]?.content?.parts ?? []);
  const join = (thought) => parts.filter((part) => part.text && !!part.thought === thought).map((part) => part.text).join("");
  return {
    parts,
    text: join(false),
    thoughts: join(true),
    calls: parts.filter((part) => part.functionCall).map((part) => part.functionCall),
    ending: answers.at(-1).candidates?.[0]?.finishReason,
    usage: answers.findLast((answer) => answer.usageMetadata).usageMetadata,
  };
}

everywhere(test, "text", async (model, stream) => {
  const said = await ask(stream, { model, contents: "hi" });
  assert.equal(said.text, says(model));
  assert.equal(said.ending, "STOP");
  assert.equal(said.usage.candidatesTokenCount, SPOKEN_TOKENS);
  assert.equal(said.usage.totalTokenCount, said.usage.promptTokenCount + SPOKEN_TOKENS);
});

everywhere(test, "tools", async (model, stream) => {
  const contents = [{ role: "user", parts: [{ text: "mock:calls=2" }] }];
  const said = await ask(stream, { model, contents, config: { tools } });
  assert.deepEqual(said.calls.map((call) => [call.name, call.args]), [["weather", { city: "w0" }], ["weather", { city: "w1" }]]);
  const results = said.calls.map((call, n) => ({ functionResponse: { id: call.id, name: call.name, response: { result: `${20 + n} C` } } }));
  const turns = [{ role: "model", parts: said.parts }, { role: "user", parts: results }];
  const final = await ask(stream, { model, contents: [...contents, ...turns], config: { tools } });
  assert.match(final.text, /says: \[result .*20 C.*21 C.* w0 .* w11$/);
});

everywhere(test, "image", async (model, stream) => {
  const parts = [{ text: "look" }, { inlineData: { mimeType: "image/png", data: PNG } }];
  assert.equal((await ask(stream, { model, contents: [{ role: "user", parts }] })).text, seesPng(model));
});

everywhere(test, "schema", async (model, stream) => {
  const config = { responseMimeType: "application/json", responseJsonSchema: REPORT_SCHEMA };
  assert.deepEqual(JSON.parse((await ask(stream, { model, contents: "report", config })).text), REPORT);
});

everywhere(test, "thinking", async (model, stream) => {
  const config = { tools, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
  const contents = [{ role: "user", parts: [{ text: "mock:call" }] }];
  const said = await ask(stream, { model, contents, config });
  assert.equal(said.thoughts, thinks(model));
  const [call] = said.calls;
  const answer = { functionResponse: { id: call.id, name: call.name, response: { result: "20 C" } } };
  const turns = [{ role: "model", parts: said.parts }, { role: "user", parts: [answer] }];
  assert.match((await ask(stream, { model, contents: [...contents, ...turns], config })).text, /20 C.* w11$/);
});

everywhere(test, "errors", async (model, stream) => {
  await fault(model, "400");
  await assert.rejects(ask(stream, { model, contents: "hi" }), (error) => error instanceof ApiError && error.status === 400);
  assert.equal((await log()).length, 1);
  await fault(model, "529");
  await assert.rejects(ask(stream, { model, contents: "hi" }), (error) => error instanceof ApiError && error.status === 503);
});

everywhere(test, "another dialect answers", async (model, stream) => {
  await fault(model, "500");
  const said = await ask(stream, { model: `${model}-spare`, contents: "hi" });
  assert.match(said.text, / says: w0 .* w11$/);
  assert.ok(!said.text.startsWith(`${model} `));
});

for (const model of ["chat", "responses", "messages", "generate"]) {
  test(`a cut stream raises: ${model}`, async () => {
    await reset();
    await fault(model, "error-event;events=9", "pace;gap_ms=5");
    await assert.rejects(ask(true, { model, contents: "hi" }), ApiError);
  });
}

test("errors of the gateway", async () => {
  await reset();
  const stranger = new GoogleGenAI({ apiKey: "sk-nobody", httpOptions: { baseUrl: url } });
  const is = (status) => (error) => error instanceof ApiError && error.status === status;
  await assert.rejects(stranger.models.generateContent({ model: "chat", contents: "hi" }), is(401));
  await assert.rejects(client.models.generateContent({ model: "nobody", contents: "hi" }), is(404));
  assert.deepEqual(await log(), []);
});
