// chatgpt-api: a conversation of two turns, the second one streamed.
import { readFileSync } from "node:fs";
import { ChatGPTAPI } from "chatgpt";

const api = new ChatGPTAPI({
  apiKey: process.env.OPENAI_API_KEY,
  apiBaseUrl: process.env.OPENAI_API_BASE,
  completionParams: { temperature: 0, max_tokens: 30 },
});
const first = await api.sendMessage("My name is Ada. Say hello.");
let pieces = 0;
const second = await api.sendMessage("Say it again.", {
  parentMessageId: first.id,
  onProgress: () => (pieces += 1),
});
let error = null;
try {
  await api.sendMessage("x", { completionParams: { model: "nope" } });
} catch (caught) {
  error = [caught.constructor.name, caught.statusCode];
}
console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync("node_modules/chatgpt/package.json")).version,
    first: first.text,
    second: second.text,
    model: first.detail.model,
    tokens: first.detail.usage.prompt_tokens,
    ids: [first.id, second.id],
    pieces,
    error,
  }),
);
