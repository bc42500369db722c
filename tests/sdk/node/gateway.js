// Where the gateway and its mock providers are, and what they say. `stack.py` starts them and tells by the
// environment.

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`python3 tests/sdk/python/stack.py node --test tests/sdk/node\``);
  return value;
};

export const url = need("THROWOVER_URL");
export const key = need("THROWOVER_KEY");
const mock = need("MOCK_URL");

/** The chains of one provider each, by the dialect that is spoken there. */
export const PROVIDERS = ["chat", "responses", "messages", "generate"];
export const FORMS = ["json", "stream"];
const WORDS = 12;

/** What a provider says. */
export const says = (provider) => `${provider} says: ${Array.from({ length: WORDS }, (_, n) => `w${n}`).join(" ")}`;

/** What a provider thinks. */
export const thinks = (provider) => `${provider} thinks: t0 t1 t2 t3`;

/** Tokens of what is said: a token for each word, and two for who speaks. */
export const SPOKEN_TOKENS = WORDS + 2;

/** One pixel. */
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** What a provider says of it. */
export const seesPng = (provider) => says(provider).replace(" says:", ` says: [image image/png ${Buffer.from(PNG, "base64").length} bytes]`);

/** What structured output is to be, as a JSON schema. */
export const REPORT_SCHEMA = {
  type: "object",
  properties: {
    title: { type: "string" },
    count: { type: "integer" },
    places: {
      type: "array",
      items: { type: "object", properties: { name: { type: "string" } }, required: ["name"], additionalProperties: false },
    },
  },
  required: ["title", "count", "places"],
  additionalProperties: false,
};

/** What the mock makes of it. */
export const REPORT = { title: "w0", count: 0, places: [{ name: "w0" }] };

/** What a tool is called with. */
export const WEATHER_SCHEMA = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

async function order(method, path, body) {
  const answer = await fetch(`${mock}${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Heals every provider and forgets what they received. */
export const reset = () => order("POST", "/reset");

/** Sets the faults of a provider. */
export const fault = (provider, ...faults) => order("PUT", `/providers/${provider}/faults`, faults);

/** What the providers received. */
export const log = async () => (await order("GET", "/log?limit=10000")).entries;

/** Runs `check(provider, stream)` for every provider, whole and streamed. */
export function everywhere(test, name, check) {
  for (const provider of PROVIDERS) {
    for (const form of FORMS) {
      test(`${name}: ${provider}, ${form}`, async () => {
        await reset();
        await check(provider, form === "stream");
      });
    }
  }
}
