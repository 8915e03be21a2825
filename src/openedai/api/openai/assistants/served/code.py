"""The tool `code_interpreter`: one container for each thread, and files for what code has made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.contract.chat import Tool
from openedai.errors import APIError, NotFound
from openedai.http.exchange import Exchange
from openedai.http.uses import ToolUse
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.serving.containers.outcome import CodeOutcome
from openedai.serving.containers.service import ContainerService, paths_of
from openedai.serving.tools.code_interpreter import CODE_INTERPRETER, NO_CODE
from openedai.serving.tools.failed import ToolFailed
from openedai.store.assistants.runs import Run
from openedai.store.containers import PREFIX, Container, ContainerFields
from openedai.store.files import FileRecord
from openedai.store.ids import ordered_id

CODE = CODE_INTERPRETER.name
_MINUTES = 60  # after which the container of a thread expires, unless it is used
_NAME = "thread"


@dataclass(frozen=True)
class CodeRan:
    """The outcome of running code. `images` and `files` are ids of files, the latter by their paths
    in the container; the model reads `tool_output`.
    """

    code: str
    tool_output: str
    logs: str = ""
    images: Sequence[str] = ()
    files: Sequence[tuple[str, str]] = ()

    def outputs(self) -> list[dict[str, Any]]:
        logs = [{"type": "logs", "logs": self.logs}] if self.logs else []
        return [*logs, *({"type": "image", "image": {"file_id": id}} for id in self.images)]

    def shown(self, id: str) -> dict[str, Any]:
        """The call as its step stores it, including what only the model and later messages need."""
        files = [{"path": path, "file_id": id} for path, id in self.files]
        call = {
            "input": self.code,
            "outputs": self.outputs(),
            "tool_output": self.tool_output,
            "files": files,
        }
        return {"id": id, "type": CODE, CODE: call}


def shown_code(call: dict[str, Any]) -> dict[str, Any]:
    """A stored call without what only the model and later messages need."""
    code = {name: call[CODE][name] for name in ("input", "outputs")}
    return {**call, CODE: code}


def tool_output(call: dict[str, Any]) -> str:
    """What the model reads of a stored call."""
    text: str = call[CODE]["tool_output"]
    return text


def arguments_of(call: dict[str, Any]) -> str:
    return msgspec.json.encode({"code": call[CODE]["input"]}).decode()


class CodeRunner:
    def __init__(self, containers: ContainerService, keeping: AssistantKeeping) -> None:
        self._containers = containers
        self._keeping = keeping

    async def tool(self, run: Run) -> Tool:
        """The tool; its description says where the files of the run are."""
        paths = ", ".join(paths_of(await self._files(run)))
        if not paths:
            return CODE_INTERPRETER
        about = f"{CODE_INTERPRETER.description} The user's files: {paths}"
        return msgspec.structs.replace(CODE_INTERPRETER, description=about)

    async def run(self, exchange: Exchange, run: Run, code: str) -> CodeRan:
        """Run code in the container of the run's thread. Raises APIError if the server fails."""
        began = exchange.seconds
        try:
            if not code.strip():
                raise ToolFailed(NO_CODE)
            if (why := await self._containers.unavailable()) is not None:
                raise ToolFailed(f"Code cannot be run: {why}.")
            outcome = await self._containers.run(await self._container(exchange, run), code)
        except ToolFailed as error:
            return CodeRan(code, f"Error: {error}", str(error))
        except APIError as error:
            if error.status >= 500:
                raise
            return CodeRan(code, f"Error: {error.message}", error.message)
        finally:
            exchange.tools.append(ToolUse(CODE, began, exchange.seconds))
        return await self._kept(run.owner, code, outcome)

    async def _container(self, exchange: Exchange, run: Run) -> Container:
        """The thread's container, or a new one if it no longer exists; with the run's files."""
        thread = await self._keeping.threads.find(run.owner, run.thread)
        id = thread.fields.container
        try:
            await self._containers.running(run.owner, id)
        except NotFound:
            id = ordered_id(PREFIX)
        fields, files = ContainerFields(minutes=_MINUTES), await self._files(run)
        found = await self._containers.ready(exchange, _NAME, fields, files, id)
        if id != thread.fields.container:
            await self._keeping.threads.update(run.owner, run.thread, container=id)
        return found

    async def _files(self, run: Run) -> list[FileRecord]:
        """The files of the run that have not been deleted since."""
        found = []
        for id in run.fields.code_files:
            try:
                found.append(await self._containers.kept_file(run.owner, id, "file_ids"))
            except NotFound:
                continue
        return found

    async def _kept(self, owner: str, code: str, outcome: CodeOutcome) -> CodeRan:
        """Store what code has made as files of the owner, as far as there is room for them."""
        read, notes = self._containers.containers.read, list[str]()
        images = [
            await self._keep(owner, f"image-{number}.png", _bytes(image), notes)
            for number, image in enumerate(outcome.ran.images, 1)
        ]
        files = [
            (file.path, await self._keep(owner, file.path, read(file), notes))
            for file in outcome.files
        ]
        return CodeRan(
            code,
            "\n".join([outcome.tool_output, *notes]),
            "\n".join(filter(None, (outcome.logs, outcome.failed))),
            [*filter(None, images)],
            [(path, id) for path, id in files if id],
        )

    async def _keep(
        self, owner: str, path: str, source: AsyncGenerator[bytes, None], notes: list[str]
    ) -> str:
        """Store a new file. Returns its id; if there is no room, nothing, and a note is left for
        the model.
        """
        try:
            async with aclosing(source):
                return (await self._containers.keep(owner, path, source)).id
        except APIError as error:
            if error.status >= 500:
                raise
            notes.append(f"The user does not get {path}: {error.message}")
            return ""


async def _bytes(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
