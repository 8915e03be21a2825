// The official client for Node. It reads OPENAI_BASE_URL and OPENAI_API_KEY.
import OpenAI from "openai";
import { VERSION } from "openai/version";

const client = new OpenAI();
const messages = [{ role: "user", content: "List count from 1 to 100." }];
const asked = { model: "gpt-4o-mini", messages, max_completion_tokens: 12, temperature: 0 };

async function streamed() {
  const stream = await client.chat.completions.create({
    ...asked,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { stream: text, streamTokens: usage.completion_tokens };
}

// Leaves a long answer after its first words; the client ends the stream without an error.
async function aborted() {
  const stream = await client.chat.completions.create({
    ...asked,
    max_completion_tokens: 4000,
    messages: [{ role: "user", content: "List count from 1 to 100." }],
    stream: true,
  });
  let pieces = 0;
  for await (const chunk of stream) {
    pieces += 1;
    if (pieces === 3) stream.controller.abort();
  }
  return pieces;
}

async function tool() {
  const runner = client.chat.completions.runTools({
    model: asked.model,
    messages: [{ role: "user", content: "The weather in Paris?" }],
    temperature: 0,
    tool_choice: { type: "function", function: { name: "get_weather" } },
    tools: [
      {
        type: "function",
        function: {
          name: "get_weather",
          description: "Tells the weather of a city.",
          parameters: {
            type: "object",
            properties: { city: { type: "string" } },
            required: ["city"],
            additionalProperties: false,
          },
          parse: JSON.parse,
          function: ({ city }) => `It rains in ${city}.`,
        },
      },
    ],
  });
  const result = await runner.finalFunctionToolCallResult();
  return { tool: (await runner.finalFunctionToolCall()).name, toolResult: result };
}

async function failing() {
  try {
    await client.chat.completions.create({ ...asked, model: "nope" });
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param];
  }
}

const chat = await client.chat.completions.create(asked);
const embedding = await client.embeddings.create({
  model: "text-embedding-3-small",
  input: ["one", "two"],
});
const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log(
  JSON.stringify({
    version: VERSION,
    chat: chat.choices[0].message.content,
    model: chat.model,
    requestId: chat._request_id,
    tokens: chat.usage.completion_tokens,
    embeddings: embedding.data.map((row) => row.embedding.length),
    models,
    aborted: await aborted(),
    error: await failing(),
    ...(await streamed()),
    ...(await tool()),
  }),
);
