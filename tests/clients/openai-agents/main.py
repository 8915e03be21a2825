"""OpenAI's Agents SDK: tools, handoffs, streams, sessions, compaction, WebSockets."""

import asyncio
import json
from importlib.metadata import version

from agents import (
    Agent,
    OpenAIConversationsSession,
    OpenAIProvider,
    OpenAIResponsesCompactionSession,
    RunConfig,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)

set_tracing_disabled(True)


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def call(name, **arguments):
    """What makes the model call a tool: it says what the user said."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


WEATHER = call("get_weather", city="Paris")
spanish = Agent(name="Spanish", model="echo", instructions="Speak Spanish.")
agent = Agent(name="Guide", model="echo", tools=[get_weather], handoffs=[spanish])


async def streamed(config=None):
    result = Runner.run_streamed(agent, WEATHER, run_config=config)
    types = [event.data.type async for event in result.stream_events() if hasattr(event, "data")]
    return {"answer": result.final_output, "completed": types.count("response.completed")}


async def main():
    tool = await Runner.run(agent, WEATHER)
    handed = await Runner.run(agent, call("transfer_to_spanish"))
    session = OpenAIConversationsSession()
    await Runner.run(agent, "My name is Ann.", session=session)
    await Runner.run(agent, "And yours?", session=session)
    kept = await session.get_items()
    compacted = OpenAIResponsesCompactionSession(
        session_id="compacted", underlying_session=SQLiteSession("compacted"), model="gpt-4.1"
    )
    await Runner.run(agent, "My name is Ann.", session=compacted)
    await compacted.run_compaction({"force": True, "compaction_mode": "input"})
    short = await compacted.get_items()
    after = await Runner.run(agent, "Good bye.", session=compacted)
    sockets = RunConfig(model_provider=OpenAIProvider(use_responses_websocket=True))
    seen = {
        "version": version("openai-agents"),
        "tool": tool.final_output,
        "handoff": handed.last_agent.name,
        "stream": await streamed(),
        "socket": await streamed(sockets),
        "conversation": len(kept),
        "compacted": [item.get("type") for item in short],
        "after": after.final_output,
    }
    print(json.dumps(seen))


asyncio.run(main())
