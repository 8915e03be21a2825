"""One response in several turns of the model, between which its tool calls are run."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from openedai.api.openai.responses.approvals import approved_calls
from openedai.api.openai.responses.choices import choose
from openedai.api.openai.responses.input.tools import AllowedTools
from openedai.api.openai.responses.output.open_mcp import OpenMcpCall, OpenMcpList
from openedai.api.openai.responses.output.open_served import ToolResult
from openedai.api.openai.responses.output.steps import (
    Begun,
    Ended,
    Progressed,
    Step,
    Stepped,
    ToolsFound,
    TurnEnded,
)
from openedai.api.openai.responses.prepare import Prepared
from openedai.api.openai.responses.served.mcp import callable_tool, known_list
from openedai.api.openai.responses.served.toolkit import Runners
from openedai.api.openai.responses.tools import CallableTool, CallableTools
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.generation.tools import Toolset
from openedai.contract.chat import Chat, Message, ToolCall
from openedai.contract.generate import (
    Finish,
    FinishReason,
    GenerateEvent,
    GenerateRequest,
    ToolCallDelta,
    Usage,
)
from openedai.errors import APIError, ContextLengthExceeded
from openedai.http.uses import ToolUse
from openedai.serving.call import Call
from openedai.serving.outcome import Indexed, Outcome
from openedai.serving.tools.failed import ToolFailed

MAX_CALLS = 128  # in a response that gives no limit
_MAX_TEXT = 200_000  # characters of what a tool returns

Generate = Callable[[GenerateRequest], AsyncGenerator[Indexed, None]]
"""One turn of the model."""


class Turns:
    """The turns of one response, and the tools that `runners` run before and between them."""

    def __init__(
        self,
        call: Call[ResponseRequest],
        prepared: Prepared,
        generate: Generate,
        runners: Runners,
    ) -> None:
        assert isinstance(prepared.request.prompt, Chat)
        self._call = call
        self._generate = generate
        self._runners = runners
        self._located = prepared.located
        self._tools = prepared.tools
        self._request = prepared.request
        self._chat = prepared.request.prompt
        self._calls_left = call.body.max_tool_calls or MAX_CALLS
        self._usages: list[Usage] = []

    async def run(self) -> AsyncGenerator[Stepped, None]:
        """The events of all turns, those of the tools between them, and one `Finish` for all of it.

        Closing the iterator stops the model or the running tool. A tool that fails does not end the
        response.
        """
        async with aclosing(self._begin()) as steps:
            async for step in steps:
                yield 0, step
        while True:
            turn = _Turn(self._tools, self._calls_left)
            try:
                async with aclosing(self._generate(self._next_request())) as events:
                    async for index, event in events:
                        if turn.add(event):
                            yield index, event
            except ContextLengthExceeded:
                if not self._usages:
                    raise
                yield 0, self._finish("length")  # what the tools returned does not fit
                return
            finish = turn.outcome.finish
            self._usages.append(finish.usage)
            self._calls_left -= len(turn.to_run)
            if finish.reason != "tool_calls" or not turn.to_run:
                yield 0, self._finish(finish.reason)
                return
            yield 0, TurnEnded()
            results: dict[str, str] = {}
            for tool, tool_call in turn.to_run:
                async with aclosing(self._run_tool(tool, tool_call)) as steps:
                    async for step in steps:
                        yield 0, step
                        _note(step, results)
            if turn.is_for_client:
                yield 0, self._finish("tool_calls")
                return
            if not self._go_on(turn.outcome, results):
                yield 0, self._finish("length")
                return

    async def _begin(self) -> AsyncGenerator[Step, None]:
        """What comes before the first turn: the tools of servers, and the calls that the client has
        approved.
        """
        mcp = self._runners.mcp
        if mcp is None or not self._tools.servers:
            return
        found: list[CallableTool] = []
        for path, server in self._tools.servers:
            if known_list(self._located, server) is not None:
                continue  # the model knows them already
            label = server.server_label
            yield Begun(partial(OpenMcpList, key=label))
            result = await mcp.list_tools(server)
            yield Ended(label, result)
            found += [callable_tool(server, path, one) for one in result.tools]
        self._tools = self._tools.with_tools(found)
        yield ToolsFound(self._tools)
        body = self._call.body
        chosen = choose(self._tools, body.tool_choice, body.parallel_tool_calls)
        self._offer(chosen)
        for tool, approved in approved_calls(self._located, self._tools):
            results: dict[str, str] = {}
            id, given = approved.id, approved.arguments
            yield Begun(partial(OpenMcpCall, key=id, tool=tool, approval=id, given=given))
            async with aclosing(self._run_tool(tool, approved)) as steps:
                async for step in steps:
                    yield step
                    _note(step, results)
            self._add(Message(role="assistant", tool_calls=(approved,)), results)

    def _next_request(self) -> GenerateRequest:
        limit = self._request.max_tokens
        if limit is not None:
            limit -= sum(usage.completion_tokens for usage in self._usages)
        return replace(self._request, prompt=self._chat, max_tokens=limit)

    async def _run_tool(
        self, tool: CallableTool, tool_call: ToolCall
    ) -> AsyncGenerator[Step, None]:
        exchange = self._call.exchange
        began = exchange.seconds
        try:
            if self._tools.of_function(tool.function.name) is not tool:
                raise ToolFailed("There is no such tool, or it is not allowed.")
            runner = self._runners.by_type[tool.type]
            arguments = _arguments(tool_call)
            async with aclosing(runner.run(self._call, tool, arguments)) as news:
                async for update in news:
                    if isinstance(update, ToolResult):
                        yield Ended(tool_call.id, _bounded(update))
                    else:
                        yield Progressed(tool_call.id, update)
        except (ToolFailed, APIError) as error:
            message = error.message if isinstance(error, APIError) else str(error)
            yield Ended(tool_call.id, ToolResult(f"Error: {message}", failed=message))
        finally:
            exchange.tools.append(ToolUse(tool.type, began, exchange.seconds))

    def _go_on(self, outcome: Outcome, results: Mapping[str, str]) -> bool:
        """Prepare the conversation for the next turn; False if no token is left for it."""
        made = [call for call in outcome.tool_calls if call.id in results]
        answer = Message(
            role="assistant",
            content=outcome.text,
            reasoning=outcome.reasoning or None,
            tool_calls=tuple(made),
        )
        self._add(answer, results)
        self._offer(self._choice())
        limit = self._next_request().max_tokens
        return limit is None or limit > 0

    def _add(self, answer: Message, results: Mapping[str, str]) -> None:
        """Add to the conversation what the model wrote, and what its calls returned."""
        outputs = [
            Message(role="tool", content=results[call.id], tool_call_id=call.id)
            for call in answer.tool_calls
        ]
        self._chat = replace(self._chat, messages=(*self._chat.messages, answer, *outputs))

    def _offer(self, chosen: Toolset) -> None:
        """Let the model call these tools."""
        self._chat = replace(
            self._chat,
            tools=chosen.tools,
            call_required=chosen.required,
            parallel_calls=chosen.parallel,
        )

    def _choice(self) -> Toolset:
        """What the model may call from its second turn onwards: then no call is required."""
        choice, parallel = self._call.body.tool_choice, self._call.body.parallel_tool_calls
        allowed = choice if isinstance(choice, AllowedTools) else None
        if allowed is not None:
            allowed = allowed.model_copy(update={"mode": "auto"})
        chosen = choose(self._tools, allowed, parallel)
        if self._calls_left > 0:
            return chosen
        left = tuple(tool for tool in chosen.tools if not self._is_served(tool.name))
        return Toolset(left, parallel=chosen.parallel)

    def _is_served(self, name: str) -> bool:
        tool = self._tools.of_function(name)
        return tool is not None and tool.served is not None

    def _finish(self, reason: FinishReason) -> Finish:
        """The end of the response, with the usage of all its turns."""
        return Finish(
            reason=reason,
            usage=Usage(
                prompt_tokens=sum(usage.prompt_tokens for usage in self._usages),
                completion_tokens=sum(usage.completion_tokens for usage in self._usages),
                cached_tokens=sum(usage.cached_tokens for usage in self._usages),
                reasoning_tokens=sum(usage.reasoning_tokens for usage in self._usages),
            ),
        )


class _Turn:
    """One turn of the model so far. At most `calls_left` calls are run here; others are ignored."""

    def __init__(self, tools: CallableTools, calls_left: int) -> None:
        self.outcome = Outcome()
        self.is_for_client = False
        self._tools = tools
        self._calls_left = calls_left
        self._to_run: dict[int, CallableTool] = {}
        self._ignored: set[int] = set()

    @property
    def to_run(self) -> list[tuple[CallableTool, ToolCall]]:
        """The calls that the server runs, in order."""
        calls = self.outcome.tool_calls
        return [(tool, calls[index]) for index, tool in self._to_run.items()]

    def add(self, event: GenerateEvent) -> bool:
        """Add an event. Returns whether it is for the builder."""
        self.outcome.add(event)
        if isinstance(event, ToolCallDelta):
            if event.name:
                self._add_call(event)
            return event.index not in self._ignored
        return not isinstance(event, Finish)

    def _add_call(self, event: ToolCallDelta) -> None:
        tool = self._tools.of_function(event.name)
        if tool is None or not tool.runs_here:
            self.is_for_client = True
        elif len(self._to_run) < self._calls_left:
            self._to_run[event.index] = tool
        else:
            self._ignored.add(event.index)


def _note(step: Step, results: dict[str, str]) -> None:
    """If a tool has ended, note what it returned, by the id of its call."""
    if isinstance(step, Ended):
        results[step.key] = step.result.text


def _arguments(tool_call: ToolCall) -> dict[str, Any]:
    """The arguments as an object. Raises ToolFailed if they are not one."""
    try:
        return msgspec.json.decode(tool_call.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise ToolFailed("The arguments are not valid JSON of an object.") from None


def _bounded(result: ToolResult) -> ToolResult:
    if len(result.text) <= _MAX_TEXT:
        return result
    return dataclasses.replace(result, text=f"{result.text[:_MAX_TEXT]}\n(The rest was left out.)")
