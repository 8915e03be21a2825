// Chat with a model: streamed, with reasoning apart, tools, images, schemas and log probabilities.

import { events } from "../../lib/api.js";
import { add, button, card, checkbox, field, h, newId, setText, show } from "../../lib/dom.js";
import { modelField } from "../../lib/models.js";
import { runner } from "../../lib/runs.js";
import { parameters } from "./parameters.js";
import { tokenView } from "./tokens.js";

export function open(page) {
  return new Chat(page).start();
}

class Chat {
  constructor(page) {
    this.page = page;
    this.messages = []; // {role, content, …} as in the API, with the element that shows each
    this.images = [];
    this.model = modelField("chat", page.models, "gpt-4o");
    this.system = h("textarea", { rows: "2", placeholder: "You are …" });
    this.options = parameters();
    this.logprobs = checkbox("Log probabilities, shown for each token");
    this.said = h("div", { class: "chat", role: "log", "aria-label": "Conversation", "aria-live": "polite" });
    this.status = h("p", { class: "faint", role: "status" });
    this.input = h("textarea", { rows: "3", "aria-label": "Message", placeholder: "Say something. Enter sends, Shift Enter begins a line." });
    this.attached = h("ul", { class: "attached", "aria-label": "Attached images" });
    this.run = runner({ page, label: "Send", work: (signal) => this.send(signal) });
    this.again = button("Regenerate", () => this.regenerate(), { class: "quiet" });
    this.clear = button("Clear", () => this.reset(), { class: "quiet" });
  }

  start() {
    const file = h("input", { type: "file", accept: "image/*", multiple: true, class: "hidden", id: newId("images"), onchange: () => this.attach(file) });
    const attach = h("label", { class: "button quiet", for: file.id }, "Attach images");
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.run.start();
      }
    });
    const talk = h(
      "section",
      { class: "card", "aria-label": "Chat" },
      this.said,
      this.status,
      this.attached,
      this.input,
      h("div", { class: "row" }, this.run.go, this.run.stop, this.again, this.clear, h("span", { class: "attach" }, file, attach)),
    );
    const setup = card("Request", this.model.element, field("System prompt", this.system), this.logprobs.element, this.options.element);
    add(this.page.main, h("div", { class: "columns" }, talk, setup));
    this.draw();
    this.input.focus({ preventScroll: true });
  }

  attach(file) {
    for (const one of file.files) {
      const reader = new FileReader();
      reader.onload = () => {
        this.images.push({ name: one.name, url: reader.result });
        this.drawAttached();
      };
      reader.readAsDataURL(one);
    }
    file.value = "";
  }

  drawAttached() {
    const remove = (image) => {
      this.images = this.images.filter((one) => one !== image);
      this.drawAttached();
      this.input.focus();
    };
    show(
      this.attached,
      this.images.map((image) =>
        h("li", {}, h("img", { src: image.url, alt: image.name }), button("Remove", () => remove(image), { class: "quiet small", "aria-label": `Remove ${image.name}` })),
      ),
    );
  }

  async send(signal) {
    const text = this.input.value.trim();
    const isNew = Boolean(text || this.images.length);
    if (!isNew && (this.messages.at(-1)?.role ?? "assistant") === "assistant") return;
    if (isNew) {
      const images = this.images.map((one) => ({ type: "image_url", image_url: { url: one.url } }));
      this.messages.push({ role: "user", content: images.length ? [{ type: "text", text }, ...images] : text });
      this.input.value = "";
      this.images = [];
      this.drawAttached();
    }
    this.draw();
    await this.answer(signal);
  }

  regenerate() {
    if (this.run.isRunning()) return;
    while (this.messages.length && this.messages.at(-1).role === "assistant") this.messages.pop();
    if (!this.messages.length) return;
    this.draw();
    this.run.start();
  }

  reset() {
    if (this.run.isRunning()) return;
    this.messages = [];
    setText(this.status, "");
    this.draw();
    this.input.focus();
  }

  body() {
    const system = this.system.value.trim();
    const messages = this.messages.map(({ role, content, tool_calls, tool_call_id }) =>
      JSON.parse(JSON.stringify({ role, content, tool_calls, tool_call_id })),
    );
    return {
      model: this.model.input.value.trim(),
      messages: system ? [{ role: "system", content: system }, ...messages] : messages,
      stream: true,
      stream_options: { include_usage: true },
      ...(this.logprobs.box.checked ? { logprobs: true, top_logprobs: 5 } : {}),
      ...this.options.values(),
    };
  }

  async answer(signal) {
    const body = this.body();
    const answer = { role: "assistant", content: "", reasoning: "", tool_calls: [], tokens: [] };
    const view = answerView(answer);
    add(this.said, view.element);
    const began = performance.now();
    let first = null;
    let usage = null;
    let reason = null;
    setText(this.status, "Waiting for the answer…");
    try {
      for await (const chunk of events("v1/chat/completions", { json: body, signal })) {
        usage = chunk.usage ?? usage;
        const choice = chunk.choices?.[0];
        if (!choice) continue;
        reason = choice.finish_reason ?? reason;
        if (take(answer, choice)) first ??= performance.now();
        this.drawSoon(view);
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      reason = "stopped";
    } finally {
      view.end();
      if (answer.content || answer.reasoning || answer.tool_calls.length) this.messages.push(answer);
      else view.element.remove();
      this.controls();
      setText(this.status, summary({ began, first, usage, reason }));
    }
    if (answer.tool_calls.length) this.askForResults(answer);
  }

  // A place to type what the tools that the model called give.
  askForResults(answer) {
    const inputs = answer.tool_calls.map((call) => ({ call, input: h("textarea", { rows: "2" }) }));
    const form = h(
      "form",
      {
        class: "card",
        onsubmit: (event) => {
          event.preventDefault();
          for (const { call, input } of inputs) this.messages.push({ role: "tool", tool_call_id: call.id, content: input.value });
          this.draw();
          this.run.start();
        },
      },
      h("h3", {}, "Results of the tools"),
      inputs.map(({ call, input }) => field(`${call.function.name}(${call.function.arguments})`, input)),
      h("div", { class: "row" }, h("button", { type: "submit" }, "Send results")),
    );
    add(this.said, form);
    this.follow();
    inputs[0].input.focus();
  }

  draw() {
    const shown = this.messages.map((message) => (message.role === "assistant" ? answerView(message).element : messageView(message)));
    show(this.said, shown.length ? shown : h("p", { class: "empty" }, "Nothing has been said yet."));
    this.controls();
    this.follow();
  }

  controls() {
    this.again.disabled = !this.messages.length;
    this.clear.disabled = !this.messages.length;
  }

  // Once for each picture of the screen, however fast the model writes. Who has scrolled up to read
  // stays there.
  drawSoon(view) {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      const { scrollTop, scrollHeight, clientHeight } = this.said;
      this.isDrawing = false;
      view.update();
      if (scrollHeight - scrollTop - clientHeight < 40) this.follow();
    });
  }

  follow() {
    this.said.scrollTop = this.said.scrollHeight;
  }
}

// Adds what a chunk has to the answer. Returns whether it had something.
function take(answer, choice) {
  const delta = choice.delta ?? {};
  const reasoning = delta.reasoning_content ?? delta.reasoning ?? "";
  answer.reasoning += reasoning;
  answer.content += delta.content ?? delta.refusal ?? "";
  for (const part of delta.tool_calls ?? []) {
    const call = (answer.tool_calls[part.index] ??= { id: "", type: "function", function: { name: "", arguments: "" } });
    call.id ||= part.id ?? "";
    call.function.name += part.function?.name ?? "";
    call.function.arguments += part.function?.arguments ?? "";
  }
  answer.tokens.push(...(choice.logprobs?.content ?? []));
  return Boolean(reasoning || delta.content || delta.tool_calls);
}

function messageView(message) {
  const parts = Array.isArray(message.content) ? message.content : [{ type: "text", text: message.content }];
  const names = { user: "You", tool: "Tool" };
  const labels = { user: "Your message", tool: "Result of a tool" };
  return h(
    "article",
    { class: `message ${message.role}`, "aria-label": labels[message.role] },
    h("h3", {}, names[message.role]),
    parts.map((part) => (part.type === "text" ? h("pre", { class: "text" }, part.text) : h("img", { src: part.image_url.url, alt: "Attached image" }))),
  );
}

function answerView(answer) {
  const text = h("pre", { class: "text" });
  const thought = h("pre", { class: "text" });
  const reasoning = h("details", { class: "reasoning" }, h("summary", {}, "Reasoning"), thought);
  const calls = h("div");
  const tokens = h("div");
  const element = h("article", { class: "message assistant", "aria-label": "Answer", "aria-busy": "true" }, h("h3", {}, "Model"), reasoning, text, calls, tokens);
  const update = () => {
    setText(text, answer.content);
    setText(thought, answer.reasoning);
    reasoning.hidden = !answer.reasoning;
    text.hidden = !answer.content;
    show(calls, answer.tool_calls.map((call) => h("pre", { class: "call" }, `${call.function.name}(${call.function.arguments})`)));
  };
  const end = () => {
    update();
    element.removeAttribute("aria-busy");
    if (answer.tokens.length) show(tokens, tokenView(answer.tokens));
  };
  update();
  if (answer.content || answer.reasoning || answer.tool_calls.length) end();
  return { element, update, end };
}

function summary({ began, first, usage, reason }) {
  const seconds = (performance.now() - began) / 1000;
  const parts = [reason === "stopped" ? "Stopped" : `Finished: ${reason ?? "no reason"}`];
  if (first !== null) parts.push(`first token after ${((first - began) / 1000).toFixed(2)} s`);
  if (usage) {
    const writing = first === null ? seconds : (performance.now() - first) / 1000;
    parts.push(`${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
    if (writing > 0.05) parts.push(`${(usage.completion_tokens / writing).toFixed(1)} tokens/s`);
  }
  parts.push(`${seconds.toFixed(1)} s`);
  return `${parts.join(", ")}.`;
}

