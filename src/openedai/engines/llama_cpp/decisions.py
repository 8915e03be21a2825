"""Questions about one input as jobs of the loop: one for all, or one for each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from openedai.contract.chat import Chat, Message
from openedai.contract.decide import DecideRequest, DecideResult, Question
from openedai.contract.generate import Usage
from openedai.engines.llama_cpp.labels import LabelTree
from openedai.engines.llama_cpp.loop import Loop
from openedai.engines.llama_cpp.question_tree import EncodedQuestion, QuestionTree, common
from openedai.engines.llama_cpp.request import RequestBuilder
from openedai.engines.llama_cpp.sequence import End, Job
from openedai.engines.llama_cpp.template import ChatTemplate
from openedai.errors import APIError, EngineFailed, invalid_value
from openedai.prompts.guards import Guard
from openedai.prompts.reading.reasoning import closing_tag

# The characters at the end of a prompt that determine how a label after it is tokenised.
_TAIL = 64
# With fewer ends to compute, a separate context is not worth it.
_FEWEST_ENDS = 5


class DecisionPrompts:
    """The prompts of the questions about one input. Its methods are blocking."""

    def __init__(self, builder: RequestBuilder, request: DecideRequest) -> None:
        """Raises InvalidRequest for an input that the chat template refuses."""
        self._vocabulary = builder.vocabulary
        self._before, self._after = _around(builder.template, request)
        self._labels: dict[tuple[str, str], list[int] | None] = {}
        self._shared: tuple[int, list[int]] | None = None

    def text(self, question: Question) -> str:
        """The prompt of a question."""
        return self._before + question.text + self._after

    def encode(self, question: Question) -> EncodedQuestion:
        """Raises InvalidRequest for labels that are the same to the model."""
        text = self.text(question)
        prompt = self._tokens(text)
        after = [self._after_tail(text[-_TAIL:], label) for label in question.labels]
        labels = [label for label in after if label]
        if len(labels) < len(after):  # some labels merge with the end of the prompt
            wholes = [self._vocabulary.tokenize(text + label) for label in question.labels]
            end = min(common(whole, prompt) for whole in wholes)
            prompt, labels = prompt[:end], [whole[end:] for whole in wholes]
        if len(set(map(tuple, labels))) < len(labels) or not all(labels):
            raise invalid_value("questions", "two of the answers are the same text to the model")
        return EncodedQuestion(prompt, LabelTree(labels))

    def _tokens(self, text: str) -> list[int]:
        """The tokens of a prompt. The part that all prompts share is tokenised once."""
        if self._shared is None:
            tokens = self._vocabulary.tokenize(text)
            self._shared = self._start(text, tokens)
            return tokens
        length, start = self._shared
        return start + self._vocabulary.tokenize(text[length:], start=not length)

    def _start(self, text: str, tokens: list[int]) -> tuple[int, list[int]]:
        """How many characters at the start of a prompt end well before the question and at the end
        of a token, and the tokens of these.
        """
        most = max(0, len(self._before) - _TAIL)
        rest, count = text.encode("utf-8", "replace"), len(tokens)
        keep = len(text[:most].encode("utf-8", "replace"))
        end = len(rest)
        while count and end > keep:
            count -= 1
            end -= len(self._vocabulary.piece(tokens[count]))
        try:
            tail = rest[max(0, end) :].decode()
        except UnicodeDecodeError:
            return 0, []
        if end > 0 and self._vocabulary.tokenize(tail, start=False) == tokens[count:]:
            return len(text) - len(tail), tokens[:count]
        return 0, []

    def _after_tail(self, tail: str, label: str) -> list[int] | None:
        """The tokens of a label after the end of a prompt; None if it shares a token with the
        prompt.
        """
        if (tail, label) not in self._labels:
            before = self._vocabulary.tokenize(tail, start=False)
            whole = self._vocabulary.tokenize(tail + label, start=False)
            own = whole[: len(before)] == before
            self._labels[tail, label] = whole[len(before) :] if own else None
        return self._labels[tail, label]


def check_template(model: str, builder: RequestBuilder, guard: Guard) -> None:
    """Raise EngineFailed if the model's chat template does not fit the guard. Blocking."""
    request = guard.request("a")
    try:
        prompt = DecisionPrompts(builder, request).text(request.questions[0])
    except APIError as error:
        raise EngineFailed(f"The model `{model}` is no such guard: {error.message}") from error
    if guard.marker not in prompt:
        raise EngineFailed(
            f"The model `{model}` is no such guard: its chat template names no `{guard.marker}`."
        )


def worth_a_tree(questions: Sequence[EncodedQuestion]) -> bool:
    """Whether the questions are better computed as a tree than one by one."""
    return sum(len(question.labels.paths()) for question in questions) >= _FEWEST_ENDS


async def run_tree(
    loop: Loop, job: Job, tree: QuestionTree, questions: Sequence[EncodedQuestion]
) -> DecideResult | None:
    """Run the job of the questions; None if the model cannot compute a tree. Cancelling the call
    cancels it.
    """
    loop.submit(job)
    try:
        await _ended(job)
    finally:
        loop.cancel(job)
    if not tree.usable:
        return None
    whole = sum(len(question.prompt) for question in questions)
    computed = len(job.prompt) - job.cached + tree.tokens
    usage = Usage(prompt_tokens=whole, cached_tokens=whole - computed)
    return DecideResult(logprobs=tuple(one.labels.logprobs() for one in questions), usage=usage)


async def run_jobs(loop: Loop, jobs: Sequence[Job], ahead: int) -> DecideResult:
    """Run the jobs, at most `ahead` of them at once. Cancelling the call cancels them.

    Jobs of equal length follow each other, because llama.cpp computes them side by side in one go.
    Among these, jobs with a common beginning do, so that a slot already has more of the next one.
    """
    waiting = sorted(jobs, key=lambda job: (len(job.prompt), job.prompt), reverse=True)

    async def run_some() -> None:
        while waiting:
            job = waiting.pop()
            loop.submit(job)
            try:
                await _ended(job)
            finally:
                loop.cancel(job)

    tasks = [asyncio.create_task(run_some()) for _ in range(min(ahead, len(jobs)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    usage = Usage(
        prompt_tokens=sum(job.tokens() for job in jobs),
        cached_tokens=sum(job.tokens(job.cached) for job in jobs),
    )
    trees = [job.labels for job in jobs if job.labels is not None]
    return DecideResult(logprobs=tuple(tree.logprobs() for tree in trees), usage=usage)


async def _ended(job: Job) -> None:
    while not isinstance(event := await job.events.get(), End):
        if isinstance(event, APIError):
            raise event


def _around(template: ChatTemplate, request: DecideRequest) -> tuple[str, str]:
    """What the prompt of a question has before and after the question."""
    mark = f"question-{secrets.token_hex(16)}"  # so that no other text contains it
    variables = {} if request.variable is None else {request.variable: mark}
    content = request.input if variables else request.input + mark
    chat = Chat(
        messages=(Message(role="user", content=content),),
        reasoning_effort="none",
        effort_optional=True,
        template_arguments=variables,
    )
    prompt = template.render(chat).prompt
    before, found, after = prompt.rpartition(mark)
    if not found:
        raise invalid_value("input", "the model's chat template leaves out the text of it")
    return before, after + closing_tag(prompt)
