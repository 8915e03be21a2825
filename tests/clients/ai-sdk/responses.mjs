// The AI SDK with its default provider, which speaks Responses.
import { readFileSync } from "node:fs";
import { openai } from "@ai-sdk/openai";
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

// The echo engine says what the user said; `reveal` says all that the model gets.
const model = openai("echo");
const call = '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>';
const weather = tool({
  description: "Tells the weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `It rains in ${city}.`,
});
const asks = { model, tools: { weather }, stopWhen: stepCountIs(3), prompt: call };

async function streamed(asked) {
  const result = streamText(asked);
  const types = new Set();
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    types.add(part.type);
  }
  const steps = await result.steps;
  const tokens = (await result.totalUsage).outputTokens;
  return { text: await result.text, steps: steps.length, tokens, types: [...types] };
}

async function continued() {
  const options = (more) => ({ providerOptions: { openai: more } });
  const first = await generateText({ model, prompt: "My name is Ann." });
  const { responseId } = first.finalStep.providerMetadata.openai;
  const asked = { model: openai("reveal"), prompt: "What is my name?" };
  const second = await generateText({
    ...asked,
    ...options({ previousResponseId: responseId, metadata: { topic: "names" } }),
  });
  const alone = await generateText({ ...asked, ...options({ store: false }) });
  return [second.text, alone.text].map((text) => text.includes("My name is Ann."));
}

async function shelled() {
  const execute = async ({ action }) => ({ output: `ran ${action.command.join(" ")}` });
  const result = await generateText({
    model,
    stopWhen: stepCountIs(2),
    tools: { local_shell: openai.tools.localShell({ execute }) },
    prompt: '<tool_call>{"name": "local_shell", "arguments": {"command": ["ls"]}}</tool_call>',
  });
  return result.text;
}

async function searched() {
  const described = { type: "function", name: "weather", deferLoading: true };
  const parameters = {
    type: "object",
    properties: { goal: { type: "string" } },
    required: ["goal"],
    additionalProperties: false,
  };
  const toolSearch = openai.tools.toolSearch({
    execution: "client",
    description: "Finds tools.",
    parameters,
    execute: async ({ arguments: { goal } }) => ({ tools: goal === "rain" ? [described] : [] }),
  });
  const deferred = { ...weather, providerOptions: { openai: { deferLoading: true } } };
  const prompt = '<tool_call>{"name": "tool_search", "arguments": {"goal": "rain"}}</tool_call>';
  const tools = { toolSearch, weather: deferred };
  const result = await generateText({ ...asks, tools, prompt });
  return result.steps.map(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName));
}

async function typed() {
  const asked = {
    model,
    output: Output.object({ schema: z.object({ city: z.string(), sunny: z.boolean() }) }),
    prompt: '{"city": "Paris", "sunny": true}',
  };
  const { output } = await generateText(asked);
  return { output, streamedOutput: await streamText(asked).output };
}

async function failing() {
  try {
    await generateText({ model: openai("nope"), prompt: "Hi.", maxRetries: 0 });
  } catch (error) {
    return [error.name, error.statusCode, error.message];
  }
}

const whole = await generateText({ model, system: "Be brief.", prompt: "Say hello to Ann." });
const limited = await generateText({ model, prompt: "One two three.", maxOutputTokens: 2 });
const tools = await generateText(asks);
const described = await generateText({
  model,
  prompt: "Yes.",
  providerOptions: {
    openai: {
      textVerbosity: "low",
      parallelToolCalls: false,
      maxToolCalls: 2,
      truncation: "auto",
      promptCacheKey: "a",
      user: "ann",
      metadata: { topic: "options" },
      logprobs: 1,
    },
  },
});
const { embeddings } = await embedMany({
  model: openai.embedding("echo"),
  values: ["one", "two"],
});
console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync("node_modules/@ai-sdk/openai/package.json")).version,
    text: whole.text,
    tokens: whole.usage.outputTokens,
    limited: [limited.text, limited.finishReason],
    tool: [tools.text, tools.steps.length, tools.steps[0].toolResults[0].output],
    stream: await streamed(asks),
    shell: await shelled(),
    search: await searched(),
    ...(await typed()),
    options: [described.text, described.finalStep.providerMetadata.openai.logprobs[0].length],
    embeddings: embeddings.map((vector) => vector.length),
    continued: await continued(),
    error: await failing(),
  }),
);
