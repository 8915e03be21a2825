"""OpenAI's Agents SDK: tools that the server runs, with approvals and without, and streams."""

import asyncio
import json
import os
from importlib.metadata import version

from agents import Agent, FileSearchTool, HostedMCPTool, Runner, set_tracing_disabled

set_tracing_disabled(True)

asked = []


def call(name, **arguments):
    """What makes the model call a tool: it says what the user said."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def approve(request):
    asked.append(request.data.name)
    return {"approve": request.data.name == "add", "reason": "It is not to be deleted."}


def hosted(approval):
    config = {
        "type": "mcp",
        "server_label": "files",
        "server_url": os.environ["MCP_URL"],
        "authorization": "secret",
        "require_approval": approval,
    }
    return HostedMCPTool(tool_config=config, on_approval_request=approve)


files = FileSearchTool(
    vector_store_ids=[os.environ["STORE"]], max_num_results=1, include_search_results=True
)
searching = Agent(name="Librarian", model="echo", tools=[files])
trusting = Agent(name="Trusting", model="echo", tools=[hosted("never")])
careful = Agent(name="Careful", model="echo", tools=[hosted("always")])
SEARCH = call("file_search", query="quick fox")


def shown(result):
    """The answer, the types of all items, and what is cited or was found."""
    items = [item.raw_item for item in result.new_items]
    found = [one.filename for item in items for one in getattr(item, "results", None) or []]
    messages = [item for item in items if getattr(item, "type", "") == "message"]
    parts = [part for message in messages for part in message.content]
    cited = [[one.filename, one.index] for part in parts for one in part.annotations]
    types = [item["type"] if isinstance(item, dict) else item.type for item in items]
    return {"answer": result.final_output, "types": types, "found": found, "cited": cited}


async def streamed():
    result = Runner.run_streamed(searching, SEARCH)
    async for _ in result.stream_events():
        pass
    return shown(result)


async def main():
    allowed = await Runner.run(careful, call("files__add", a=1, b=2))
    denied = await Runner.run(careful, call("files__delete", path="a"))
    seen = {
        "version": version("openai-agents"),
        "search": shown(await Runner.run(searching, SEARCH)),
        "streamed": await streamed(),
        "mcp": shown(await Runner.run(trusting, call("files__add", a=1, b=2)))["answer"],
        "allowed": allowed.final_output,
        "denied": denied.final_output,
        "asked": asked,
    }
    print(json.dumps(seen))


asyncio.run(main())
