// The Vercel AI SDK: one interface, four dialects.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { everywhere, fault, key, log, PNG, REPORT, says, seesPng, SPOKEN_TOKENS, url } from "./gateway.js";

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: key });
const google = createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key });
const DIALECTS = {
  chat: (model) => openai.chat(model),
  responses: (model) => openai.responses(model),
  anthropic: (model) => anthropic(model),
  google: (model) => google(model),
};
const Report = z.object({ title: z.string(), count: z.number(), places: z.array(z.object({ name: z.string() })) });
const weather = tool({
  description: "The weather.",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `20 C in ${city}`,
});

/** The whole answer, however it comes. */
async function ask(stream, asked) {
  if (!stream) {
    const { text, finishReason, totalUsage, steps, output } = await generateText({ maxRetries: 0, ...asked });
    return { text, finishReason, usage: totalUsage, steps, output: asked.output && output };
  }
  const failures = [];
  const answer = streamText({ maxRetries: 0, onError: ({ error }) => failures.push(error), ...asked });
  let text = "";
  for await (const delta of answer.textStream) text += delta;
  if (failures.length > 0) throw failures[0];
  const steps = await answer.steps;
  assert.equal(text, steps.map((step) => step.text).join(""));
  return { text, finishReason: await answer.finishReason, usage: await answer.totalUsage, steps, output: asked.output && (await answer.output) };
}

for (const [dialect, start] of Object.entries(DIALECTS)) {
  everywhere(test, `${dialect} text`, async (model, stream) => {
    const said = await ask(stream, { model: start(model), prompt: "hi" });
    assert.equal(said.text, says(model));
    assert.equal(said.finishReason, "stop");
    assert.equal(said.usage.outputTokens, SPOKEN_TOKENS);
  });

  // The SDK calls the tool itself, and asks again with what it gave.
  everywhere(test, `${dialect} tools`, async (model, stream) => {
    let calls = 0;
    const prepareStep = ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" });
    const said = await ask(stream, {
      model: start(model),
      prompt: "go",
      tools: { weather: { ...weather, execute: (input) => ((calls += 1), weather.execute(input)) } },
      stopWhen: stepCountIs(3),
      prepareStep,
    });
    assert.equal(calls, 1);
    assert.equal(said.steps.length, 2);
    assert.match(said.text, /20 C in w0.* w11$/);
  });

  everywhere(test, `${dialect} image`, async (model, stream) => {
    const content = [{ type: "text", text: "look" }, { type: "image", image: Buffer.from(PNG, "base64"), mediaType: "image/png" }];
    const said = await ask(stream, { model: start(model), messages: [{ role: "user", content }] });
    assert.equal(said.text, seesPng(model));
  });

  everywhere(test, `${dialect} object`, async (model, stream) => {
    const said = await ask(stream, { model: start(model), prompt: "report", output: Output.object({ schema: Report }) });
    assert.deepEqual(said.output, REPORT);
  });

  everywhere(test, `${dialect} errors`, async (model, stream) => {
    await fault(model, "400");
    const is = (status) => (error) => APICallError.isInstance(error) && error.statusCode === status && !error.isRetryable === (status === 400);
    await assert.rejects(ask(stream, { model: start(model), prompt: "hi" }), is(400));
    assert.equal((await log()).length, 1);
    await fault(model, "529");
    await assert.rejects(ask(stream, { model: start(model), prompt: "hi" }), is(503));
  });
}
