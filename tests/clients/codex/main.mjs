// Codex CLI: a task over HTTP, and one over WebSocket. SHORT says that the prompt is to be short.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const home = `${process.env.HOME}/codex`;
const codex = (args) => {
  const done = spawnSync("node_modules/.bin/codex", args, {
    env: { ...process.env, CODEX_HOME: home },
    encoding: "utf-8",
    timeout: Number(process.env.SECONDS) * 1000,
  });
  if (done.status !== 0) throw new Error(`${done.stdout}\n${done.stderr}`);
  return done.stdout;
};

mkdirSync(home, { recursive: true });
if (process.env.SHORT)
  for (const file of ["config.toml", "models.json"]) copyFileSync(file, `${home}/${file}`);

const provider = (settings) =>
  Object.entries(settings).flatMap(([name, value]) => [
    "-c",
    `model_providers.openedai.${name}=${JSON.stringify(value)}`,
  ]);

function run(name, sockets, task) {
  const folder = `${process.env.HOME}/${name}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/notes.txt`, "a\nb\nc\nd\ne\nf\ng\n");
  const started = Date.now();
  const output = codex([
    "exec",
    "--json",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    "-C",
    folder,
    "-c",
    `model="${process.env.MODEL}"`,
    "-c",
    'model_provider="openedai"',
    ...provider({
      name: "OpenedAI",
      base_url: process.env.OPENAI_BASE_URL,
      env_key: "OPENAI_API_KEY",
      wire_api: "responses",
      supports_websockets: sockets,
    }),
    task,
  ]);
  const items = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((event) => event.type === "item.completed")
    .map((event) => event.item);
  const said = items.filter((item) => item.type === "agent_message");
  const commands = items.filter((item) => item.type === "command_execution");
  const file = `${folder}/made.txt`;
  return {
    made: existsSync(file) ? readFileSync(file, "utf-8") : "",
    outputs: commands.map((item) => item.aggregated_output),
    answer: said.length ? said[said.length - 1].text : "",
    seconds: (Date.now() - started) / 1000,
  };
}

const tasks = JSON.parse(process.env.TASKS);
const version = codex(["--version"]).trim().split(" ").at(-1);
const http = run("http", false, tasks.http);
console.log(JSON.stringify({ version, http, socket: run("socket", true, tasks.socket) }));
