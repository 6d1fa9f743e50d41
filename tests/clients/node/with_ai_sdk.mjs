// Vercel's AI SDK with its OpenAI, Anthropic and Google providers against the gateway.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { BURSAR_URL: url, BURSAR_KEY: apiKey } = process.env;
const headers = { "x-bursar-feature": "ai-sdk" };
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey, headers });
const anthropic = createAnthropic({ baseURL: `${url}/anthropic/v1`, apiKey, headers });
const google = createGoogleGenerativeAI({ baseURL: `${url}/gemini/v1beta`, apiKey, headers });
const models = {
  responses: openai("gpt-4o-mini"),
  chat: openai.chat("gpt-4o-mini"),
  anthropic: anthropic("claude-haiku-4-5-20251001"),
  google: google("gemini-2.5-flash"),
};
const tools = {
  get_weather: tool({
    description: "Current weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `12 degrees in ${city}`,
  }),
};
const schema = z.object({ number: z.string(), total: z.number() });
const said = {};
for (const [name, model] of Object.entries(models)) {
  const answer = await generateText({ model, prompt: "How do I reconcile an invoice?", maxRetries: 0 });
  const stream = streamText({ model, prompt: "How do I reconcile an invoice?", maxRetries: 0 });
  let streamed = "";
  for await (const part of stream.textStream) streamed += part;
  const steps = await generateText({
    model,
    prompt: "What is the weather in Oslo?",
    tools,
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  });
  const made = await generateObject({ model, schema, prompt: "Make an invoice", maxRetries: 0 });
  said[name] = {
    text: answer.text.length > 0,
    cost: Number(answer.response.headers["x-bursar-cost-usd"]) > 0,
    streamed: streamed.length > 0,
    steps: steps.steps.length,
    made: schema.safeParse(made.object).success,
  };
}
console.log(JSON.stringify(said));
