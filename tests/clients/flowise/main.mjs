// Flowise's node OpenAI Assistant without Flowise: what it asks of its database is answered here,
// and what it loads without using it is not installed. The echo engine says what the user said,
// and so calls a tool if the user writes the call.
import Module, { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const unused = new Proxy(function () {}, {
  get: (target, name) => (name in target ? target[name] : unused),
  apply: () => unused,
});
const load = Module._load;
Module._load = (name, ...others) => {
  try {
    const loaded = load(name, ...others);
    return "printMsg" in Object(loaded) ? unused : loaded; // the package in place of others
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    return unused;
  }
};
const home = new URL("node_modules/flowise-components/", import.meta.url).pathname;
const { nodeClass } = require(`${home}dist/nodes/agents/OpenAIAssistant/OpenAIAssistant.js`);
const { default: OpenAI } = require("openai");

const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>';
const client = new OpenAI();
const assistant = await client.beta.assistants.create({ model: "echo", name: "helper" });
const node = new nodeClass();

// Runs the node on what a user said, in a thread if one is given; what it gave, and streamed.
async function run(text, { tools = [], thread, streamed = false }) {
  const rows = {
    Assistant: { credential: "", details: JSON.stringify({ id: assistant.id }) },
    ChatMessage: thread ? { sessionId: thread } : null,
  };
  const tokens = [];
  const streamer = new Proxy(
    { streamTokenEvent: (_, token) => tokens.push(token) },
    { get: (target, name) => target[name] ?? (() => undefined) },
  );
  const inputs = { selectedAssistant: "1", openAIApiKey: process.env.OPENAI_API_KEY, tools };
  const answer = await node.run({ inputs }, text, {
    appDataSource: { getRepository: (name) => ({ findOneBy: async () => rows[name] }) },
    databaseEntities: { Assistant: "Assistant", ChatMessage: "ChatMessage" },
    chatId: "chat",
    chatflowid: "flow",
    shouldStreamResponse: streamed,
    sseStreamer: streamed ? streamer : undefined,
  });
  return { ...answer, tokens };
}

const weather = {
  name: "get_weather",
  description: "Tells the weather of a city.",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  call: async ({ city }) => `It rains in ${city}.`,
};

const first = await run("Hello there.", {});
const second = await run("Good day.", { thread: first.assistant.threadId, streamed: true });
const called = await run(CALL, { tools: [weather] });
const calledInStream = await run(CALL, { tools: [weather], streamed: true });
const used = ({ usedTools }) => usedTools.map(({ tool, toolOutput }) => [tool, toolOutput]);
console.log(
  JSON.stringify({
    version: require(`${home}package.json`).version,
    first: first.text,
    second: [second.text, second.tokens.join("")],
    thread: second.assistant.messages.length,
    called: [called.text, ...used(called)],
    calledInStream: [calledInStream.text, ...used(calledInStream)],
  }),
);
