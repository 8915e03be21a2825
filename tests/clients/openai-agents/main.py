"""OpenAI's Agents SDK: tools, handoffs, streams, typed output, sessions, compaction, WebSockets."""

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
from pydantic import BaseModel

set_tracing_disabled(True)


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def call(name, **arguments):
    """What makes the model call a tool: it says what the user said."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


WEATHER = call("get_weather", city="Paris")


class Weather(BaseModel):
    city: str
    sunny: bool


spanish = Agent(name="Spanish", model="echo", instructions="Speak Spanish.")
agent = Agent(name="Guide", model="echo", tools=[get_weather], handoffs=[spanish])
typed = Agent(name="Typed", model="echo", output_type=Weather)
revealing = Agent(name="Revealing", model="reveal")  # It says what it gets.


async def streamed(config=None):
    result = Runner.run_streamed(agent, WEATHER, run_config=config)
    types = [event.data.type async for event in result.stream_events() if hasattr(event, "data")]
    return {"answer": result.final_output, "completed": types.count("response.completed")}


async def conversed():
    session = OpenAIConversationsSession()
    await Runner.run(agent, WEATHER, session=session)
    heard = await Runner.run(revealing, "And yours?", session=session)
    items = await session.get_items()
    await session.clear_session()
    return {"items": len(items), "heard": "It rains in Paris." in heard.final_output}


async def chained():
    first = await Runner.run(agent, "My name is Ann.")
    second = await Runner.run(
        revealing, "What is my name?", previous_response_id=first.last_response_id
    )
    return "My name is Ann." in second.final_output


async def compacted(mode):
    session = OpenAIResponsesCompactionSession(
        session_id=mode,
        underlying_session=SQLiteSession(mode),
        model="gpt-4.1",
        compaction_mode=mode,
    )
    await Runner.run(agent, "My name is Ann.", session=session)
    await session.run_compaction({"force": True})
    items = [item.get("type") for item in await session.get_items()]
    after = await Runner.run(revealing, "What is my name?", session=session)
    return {"items": items, "heard": "My name is Ann." in after.final_output}


async def main():
    tool = await Runner.run(agent, WEATHER)
    handed = await Runner.run(agent, call("transfer_to_spanish"))
    parsed = await Runner.run(typed, '{"city": "Paris", "sunny": true}')
    sockets = RunConfig(model_provider=OpenAIProvider(use_responses_websocket=True))
    seen = {
        "version": version("openai-agents"),
        "unnamed": (await Runner.run(Agent(name="Unnamed"), "Good morning.")).final_output,
        "tool": tool.final_output,
        "handoff": handed.last_agent.name,
        "typed": parsed.final_output.model_dump(),
        "stream": await streamed(),
        "socket": await streamed(sockets),
        "conversation": await conversed(),
        "chained": await chained(),
        "compacted": {mode: await compacted(mode) for mode in ("input", "previous_response_id")},
    }
    print(json.dumps(seen))


asyncio.run(main())
