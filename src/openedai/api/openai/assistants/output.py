"""What a run makes: the events of a generation to messages, steps and the run's next state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from openedai.api.openai.assistants.events import (
    message_event,
    run_event,
    step_delta,
    step_event,
    text_delta,
)
from openedai.api.openai.assistants.search import SEARCH, Searched, citation
from openedai.contract.generate import Finish, GenerateEvent, TextDelta, ToolCallDelta
from openedai.serving.assistants.handler import Left, Progress
from openedai.serving.assistants.keeping import WAITING_SECONDS
from openedai.serving.tools.citations import Cited, Citer, Mark, Part, Piece
from openedai.store.assistants.messages import PREFIX as MESSAGE
from openedai.store.assistants.messages import Message, MessageFields
from openedai.store.assistants.runs import Run, RunStatus
from openedai.store.assistants.steps import PREFIX as STEP
from openedai.store.assistants.steps import Step, StepFields
from openedai.store.ids import ordered_id

_CUT = "The limit of tokens was reached within a tool call."
_LEFT = "The server that began this step stopped, and another one answered the run without it."
_STEP_CODES = {"rate_limit_exceeded"}  # others are `server_error`


class RunOutput:
    """`run` is the run by now. A message and a step are kept when they begin and when they end;
    those that are `left` of an earlier attempt are used as if they were new.
    """

    def __init__(self, run: Run, left: Left) -> None:
        self.run = run
        self.begun = False
        self._step = left.message_step  # of the open message
        self._message = left.message
        self._texts: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._parts: Sequence[Part] = ()
        self._is_prose = True
        self._citer = Citer((), keeps_marks=True)
        self._calls_step = left.calls_step
        self._calls: list[dict[str, Any]] = []

    def cite(self, parts: Sequence[Part], *, is_prose: bool) -> None:
        """From here on texts may cite these parts of files. Sentences of an answer of a given
        format, which `is_prose` is false for, are only cited where the model does so.
        """
        self._parts, self._is_prose = parts, is_prose
        self._citer = self._new_citer()

    def start(self) -> Progress:
        """The run is worked on."""
        now = int(time.time())
        self.run = self.run.changed("in_progress", started_at=self.run.fields.started_at or now)
        return Progress([run_event(self.run)], run=self.run)

    def add(self, event: GenerateEvent) -> Iterator[Progress]:
        match event:
            case TextDelta(text=text):
                self.begun = True
                yield from self._open_message()
                if events := self._add(self._citer.feed(text)):
                    yield Progress(events)
            case ToolCallDelta():
                self.begun = True
                if self._message is not None:
                    yield self._end_message_before_calls()
                yield from self._open_calls()
                yield Progress(self._add_call(event))
            case _:
                pass

    def count(self, finish: Finish) -> None:
        """Add the tokens of a generation to those of the run."""
        fields, usage = self.run.fields, finish.usage
        self.run = self.run.changed(
            prompt_tokens=fields.prompt_tokens + usage.prompt_tokens,
            completion_tokens=fields.completion_tokens + usage.completion_tokens,
        )

    def searches(self) -> list[dict[str, Any]]:
        """The open calls that the server answers."""
        return [call for call in self._calls if call["function"]["name"] == SEARCH]

    def search(self) -> Progress:
        """The step of all open calls, while some of them are answered."""
        assert self._calls_step is not None
        calls = [_begun(call) for call in self._calls]
        details = {"type": "tool_calls", "tool_calls": calls}
        return Progress([], steps=[self._calls_step.changed(details=details)], run=self.run)

    def end_text(self, finish: Finish) -> list[Progress]:
        """The end of the message, after a generation without tool calls, and of the run."""
        progress: list[Progress] = []
        if self._message is None and not self._calls:
            progress += self._open_message()
        reason = {"length": "max_tokens", "content_filter": "content_filter"}.get(finish.reason)
        if self._message is not None:
            status = "completed" if reason is None else "incomplete"
            progress.append(self._end_message(status, reason, finish))
        if self._calls_step is not None:
            why = _CUT if self._calls else _LEFT
            progress.append(self._end_calls("failed", finish, "server_error", why))
        progress.append(self._end_run(reason))
        return progress

    def end_calls(self, finish: Finish, found: dict[str, Searched]) -> list[Progress]:
        """The end of a generation with tool calls; `found` has what searches found, by call."""
        assert self._calls_step is not None
        progress = [] if self._message is None else [self._end_message_before_calls()]
        waiting = [call for call in self._calls if call["id"] not in found]
        details = {
            "type": "tool_calls",
            "tool_calls": [
                found[call["id"]].shown(call["id"]) if call["id"] in found else call
                for call in self._calls
            ],
        }
        step = self._calls_step.changed(details=details, **_usage(finish))
        self._calls_step, self._calls = None, []
        if not waiting:
            done = step.changed(status="completed", completed_at=int(time.time()))
            return [*progress, Progress([step_event(done)], steps=[done], run=self.run)]
        calls = [_without_output(call) for call in waiting]
        run = replace(self.run, expires_at=time.time() + WAITING_SECONDS)
        self.run = run.changed("requires_action", calls=calls)
        return [*progress, Progress([run_event(self.run)], steps=[step], run=self.run)]

    def exceed_prompt(self) -> list[Progress]:
        """The end of a run whose conversation has too many tokens."""
        progress = [] if self._message is None else [self._end_message_before_calls()]
        if self._calls_step is not None:
            progress.append(self._end_calls("failed", None, "server_error", _LEFT))
        return [*progress, self._end_run("max_prompt_tokens")]

    def stop(self, status: RunStatus, error: tuple[str, str] | None = None) -> Progress:
        """The early end of the run, with what there is of its answer."""
        now = int(time.time())
        code, text = error or (None, None)
        at = {"cancelled": "cancelled_at", "failed": "failed_at"}[status]
        values: dict[str, Any] = {at: now}
        step_code = None if code is None or code in _STEP_CODES else "server_error"
        parts = []
        if self._message is not None:
            reason = f"run_{status}"
            parts.append(self._end_message("incomplete", reason, None, status, step_code, text))
        if self._calls_step is not None:
            parts.append(self._end_calls(status, None, step_code, text))
        self.run = self.run.changed(status, calls=[], error_code=code, error=text, **values)
        return Progress(
            [*(one for part in parts for one in part.events), run_event(self.run)],
            [one for part in parts for one in part.messages],
            [one for part in parts for one in part.steps],
            self.run,
        )

    def _open_message(self) -> list[Progress]:
        if self._message is not None:
            return []
        now, run = int(time.time()), self.run
        self._message = Message(
            ordered_id(MESSAGE),
            run.thread,
            run.id,
            MessageFields(
                created_at=now,
                role="assistant",
                content=[],
                assistant=run.fields.assistant,
                status="in_progress",
            ),
        )
        details = {
            "type": "message_creation",
            "message_creation": {"message_id": self._message.id},
        }
        self._step = self._new_step("message_creation", details)
        self._texts, self._annotations = [], []
        self._citer = self._new_citer()
        events = [
            step_event(self._step, "created"),
            step_event(self._step),
            message_event(self._message, "created"),
            message_event(self._message),
        ]
        return [Progress(events, [self._message], [self._step], self.run)]

    def _new_citer(self) -> Citer:
        return Citer(self._parts, keeps_marks=True, places=self._is_prose)

    def _add(self, pieces: Sequence[Piece]) -> list[bytes]:
        return [
            self._add_text(piece)
            for piece in pieces
            if not isinstance(piece, Cited)  # marks stay in the text, and are its annotations
        ]

    def _add_text(self, piece: str | Mark) -> bytes:
        assert self._message is not None
        delta: dict[str, Any] = {"value": piece if isinstance(piece, str) else piece.text}
        if isinstance(piece, Mark):
            start = sum(map(len, self._texts))
            made = citation(self._parts[piece.number], piece, start)
            delta["annotations"] = [{"index": len(self._annotations), **made}]
            self._annotations.append(made)
        elif not self._texts:
            delta["annotations"] = []
        self._texts.append(delta["value"])
        return text_delta(self._message, delta)

    def _end_message(
        self,
        status: str,
        reason: str | None = None,
        finish: Finish | None = None,
        step_status: str = "completed",
        code: str | None = None,
        error: str | None = None,
    ) -> Progress:
        assert self._message is not None
        assert self._step is not None
        events = self._add(self._citer.end())
        now, done = int(time.time()), status == "completed"
        text = {"value": "".join(self._texts), "annotations": self._annotations}
        message = self._message.changed(
            content=[{"type": "text", "text": text}] if self._texts else [],
            status=status,
            completed_at=now if done else None,
            incomplete_at=None if done else now,
            incomplete_reason=reason,
        )
        step = self._step.changed(
            status=step_status,
            error_code=code,
            error=error,
            **{f"{step_status}_at": now},
            **_usage(finish),
        )
        self._message = self._step = None
        self._texts, self._annotations = [], []
        events += [message_event(message), step_event(step)]
        return Progress(events, [message], [step], self.run)

    def _end_message_before_calls(self) -> Progress:
        if self._texts:
            return self._end_message("completed")
        # An earlier attempt began it, and there is no text this time.
        error = ("server_error", _LEFT)
        return self._end_message("incomplete", "run_failed", None, "failed", *error)

    def _open_calls(self) -> list[Progress]:
        if self._calls_step is not None:
            return []
        step = self._new_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        self._calls_step = step
        events = [step_event(step, "created"), step_event(step)]
        return [Progress(events, steps=[step], run=self.run)]

    def _add_call(self, delta: ToolCallDelta) -> list[bytes]:
        assert self._calls_step is not None
        if delta.index == len(self._calls):
            function = {"name": delta.name, "arguments": delta.arguments, "output": None}
            call: dict[str, Any] = {"id": delta.id, "type": "function", "function": function}
            self._calls.append(call)
            return [step_delta(self._calls_step, {"index": delta.index, **_begun(call)})]
        call = self._calls[delta.index]
        call["function"]["arguments"] += delta.arguments
        if call["function"]["name"] == SEARCH:
            return []
        part = {"arguments": delta.arguments}
        shown = {"index": delta.index, "type": "function", "function": part}
        return [step_delta(self._calls_step, shown)]

    def _end_calls(
        self, status: str, finish: Finish | None, code: str | None, error: str | None
    ) -> Progress:
        """The end of calls that nobody answers."""
        assert self._calls_step is not None
        calls = [call for call in self._calls if call["function"]["name"] != SEARCH]
        step = self._calls_step.changed(
            details={"type": "tool_calls", "tool_calls": calls},
            status=status,
            error_code=code,
            error=error,
            **{f"{status}_at": int(time.time())},
            **_usage(finish),
        )
        self._calls_step, self._calls = None, []
        return Progress([step_event(step)], steps=[step], run=self.run)

    def _end_run(self, reason: str | None) -> Progress:
        """`reason` is why the last message is incomplete, if it is."""
        if reason is None:
            self.run = self.run.changed("completed", completed_at=int(time.time()))
        else:
            known = {"max_tokens": "max_completion_tokens", "max_prompt_tokens": reason}
            self.run = self.run.changed("incomplete", incomplete_reason=known.get(reason))
        return Progress([run_event(self.run)], run=self.run)

    def _new_step(self, type: Any, details: dict[str, Any]) -> Step:
        fields = StepFields(
            created_at=int(time.time()),
            assistant=self.run.fields.assistant,
            type=type,
            details=details,
        )
        return Step(ordered_id(STEP), self.run.thread, self.run.id, fields)


def _begun(call: dict[str, Any]) -> dict[str, Any]:
    """The first part of a call."""
    if call["function"]["name"] == SEARCH:
        return {"id": call["id"], "type": SEARCH, SEARCH: {}}
    return {**call, "function": {**call["function"]}}


def _without_output(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    shown = {"name": function["name"], "arguments": function["arguments"]}
    return {"id": call["id"], "type": "function", "function": shown}


def _usage(finish: Finish | None) -> dict[str, int]:
    if finish is None:
        return {}
    usage = finish.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
