// Vector stores and assistants by the official client for Node: its helpers that poll and those
// that stream. CLIENT names one of its versions. They read OPENAI_BASE_URL and OPENAI_API_KEY.
const name = process.env.CLIENT;
const { default: OpenAI, toFile } = await import(name);
const { VERSION } = await import(`${name}/version`);

const client = new OpenAI();
const older = VERSION.startsWith("4.");
const { assistants, threads } = client.beta;
const stores = client.vectorStores;
const weather = { type: "function", function: { name: "get_weather" } };
const EVENTS = ["runStep", "message", "text", "toolCall"]
  .flatMap((name) => ["Created", "Delta", "Done"].map((what) => name + what))
  .concat("end");
const hello = { role: "user", content: "Hello there." };

// The arguments for an object of a thread or of a store: version 4 has the longer id first.
const inThread = (thread, id, body = {}) =>
  older ? [thread, id, body] : [id, { thread_id: thread, ...body }];
const inStore = (store, id, body = {}) =>
  older ? [store, id, body] : [id, { vector_store_id: store, ...body }];
const deleted = async (resource, ...ids) =>
  (await (older ? resource.del(...ids) : resource.delete(...ids))).deleted;
const file = (text, name) => toFile(Buffer.from(text), name);
const texts = (message) => message.content.map((part) => part.text.value);

async function uploaded(text) {
  return (await client.files.create({ file: await file(text, "a.txt"), purpose: "assistants" })).id;
}

async function files(store) {
  const polled = { pollIntervalMs: 20 };
  const named = (animal, does) => file(`${animal} ${does}.`, `${animal.toLowerCase()}.txt`);
  const cats = await stores.files.uploadAndPoll(store, await named("Cats", "sleep"), polled);
  const dogs = await stores.files.upload(store, await named("Dogs", "bark"));
  const owls = await stores.files.createAndPoll(store, { file_id: await uploaded("Owls fly.") });
  const attributes = { of: "cats" };
  const changed = await stores.files.update(...inStore(store, cats.id, { attributes }));
  const content = await stores.files.content(...inStore(store, cats.id));
  const listed = [];
  for await (const one of stores.files.list(store, { limit: 2 })) listed.push(one.id);
  return {
    files: [cats.status, (await stores.files.poll(store, dogs.id, polled)).status, owls.status],
    attributes: changed.attributes,
    content: content.data.map((part) => part.text),
    listed: listed.length,
    fileDeleted: await deleted(stores.files, ...inStore(store, owls.id)),
  };
}

async function batches(store) {
  const { fileBatches } = stores;
  const ids = [await uploaded("one"), await uploaded("two")];
  const both = await fileBatches.createAndPoll(store, { file_ids: ids });
  const documents = [await file("# One", "x.md"), await file("# Two", "y.md")];
  const more = await fileBatches.uploadAndPoll(store, { files: documents, fileIds: ids });
  const listed = await fileBatches.listFiles(...inStore(store, more.id));
  const over = await fileBatches.cancel(...inStore(store, more.id));
  return {
    batches: [both.file_counts.completed, more.file_counts.completed, listed.data.length],
    cancelled: over.status,
  };
}

async function searched() {
  const store = (await stores.create({ name: "animals" })).id;
  const seen = { ...(await files(store)), ...(await batches(store)) };
  const found = await stores.search(store, {
    query: "Who sleeps?",
    filters: { type: "eq", key: "of", value: "cats" },
  });
  const [result] = found.data;
  seen.found = [result.filename, result.content[0].text];
  seen.renamed = (await stores.update(store, { name: "beasts" })).name;
  seen.deleted = await deleted(stores, store);
  return seen;
}

// The events of a stream in the order of their first ones, and its messages.
async function events(stream) {
  const seen = new Set();
  for (const event of EVENTS) stream.on(event, () => seen.add(event));
  const messages = await stream.finalMessages();
  await stream.done();
  return [[...seen], messages.map(texts)];
}

const call = (run) => run.required_action.submit_tool_outputs.tool_calls[0];
const outputs = (run) => ({ tool_outputs: [{ tool_call_id: call(run).id, output: "It rains." }] });

async function talked() {
  const assistant = await assistants.create({ model: "echo", tools: [weather] });
  const asked = { assistant_id: assistant.id };
  const thread = (await threads.create({ messages: [hello] })).id;
  const run = await threads.runs.createAndPoll(thread, asked);
  const seen = { run: run.status, stream: await events(threads.runs.stream(thread, asked)) };
  const required = { ...asked, tool_choice: "required" };
  const calling = threads.runs.stream(thread, required);
  seen.calling = (await events(calling))[0];
  const called = await calling.finalRun();
  seen.tool = call(called).function.name;
  const told = inThread(thread, called.id, outputs(called));
  seen.told = (await events(threads.runs.submitToolOutputsStream(...told)))[1];
  const again = await threads.runs.createAndPoll(thread, required);
  const ended = await threads.runs.submitToolOutputsAndPoll(
    ...inThread(thread, again.id, outputs(again)),
  );
  const steps = [];
  for await (const step of threads.runs.steps.list(...inThread(thread, again.id))) {
    steps.push(step.type);
  }
  const kept = await threads.messages.list(thread, { order: "asc" });
  const fresh = { ...asked, thread: { messages: [hello] } };
  const polled = await threads.createAndRunPoll(fresh);
  const read = [];
  for await (const event of threads.createAndRunStream(fresh)) read.push(event.event);
  return {
    ...seen,
    steps,
    ended: [ended.status, polled.status],
    messages: kept.data.map((message) => texts(message)[0]),
    read: [read[0], read.at(-1)],
    threadDeleted: await deleted(threads, thread),
    assistantDeleted: await deleted(assistants, assistant.id),
  };
}

console.log(JSON.stringify({ version: VERSION, ...(await searched()), ...(await talked()) }));
