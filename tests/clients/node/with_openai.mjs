// The official OpenAI client for JavaScript against the gateway.
import OpenAI, { AuthenticationError, RateLimitError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BURSAR_URL: url, BURSAR_KEY: key } = process.env;
const client = new OpenAI({
  baseURL: `${url}/v1`,
  apiKey: key,
  maxRetries: 0,
  defaultHeaders: { "x-bursar-feature": "node-openai" },
});
const ask = { model: "gpt-4o-mini", messages: [{ role: "user", content: "How do I reconcile an invoice?" }] };
const said = {};

const { data, response } = await client.chat.completions.create(ask).withResponse();
said.text = Boolean(data.choices[0].message.content);
said.cost = Number(response.headers.get("x-bursar-cost-usd")) > 0;

let streamed = "";
const stream = await client.chat.completions.create(
  { ...ask, stream: true },
  { headers: { "x-bursar-stream-cost": "comment" } },
);
for await (const chunk of stream) streamed += chunk.choices[0]?.delta?.content ?? "";
said.streamed = streamed.length > 0;

const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    function: ({ city }) => `12 degrees in ${city}`,
    parse: JSON.parse,
  },
};
const runner = client.chat.completions.runTools({
  model: ask.model,
  messages: [{ role: "user", content: "What is the weather in Oslo?" }],
  tools: [weather],
});
said.tool = Boolean(await runner.finalContent());

const Invoice = z.object({ number: z.string(), total: z.number() });
const parsed = await client.chat.completions.parse({ ...ask, response_format: zodResponseFormat(Invoice, "invoice") });
said.structured = Invoice.safeParse(parsed.choices[0].message.parsed).success;

const answered = await client.responses.create({ model: ask.model, input: "Why is the forecast wide?" });
said.responses = Boolean(answered.output_text);
said.embedding = (await client.embeddings.create({ model: "text-embedding-3-small", input: "one" })).data[0].embedding.length;

try {
  await client.chat.completions.create(ask, { headers: { "x-sim-fault": "ratelimit" } });
} catch (error) {
  said.limited = error instanceof RateLimitError;
}
try {
  await new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong" }).chat.completions.create(ask);
} catch (error) {
  said.wrongKey = error instanceof AuthenticationError && error.code === "invalid_key";
}
console.log(JSON.stringify(said));
