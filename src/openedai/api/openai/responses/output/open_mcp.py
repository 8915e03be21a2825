"""Items for the tools of MCP servers: their events, and the completed items."""

from __future__ import annotations

from dataclasses import dataclass

from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.objects import (
    McpApprovalRequestItem,
    McpCallItem,
    McpError,
    McpListedTool,
    McpListToolsItem,
    McpProtocolError,
    OutputItem,
)
from openedai.api.openai.responses.output.open_served import Ended, OpenServed, ToolResult
from openedai.api.openai.responses.output.place import Place
from openedai.api.openai.responses.tools import CallableTool
from openedai.api.parameters.ids import new_id

_INVALID_PARAMS = -32602  # of the protocol


@dataclass(frozen=True)
class McpResult(ToolResult):
    error: McpError | None = None


@dataclass(frozen=True)
class McpListResult(ToolResult):
    tools: tuple[McpListedTool, ...] = ()


class OpenMcpList(OpenServed):
    """The tools of a server. `key` is its label."""

    def __init__(self, place: Place, key: str) -> None:
        super().__init__(place, key)
        self._id = new_id("mcpl_")

    def open(self) -> list[e.Event]:
        place = self._place
        added = place.added(McpListToolsItem(self._id, self.key))
        return [added, e.McpListing(*place.of(self._id))]

    def end(self, result: ToolResult) -> Ended:
        place, tools = self._place, result.tools if isinstance(result, McpListResult) else ()
        item = McpListToolsItem(self._id, self.key, tools, result.failed)
        event = e.McpListed if result.failed is None else e.McpListFailed
        return item, [event(*place.of(self._id)), place.done(item)]

    def abandon(self) -> Ended:
        item = McpListToolsItem(self._id, self.key)
        return item, [self._place.done(item)]


class OpenMcpCall(OpenServed):
    """A call of a server's tool. With `approval`, the id of the approval request, the client has
    approved it; then its arguments are known from the start: `given`.
    """

    def __init__(
        self,
        place: Place,
        key: str,
        tool: CallableTool,
        approval: str | None = None,
        given: str = "",
    ) -> None:
        super().__init__(place, key)
        self._id = new_id("mcp_")
        self._tool = tool
        self._approval = approval
        self._given = given

    def open(self) -> list[e.Event]:
        place = self._place
        opened = [place.added(self._item("", "in_progress")), e.McpCalling(*place.of(self._id))]
        return [*opened, *self.feed(self._given)]

    def feed(self, delta: str) -> list[e.Event]:
        if not delta:
            return []
        super().feed(delta)
        place = self._place
        return [e.McpArgumentsDelta(*place.of(self._id), delta, place.padding(delta))]

    def written(self) -> list[e.Event]:
        return [e.McpArgumentsDone(*self._place.of(self._id), self.arguments)]

    def end(self, result: ToolResult) -> Ended:
        place = self._place
        if result.failed is None:
            item = self._item(self.arguments, "completed", result.text)
            return item, [e.McpCalled(*place.of(self._id)), place.done(item)]
        error = result.error if isinstance(result, McpResult) else None
        error = error or McpProtocolError(_INVALID_PARAMS, result.failed)
        item = self._item(self.arguments, "failed", error=error)
        return item, [e.McpCallFailed(*place.of(self._id)), place.done(item)]

    def abandon(self) -> Ended:
        item = self._item(self.arguments, "incomplete")
        return item, [self._place.done(item)]

    def _item(
        self,
        arguments: str,
        status: str,
        output: str | None = None,
        error: McpError | None = None,
    ) -> McpCallItem:
        tool = self._tool
        return McpCallItem(
            self._id,
            tool.namespace or "",
            tool.name,
            arguments,
            status,
            output,
            error,
            self._approval,
        )


class OpenWholeCall:
    """A call that is shown when it is complete."""

    def __init__(self, place: Place, tool: CallableTool) -> None:
        self._place = place
        self._tool = tool
        self._deltas: list[str] = []

    def open(self) -> list[e.Event]:
        return []

    def feed(self, delta: str) -> list[e.Event]:
        self._deltas.append(delta)
        return []


class OpenApprovalRequest(OpenWholeCall):
    """A call that the client must approve."""

    def close(self, status: str) -> tuple[OutputItem | None, list[e.Event]]:
        """A call that a limit truncated is left out: it cannot be approved."""
        if status != "completed":
            return None, []
        tool, arguments = self._tool, "".join(self._deltas)
        item = McpApprovalRequestItem(new_id("mcpr_"), tool.namespace or "", tool.name, arguments)
        return item, [self._place.added(item), self._place.done(item)]
