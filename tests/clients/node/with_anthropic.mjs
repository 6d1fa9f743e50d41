// The official Anthropic client for JavaScript against the gateway.
import Anthropic, { AuthenticationError } from "@anthropic-ai/sdk";

const { BURSAR_URL: url, BURSAR_KEY: key } = process.env;
const client = new Anthropic({
  baseURL: url,
  apiKey: key,
  maxRetries: 0,
  defaultHeaders: { "x-bursar-feature": "node-anthropic" },
});
const model = "claude-haiku-4-5-20251001";
const ask = { model, max_tokens: 400, messages: [{ role: "user", content: "How do I reconcile an invoice?" }] };
const said = {};

const { data, response } = await client.messages.create(ask).withResponse();
said.text = Boolean(data.content[0].text);
said.cost = Number(response.headers.get("x-bursar-cost-usd")) > 0;

const stream = client.messages.stream(ask, { headers: { "x-bursar-stream-cost": "comment" } });
said.streamed = Boolean(await stream.finalText());

const tools = [
  {
    name: "get_weather",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
const asked = await client.messages.create({ model, max_tokens: 400, messages, tools });
const used = asked.content.find((block) => block.type === "tool_use");
messages.push({ role: "assistant", content: asked.content });
messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: used.id, content: "12 degrees" }] });
said.tool = (await client.messages.create({ model, max_tokens: 400, messages, tools })).stop_reason;
said.counted = (await client.messages.countTokens({ model, messages: ask.messages })).input_tokens > 0;

try {
  await new Anthropic({ baseURL: url, apiKey: "wrong" }).messages.create(ask);
} catch (error) {
  said.wrongKey = error instanceof AuthenticationError && error.error.error.code === "invalid_key";
}
console.log(JSON.stringify(said));
