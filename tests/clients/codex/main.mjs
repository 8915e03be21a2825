// Codex CLI, over HTTP and over WebSocket: it runs the command that the model asks for.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";

const codex = (args) => {
  const done = spawnSync("node_modules/.bin/codex", args, {
    env: { ...process.env, CODEX_HOME: `${process.env.HOME}/codex` },
    encoding: "utf-8",
    timeout: 120000,
  });
  if (done.status !== 0) throw new Error(`${done.stdout}\n${done.stderr}`);
  return done.stdout;
};

mkdirSync(`${process.env.HOME}/codex`, { recursive: true });

const provider = (settings) =>
  Object.entries(settings).flatMap(([name, value]) => [
    "-c",
    `model_providers.openedai.${name}=${JSON.stringify(value)}`,
  ]);

function run(name, sockets) {
  const folder = `${process.env.HOME}/${name}`;
  mkdirSync(folder);
  const call = { name: "exec_command", arguments: { cmd: "echo made by codex | tee made.txt" } };
  const output = codex([
    "exec",
    "--json",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    "-C",
    folder,
    "-c",
    'model="big"',
    "-c",
    'model_provider="openedai"',
    ...provider({
      name: "OpenedAI",
      base_url: process.env.OPENAI_BASE_URL,
      env_key: "OPENAI_API_KEY",
      wire_api: "responses",
      supports_websockets: sockets,
    }),
    `<tool_call>${JSON.stringify(call)}</tool_call>`,
  ]);
  const items = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((event) => event.type === "item.completed")
    .map((event) => event.item);
  const said = items.filter((item) => item.type === "agent_message");
  const file = `${folder}/made.txt`;
  return {
    made: existsSync(file) ? readFileSync(file, "utf-8") : "",
    commands: items.filter((item) => item.type === "command_execution").length,
    answer: said.length ? said[said.length - 1].text : "",
  };
}

const version = codex(["--version"]).trim().split(" ").at(-1);
console.log(JSON.stringify({ version, http: run("http", false), socket: run("socket", true) }));
