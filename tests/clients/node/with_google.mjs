// The official Google Gen AI client for JavaScript against the gateway.
import { ApiError, GoogleGenAI, Type } from "@google/genai";

const { BURSAR_URL: url, BURSAR_KEY: key } = process.env;
const connect = (apiKey) =>
  new GoogleGenAI({
    apiKey,
    httpOptions: { baseUrl: `${url}/gemini`, headers: { "x-bursar-feature": "node-google" } },
  });
const client = connect(key);
const ask = { model: "gemini-2.5-flash", contents: "How do I reconcile an invoice?" };
const said = {};

const answer = await client.models.generateContent(ask);
said.text = Boolean(answer.text);
said.cost = Number(answer.sdkHttpResponse.headers["x-bursar-cost-usd"]) > 0;

let streamed = "";
for await (const chunk of await client.models.generateContentStream(ask)) streamed += chunk.text ?? "";
said.streamed = streamed.length > 0;

const weather = {
  name: "get_weather",
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
};
const asked = await client.models.generateContent({
  model: ask.model,
  contents: "What is the weather in Oslo?",
  config: { tools: [{ functionDeclarations: [weather] }] },
});
said.tool = asked.functionCalls[0].name;
said.counted = (await client.models.countTokens(ask)).totalTokens > 0;

try {
  await connect("wrong").models.generateContent(ask);
} catch (error) {
  said.wrongKey = error instanceof ApiError && error.status === 401 && error.message.includes("virtual key");
}
console.log(JSON.stringify(said));
