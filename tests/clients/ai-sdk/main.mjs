// The AI SDK with its provider for servers like this one.
import { readFileSync } from "node:fs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";

const provider = createOpenAICompatible({
  name: "openedai",
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = provider("smollm2-135m-instruct");
const asked = { model, temperature: 0, maxOutputTokens: 12, prompt: "List count from 1 to 100." };
const weather = tool({
  description: "Tells the weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `It rains in ${city}.`,
});

async function streamed() {
  const result = streamText(asked);
  let text = "";
  for await (const piece of result.textStream) text += piece;
  return { stream: text, streamTokens: (await result.usage).outputTokens };
}

async function called() {
  const asks = {
    model,
    temperature: 0,
    prompt: "The weather in Paris?",
    tools: { weather },
    toolChoice: { type: "tool", toolName: "weather" },
  };
  const whole = await generateText(asks);
  const stream = streamText(asks);
  const told = await generateText({
    ...asked,
    prompt: undefined,
    messages: [{ role: "user", content: asks.prompt }, ...whole.response.messages],
  });
  return {
    toolAnswer: told.text,
    tool: whole.toolCalls[0].toolName,
    toolInput: whole.toolCalls[0].input,
    toolResult: whole.toolResults[0].output,
    streamToolInput: (await stream.toolCalls)[0].input,
    toolFinish: whole.finishReason,
  };
}

async function failing() {
  try {
    await generateText({ ...asked, model: provider("nope"), maxRetries: 0 });
  } catch (error) {
    return [error.name, error.statusCode, error.message];
  }
}

const whole = await generateText(asked);
const { object } = await generateObject({
  model,
  temperature: 0,
  prompt: "The weather in Paris?",
  schema: z.object({ city: z.string(), degrees: z.number().int(), sunny: z.boolean() }),
});
const { embeddings } = await embedMany({
  model: provider.embeddingModel("all-mpnet-base-v2"),
  values: ["one", "two"],
});
console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync("node_modules/ai/package.json")).version,
    chat: whole.text,
    finish: whole.finishReason,
    tokens: whole.usage.outputTokens,
    object,
    embeddings: embeddings.map((vector) => vector.length),
    error: await failing(),
    ...(await streamed()),
    ...(await called()),
  }),
);
