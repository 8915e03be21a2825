"""The tool `code_interpreter`, in containers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from openedai.api.openai.responses.input.media import Located
from openedai.api.openai.responses.input.served import AutoContainer, CodeInterpreterTool
from openedai.api.openai.responses.input.served_items import CodeInterpreterCall
from openedai.api.openai.responses.output.open_code import CodeResult
from openedai.api.openai.responses.tools import CallableTool, CallableTools
from openedai.api.openai.responses.types import ResponseRequest
from openedai.errors import NotFound
from openedai.http.exchange import Exchange
from openedai.serving.call import Call
from openedai.serving.containers.service import ContainerService
from openedai.serving.tools.code_interpreter import NO_CODE
from openedai.serving.tools.failed import ToolFailed
from openedai.store.containers import PREFIX, Container, ContainerFields
from openedai.store.ids import ordered_id

_NAME = "auto"


class CodePlacing:
    """Finds the container of a request's tool. A new one is made by the first call."""

    def __init__(self, containers: ContainerService) -> None:
        self._containers = containers

    async def unavailable(self) -> str | None:
        """Why code cannot be run; None if it can."""
        return await self._containers.unavailable()

    async def place(
        self, owner: str, tools: CallableTools, items: Sequence[Located]
    ) -> CallableTools:
        """The tools with their containers. Raises InvalidRequest for containers and files that
        cannot be used.
        """
        placed = [
            replace(tool, container=await self._container(owner, tool.path, tool.served, items))
            if isinstance(tool.served, CodeInterpreterTool)
            else tool
            for tool in tools.tools
        ]
        return replace(tools, tools=tuple(placed))

    async def _container(
        self, owner: str, path: str, tool: CodeInterpreterTool, items: Sequence[Located]
    ) -> str:
        given, param = tool.container, f"{path}.container"
        if isinstance(given, str):
            try:
                return (await self._containers.running(owner, given)).id
            except NotFound as error:
                raise NotFound(error.message, param=param) from None
        self._containers.check_memory(given.memory_limit, f"{param}.memory_limit")
        await self._containers.kept_files(owner, given.file_ids or (), f"{param}.file_ids")
        for _, item in reversed(items):
            if isinstance(item, CodeInterpreterCall):
                try:
                    return (await self._containers.running(owner, item.container_id)).id
                except NotFound:
                    break
        return ordered_id(PREFIX)


class CodeRunner:
    def __init__(self, containers: ContainerService) -> None:
        self._containers = containers

    async def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[CodeResult, None]:
        code, served = arguments.get("code"), tool.served
        assert isinstance(served, CodeInterpreterTool)
        if not isinstance(code, str) or not code.strip():
            raise ToolFailed(NO_CODE)
        container = await self._container(call.exchange, tool.container, served)
        outcome = await self._containers.run(container, code)
        yield CodeResult(
            outcome.tool_output, outcome.failed, outcome.logs, outcome.ran.images, outcome.files
        )

    async def _container(self, exchange: Exchange, id: str, tool: CodeInterpreterTool) -> Container:
        """The container, with the files of the tool; it is made now if it does not exist."""
        if not isinstance(tool.container, AutoContainer):
            return await self._containers.running(exchange.owner, id)
        ids = tool.container.file_ids or ()
        files = await self._containers.kept_files(exchange.owner, ids, "file_ids")
        fields = ContainerFields(memory=tool.container.memory_limit or "1g")
        return await self._containers.ready(exchange, _NAME, fields, files, id)
