// n8n's two nodes for assistants, without n8n: what runs a node is made here, as far as they use
// it, and of their dependencies only those are installed which are loaded. The echo engine says
// what the user said, and so calls a tool if the user writes the call.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const home = new URL("node_modules/@n8n/n8n-nodes-langchain/", import.meta.url).pathname;
const loaded = (path) => require(`${home}dist/${path}.js`);
const { OpenAiAssistant } = loaded("nodes/agents/OpenAiAssistant/OpenAiAssistant.node");
const { OpenAi } = loaded("nodes/vendors/OpenAi/OpenAi.node");
const { N8nTool } = loaded("utils/N8nTool");
const { z } = require("zod");

const url = process.env.OPENAI_BASE_URL;
const credentials = { apiKey: process.env.OPENAI_API_KEY, url };
const CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>';

async function request(_, { method, uri, headers, qs, body }) {
  const query = new URLSearchParams(JSON.parse(JSON.stringify(qs ?? {})));
  const answer = await fetch(`${uri}?${query}`, {
    method,
    headers: {
      ...headers,
      Authorization: `Bearer ${credentials.apiKey}`,
      "Content-Type": "application/json",
    },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const tracing = { addInputData: () => ({ index: 0 }), addOutputData: () => {}, logger: console };

// Runs a node on one item; what it gave.
async function run(node, typeVersion, parameters, tools = []) {
  const context = {
    getNode: () => ({ name: "node", typeVersion }),
    getWorkflow: () => ({ name: "workflow" }),
    getExecutionId: () => "1",
    getExecutionCancelSignal: () => undefined,
    getInputData: () => [{ json: {} }],
    getInputConnectionData: async (type) => (type === "ai_tool" ? tools : undefined),
    getCredentials: async () => credentials,
    getNodeParameter: (name, _, fallback) => parameters[name] ?? fallback,
    continueOnFail: () => false,
    ...tracing,
    helpers: { requestWithAuthentication: request, getSecureEgressFilter: () => "disabled" },
  };
  const [items] = await node.execute.call(context);
  return items.map((item) => item.json);
}

const weather = new N8nTool(tracing, {
  name: "get_weather",
  description: "Tells the weather of a city.",
  schema: z.object({ city: z.string() }),
  func: async ({ city }) => `It rains in ${city}.`,
});

const openAi = new OpenAi().nodeVersions[1.8];
const assistant = (operation, parameters, tools) =>
  run(openAi, 1.8, { resource: "assistant", operation, options: {}, ...parameters }, tools);
const [made] = await assistant("create", {
  modelId: "echo",
  name: "helper",
  description: "It helps.",
  instructions: "Be brief.",
  codeInterpreter: false,
  knowledgeRetrieval: true,
});
const one = { assistantId: made.id };
const changed = { name: "changed", knowledgeRetrieval: false, temperature: 0.5 };
const said = { ...one, prompt: "define", memory: "connector" };
const thread = await request("", {
  method: "POST",
  uri: `${url}/threads`,
  headers: { "OpenAI-Beta": "assistants=v2" },
  body: {},
});
const inThread = { ...said, memory: "threadId", threadId: thread.id };
const [first] = await assistant("message", { ...said, text: "Hello there." });
const [second] = await assistant("message", { ...inThread, text: "Good day." });
const [called] = await assistant("message", { ...said, text: CALL }, [weather]);
const [updated] = await assistant("update", { ...one, options: changed });
const node = new OpenAiAssistant();
const options = { baseURL: url };
const fresh = { name: "older", instructions: "Be brief.", model: "echo", options };
const [older] = await run(node, 1.1, { ...fresh, text: CALL }, [weather]);
const [kept] = await run(node, 1.1, { ...one, text: "Good night.", options });
const listed = await assistant("list", { simplify: true });
console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync(`${home}package.json`)).version,
    tools: made.tools.map((tool) => tool.type),
    first: first.output,
    second: [second.output, second.threadId === thread.id],
    called: called.output,
    updated: [updated.name, updated.temperature, updated.tools],
    older: older.output,
    kept: kept.output,
    listed: listed.some(({ id }) => id === made.id),
    deleted: (await assistant("deleteAssistant", one))[0].deleted,
  }),
);
