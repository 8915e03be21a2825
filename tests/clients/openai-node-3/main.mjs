// openai 3 for Node, as many older apps still use it. It reads no variable for the address.
import { readFileSync } from "node:fs";
import openai from "openai";

const { Configuration, OpenAIApi } = openai;
const client = new OpenAIApi(
  new Configuration({
    apiKey: process.env.OPENAI_API_KEY,
    basePath: process.env.OPENAI_API_BASE,
  }),
);
const asked = { model: "gpt-3.5-turbo", max_tokens: 5, temperature: 0 };
const messages = [{ role: "user", content: "List count from 1 to 100." }];

// Its streams are those of axios: the app reads the frames itself.
async function streamed(answer) {
  let text = "";
  let rest = "";
  for await (const piece of answer.data) {
    rest += piece;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      text += JSON.parse(line.slice(6)).choices[0].delta.content ?? "";
    }
  }
  return text;
}

async function failing() {
  try {
    await client.createCompletion({ model: "nope", prompt: "x" });
  } catch (error) {
    return [error.response.status, error.response.data.error.code];
  }
}

const chat = await client.createChatCompletion({ ...asked, messages });
const stream = await client.createChatCompletion(
  { ...asked, messages, stream: true },
  { responseType: "stream" },
);
const completion = await client.createCompletion({ ...asked, prompt: "one two three" });
const embedding = await client.createEmbedding({
  model: "text-embedding-ada-002",
  input: ["one", "two"],
});
const models = await client.listModels();
console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync("node_modules/openai/package.json")).version,
    chat: chat.data.choices[0].message.content,
    stream: await streamed(stream),
    model: chat.data.model,
    completion: completion.data.choices[0].text,
    tokens: completion.data.usage.completion_tokens,
    embeddings: embedding.data.data.map((row) => row.embedding.length),
    models: models.data.data.map((model) => model.id),
    retrieved: (await client.retrieveModel("gpt-4")).data.id,
    error: await failing(),
  }),
);
