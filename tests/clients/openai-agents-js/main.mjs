// OpenAI's Agents SDK: tools, handoffs, streams, typed output, sessions, compaction, WebSockets.
import { readFileSync } from "node:fs";
import {
  Agent,
  OpenAIConversationsSession,
  OpenAIResponsesCompactionSession,
  run,
  setTracingDisabled,
  tool,
  withResponsesWebSocketSession,
} from "@openai/agents";
import { z } from "zod";

setTracingDisabled(true);

const getWeather = tool({
  name: "get_weather",
  description: "Tells the weather of a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `It rains in ${city}.`,
});
// What makes the model call a tool: it says what the user said.
const call = (name, args) => `<tool_call>${JSON.stringify({ name, arguments: args })}</tool_call>`;
const WEATHER = call("get_weather", { city: "Paris" });

const spanish = new Agent({ name: "Spanish", model: "echo", instructions: "Speak Spanish." });
const agent = new Agent({
  name: "Guide",
  model: "echo",
  tools: [getWeather],
  handoffs: [spanish],
});
const typed = new Agent({
  name: "Typed",
  model: "echo",
  outputType: z.object({ city: z.string(), sunny: z.boolean() }),
});
const revealing = new Agent({ name: "Revealing", model: "reveal" }); // It says what it gets.

async function streamed(start) {
  const result = await start(agent, WEATHER, { stream: true });
  let completed = 0;
  for await (const event of result) {
    completed += event.type === "raw_model_stream_event" && event.data.type === "response_done";
  }
  await result.completed;
  return { answer: result.finalOutput, completed };
}

async function conversed() {
  const session = new OpenAIConversationsSession();
  await run(agent, WEATHER, { session });
  const heard = await run(revealing, "And yours?", { session });
  const items = (await session.getItems()).length;
  await session.clearSession();
  return { items, heard: heard.finalOutput.includes("It rains in Paris.") };
}

async function chained() {
  const first = await run(agent, "My name is Ann.");
  const options = { previousResponseId: first.lastResponseId };
  const second = await run(revealing, "What is my name?", options);
  return second.finalOutput.includes("My name is Ann.");
}

async function compacted(compactionMode) {
  const session = new OpenAIResponsesCompactionSession({ model: "gpt-4.1", compactionMode });
  await run(agent, "My name is Ann.", { session });
  await session.runCompaction({ force: true });
  const items = (await session.getItems()).map((item) => item.type);
  const after = await run(revealing, "What is my name?", { session });
  return { items, heard: after.finalOutput.includes("My name is Ann.") };
}

console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync("node_modules/@openai/agents/package.json")).version,
    unnamed: (await run(new Agent({ name: "Unnamed" }), "Good morning.")).finalOutput,
    tool: (await run(agent, WEATHER)).finalOutput,
    handoff: (await run(agent, call("transfer_to_Spanish", {}))).lastAgent.name,
    typed: (await run(typed, '{"city": "Paris", "sunny": true}')).finalOutput,
    stream: await streamed(run),
    socket: await withResponsesWebSocketSession((session) => streamed(session.run)),
    conversation: await conversed(),
    chained: await chained(),
    compacted: {
      input: await compacted("input"),
      previous_response_id: await compacted("previous_response_id"),
    },
  }),
);
