"""Turns the events of a generation into messages, steps and the run's next state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from openedai.api.openai.assistants.events import (
    content_delta,
    message_event,
    run_event,
    step_delta,
    step_event,
)
from openedai.api.openai.assistants.served.calls import OpenCall, OpenCalls, Result
from openedai.api.openai.assistants.served.code import CODE
from openedai.api.openai.assistants.served.search import SEARCH, citation
from openedai.contract.generate import Finish, GenerateEvent, TextDelta, ToolCallDelta
from openedai.serving.assistants.handler import Left, Progress
from openedai.serving.assistants.keeping import WAITING_SECONDS
from openedai.serving.tools.citations import Cited, Citer, Mark, Part, Piece
from openedai.serving.tools.code_interpreter import named_files
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
    """`run` is the run in its present state. A message and a step are stored when they begin and
    when they end; what is `left` of an earlier attempt is used as if it were new.
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
        self._calls = OpenCalls()
        self._images: Sequence[str] = ()
        self._made: Mapping[str, str] = {}
        self._unattached: set[str] = set()

    def cite(self, parts: Sequence[Part], *, is_prose: bool) -> None:
        """From here onwards texts may cite these parts of files. If the answer has to follow a
        format, `is_prose` is false, and only citations by the model itself count.
        """
        self._parts, self._is_prose = parts, is_prose
        self._citer = self._new_citer()

    def show(self, images: Sequence[str], made: Mapping[str, str], attached: Set[str]) -> None:
        """Let the next message show these images. From here onwards texts may name files that code
        has made, by their paths; a message gets those that are not `attached` to another one.
        """
        self._images, self._made = images, made
        self._unattached = {*made.values()} - attached

    def start(self) -> Progress:
        """Note that work on the run has begun."""
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
                if added := self._calls.add(event):
                    assert self._calls_step is not None
                    yield Progress([step_delta(self._calls_step, added)])
            case _:
                pass

    def count(self, finish: Finish) -> None:
        """Add the tokens of a generation to those of the run."""
        fields, usage = self.run.fields, finish.usage
        self.run = self.run.changed(
            prompt_tokens=fields.prompt_tokens + usage.prompt_tokens,
            completion_tokens=fields.completion_tokens + usage.completion_tokens,
        )

    def serve(self) -> tuple[Progress, list[OpenCall]]:
        """Begin the step of the open calls. Returns the calls that the server answers now."""
        assert self._calls_step is not None
        events = [step_delta(self._calls_step, added) for added in self._calls.end()]
        details = {"type": "tool_calls", "tool_calls": self._calls.shown()}
        step = self._calls_step.changed(details=details)
        return Progress(events, steps=[step], run=self.run), self._calls.served()

    def end_text(self, finish: Finish) -> list[Progress]:
        """End the message and the run, after a generation without tool calls."""
        progress: list[Progress] = []
        if self._message is None and not self._calls.all:
            progress += self._open_message()
        reason = {"length": "max_tokens", "content_filter": "content_filter"}.get(finish.reason)
        if self._message is not None:
            status = "completed" if reason is None else "incomplete"
            progress.append(self._end_message(status, reason, finish))
        if self._calls_step is not None:
            why = _CUT if self._calls.all else _LEFT
            progress.append(self._end_calls("failed", finish, "server_error", why))
        progress.append(self._end_run(reason))
        return progress

    def end_calls(self, finish: Finish, found: dict[str, Result]) -> list[Progress]:
        """End a generation with tool calls; `found` has the results of the server's tools, by
        call.
        """
        assert self._calls_step is not None
        progress = [] if self._message is None else [self._end_message_before_calls()]
        waiting = [call for call in self._calls.all if call.id not in found]
        details = {
            "type": "tool_calls",
            "tool_calls": [
                found[call.id].shown(call.id) if call.id in found else call.shown()
                for call in self._calls.all
            ],
        }
        step = self._calls_step.changed(details=details, **_usage(finish))
        events = [step_delta(step, added) for added in self._calls.ran(found)]
        self._calls_step, self._calls = None, OpenCalls()
        if not waiting:
            done = step.changed(status="completed", completed_at=int(time.time()))
            events.append(step_event(done))
            return [*progress, Progress(events, steps=[done], run=self.run)]
        calls = [call.waiting() for call in waiting]
        run = replace(self.run, expires_at=time.time() + WAITING_SECONDS)
        self.run = run.changed("requires_action", calls=calls)
        events.append(run_event(self.run))
        return [*progress, Progress(events, steps=[step], run=self.run)]

    def exceed_prompt(self) -> list[Progress]:
        """End a run whose conversation has too many tokens."""
        progress = [] if self._message is None else [self._end_message_before_calls()]
        if self._calls_step is not None:
            progress.append(self._end_calls("failed", None, "server_error", _LEFT))
        return [*progress, self._end_run("max_prompt_tokens")]

    def stop(self, status: RunStatus, error: tuple[str, str] | None = None) -> Progress:
        """End the run early, with what exists of its answer."""
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
        events += [content_delta(self._message, n, one) for n, one in enumerate(self._shown())]
        return [Progress(events, [self._message], [self._step], self.run)]

    def _shown(self) -> list[dict[str, Any]]:
        """The parts of the message before its text."""
        return [{"type": "image_file", "image_file": {"file_id": id}} for id in self._images]

    def _new_citer(self) -> Citer:
        return Citer(self._parts, keeps_marks=True, places=self._is_prose)

    def _add(self, pieces: Sequence[Piece]) -> list[bytes]:
        return [
            self._add_text(piece)
            for piece in pieces
            if not isinstance(piece, Cited)  # marks stay in the text, and become its annotations
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
        return self._text_delta(delta)

    def _text_delta(self, text: dict[str, Any]) -> bytes:
        """The event for a part of the text, or for annotations of it."""
        assert self._message is not None
        part = {"type": "text", "text": text}
        return content_delta(self._message, len(self._images), part)

    def _name_files(self) -> list[bytes]:
        """Annotate the files that the text names."""
        text, before = "".join(self._texts), len(self._annotations)
        for path, start, end in named_files(text, self._made):
            self._annotations.append(
                {
                    "type": "file_path",
                    "text": text[start:end],
                    "start_index": start,
                    "end_index": end,
                    "file_path": {"file_id": self._made[path]},
                }
            )
        added = list(enumerate(self._annotations))[before:]
        if not added:
            return []
        return [self._text_delta({"annotations": [{"index": n, **one} for n, one in added]})]

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
        events = [*self._add(self._citer.end()), *self._name_files()]
        now, done = int(time.time()), status == "completed"
        text = {"value": "".join(self._texts), "annotations": self._annotations}
        message = self._message.changed(
            content=[*self._shown(), *([{"type": "text", "text": text}] if self._texts else ())],
            attachments=[
                {"file_id": id, "tools": [{"type": CODE}]} for id in sorted(self._unattached)
            ],
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
        self._texts, self._annotations, self._images = [], [], ()
        self._unattached = set()
        events += [message_event(message), step_event(step)]
        return Progress(events, [message], [step], self.run)

    def _end_message_before_calls(self) -> Progress:
        if self._texts:
            return self._end_message("completed")
        # An earlier attempt began the message, and there is no text this time.
        error = ("server_error", _LEFT)
        return self._end_message("incomplete", "run_failed", None, "failed", *error)

    def _open_calls(self) -> list[Progress]:
        if self._calls_step is not None:
            return []
        step = self._new_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        self._calls_step = step
        events = [step_event(step, "created"), step_event(step)]
        return [Progress(events, steps=[step], run=self.run)]

    def _end_calls(
        self, status: str, finish: Finish | None, code: str | None, error: str | None
    ) -> Progress:
        """End calls that nobody answers: these, or those of an earlier attempt."""
        assert self._calls_step is not None
        calls = self._calls.shown() or self._calls_step.fields.details["tool_calls"]
        shown = [call for call in calls if call["type"] != SEARCH]
        step = self._calls_step.changed(
            details={"type": "tool_calls", "tool_calls": shown},
            status=status,
            error_code=code,
            error=error,
            **{f"{status}_at": int(time.time())},
            **_usage(finish),
        )
        self._calls_step, self._calls = None, OpenCalls()
        return Progress([step_event(step)], steps=[step], run=self.run)

    def _end_run(self, reason: str | None) -> Progress:
        """End the run; `reason` is why the last message is incomplete, if it is."""
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


def _usage(finish: Finish | None) -> dict[str, int]:
    if finish is None:
        return {}
    usage = finish.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
