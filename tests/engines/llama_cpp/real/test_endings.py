"""Where answers of the `llama_cpp` engine begin and end, by parameters that other servers have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.generate import (
    Ending,
    Finish,
    GenerateRequest,
    Grammar,
    Regex,
    Sampling,
    Text,
    Tokens,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import InvalidRequest
from tests.events import collect, finish_of, logprobs_of, text_of

pytestmark = pytest.mark.real
END = 2  # <|im_end|>
ENDS_NOW = Sampling(temperature=0.0, logit_bias=((END, 100.0),))
STORY = Text(text="Once upon a time there was a")
QUESTION = Message(role="user", content="Count from one to twenty, in words.")

Scenario = Callable[[LlamaCpp], Awaitable[None]]
Run = Callable[[Scenario], None]


@pytest.fixture(scope="module")
def run(smollm2_path: Path) -> Iterator[Run]:
    with asyncio.Runner() as runner:
        options = {"slots": 2, "context": 512}
        engine = runner.run(LlamaCpp.load("m", smollm2_path, options))
        yield lambda scenario: runner.run(scenario(engine))  # type: ignore[arg-type]
        runner.run(engine.close())


async def answer(
    engine: LlamaCpp, prompt: Chat | Text | Tokens = STORY, **more: Any
) -> tuple[str, Finish]:
    fields: dict[str, Any] = {"sampling": Sampling(temperature=0.0), "max_tokens": 12, **more}
    events = await collect(engine, GenerateRequest(prompt=prompt, **fields))
    return text_of(events), finish_of(events)


def test_an_answer_has_its_least_tokens(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        text, finish = await answer(engine, sampling=ENDS_NOW)
        assert (text, finish.reason, finish.usage.completion_tokens) == ("", "stop", 1)
        text, finish = await answer(engine, sampling=ENDS_NOW, ending=Ending(min_tokens=5))
        assert (finish.reason, finish.usage.completion_tokens) == ("stop", 6)
        assert text

    run(scenario)


def test_an_answer_may_not_end_before_its_limit(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        ending = Ending(ignore_end=True)
        _, finish = await answer(engine, sampling=ENDS_NOW, ending=ending)
        assert (finish.reason, finish.usage.completion_tokens) == ("length", 12)

    run(scenario)


def test_a_constraint_ends_the_answer_all_the_same(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        for ending in (Ending(min_tokens=9), Ending(ignore_end=True)):
            for rule in ('"yes"', '"yes" "!"?', '"yes" [ ]{0,3}'):
                grammar = Grammar(gbnf=f"root ::= {rule}")
                text, finish = await answer(engine, constraint=grammar, ending=ending)
                assert text.startswith("yes")
                assert finish.reason == "stop"

    run(scenario)


def test_stop_strings_count_after_the_least_tokens(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        whole, _ = await answer(engine)
        stop = whole[:1]
        assert (await answer(engine, stop=(stop,)))[0] == ""
        late, finish = await answer(engine, stop=(stop,), ending=Ending(min_tokens=4))
        first, _ = await answer(engine, max_tokens=4)
        assert late == first + whole[len(first) :].partition(stop)[0]
        assert finish.reason == "stop"

    run(scenario)


def test_a_stop_string_may_be_kept(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        whole, _ = await answer(engine)
        stop = whole.split()[2]
        cut, _ = await answer(engine, stop=(stop,))
        kept, finish = await answer(engine, stop=(stop,), ending=Ending(keep_stop=True))
        assert kept == cut + stop
        assert (finish.reason, finish.stop) == ("stop", stop)

    run(scenario)


def test_stop_tokens(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        whole, _ = await answer(engine)
        tokens = await engine.tokenize(whole)
        stop = tokens[3]
        before = await engine.detokenize(tokens[: tokens.index(stop)])
        for keep in (False, True):
            ending = Ending(stop_tokens=(stop,), keep_stop=keep)
            text, finish = await answer(engine, ending=ending)
            assert text == before + (await engine.detokenize([stop]) if keep else "")
            assert finish.reason == "stop"
        later, _ = await answer(engine, ending=Ending(min_tokens=6, stop_tokens=(stop,)))
        assert stop not in (await engine.tokenize(later))[:6]
        with pytest.raises(InvalidRequest) as caught:
            await answer(engine, ending=Ending(stop_tokens=(10**6,)))
        assert caught.value.param == "stop_token_ids"

    run(scenario)


def test_only_allowed_tokens(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        allowed = (*await engine.tokenize(" fox"), *await engine.tokenize(" and"))
        for temperature in (0.0, 2.0):
            for more in ((), (END,)):
                tokens = Sampling(temperature=temperature, allowed_tokens=(*allowed, *more))
                text, finish = await answer(engine, sampling=tokens)
                assert set(text.split()) <= {"fox", "and"}
                assert text or more
                assert more or finish.usage.completion_tokens == 12
        for ids, constraint in (((10**6,), None), (allowed, Regex(pattern="[0-9]+"))):
            tokens = Sampling(allowed_tokens=ids)
            with pytest.raises(InvalidRequest) as caught:
                await answer(engine, sampling=tokens, constraint=constraint)
            assert caught.value.param == "allowed_token_ids"

    run(scenario)


def test_bad_words(run: Run) -> None:
    """Of one token and of several, which may be in other words each."""

    async def scenario(engine: LlamaCpp) -> None:
        plain, _ = await answer(engine, max_tokens=40)
        words = plain.split()
        for bad in (words[0], " ".join(words[3:5]), words[-2], " ".join(words[:6])):
            changed = Sampling(temperature=0.0, bad_words=(bad,))
            text, finish = await answer(engine, max_tokens=40, sampling=changed)
            assert bad not in text
            assert finish.usage.completion_tokens > 1
        never = Sampling(bad_words=("a",))
        with pytest.raises(InvalidRequest) as caught:
            await answer(engine, sampling=never, constraint=Regex(pattern="a"))
        assert caught.value.param == "bad_words"
        changed = Sampling(temperature=0.0, bad_words=(" ", "\0", "🙂"))
        assert (await answer(engine, max_tokens=40, sampling=changed))[0] == plain

    run(scenario)


def test_a_long_prompt_is_truncated(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        tokens = await engine.tokenize("One two three four five six seven eight " * 90)
        for prompt in (Tokens(ids=tokens), Text(text=await engine.detokenize(tokens))):
            await answer(engine, prompt, prompt_limit=20)  # both below find it computed
            text, finish = await answer(engine, prompt, prompt_limit=20)
            assert finish.usage.prompt_tokens == 20
            assert text == (await answer(engine, Tokens(ids=tokens[-20:])))[0]
            _, finish = await answer(engine, prompt, prompt_limit=0)
            assert finish.usage.prompt_tokens == 500
            echoed, _ = await answer(engine, prompt, prompt_limit=4, echo=True, max_tokens=0)
            assert echoed == await engine.detokenize(tokens[-4:])
        _, finish = await answer(engine, STORY, prompt_limit=500)
        assert finish.usage.prompt_tokens == len(await engine.tokenize(STORY.text))
        chat = Chat(messages=(Message(role="user", content="many words " * 600),))
        _, finish = await answer(engine, chat, prompt_limit=0)
        assert (finish.usage.prompt_tokens, finish.usage.completion_tokens) == (500, 12)

    run(scenario)


def test_a_truncated_prompt_is_scored(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        request = GenerateRequest(prompt=STORY, echo=True, logprobs=1, max_tokens=0, prompt_limit=3)
        scores = logprobs_of(await collect(engine, request))
        assert len(scores) == 3
        assert STORY.text.endswith("".join(score.token for score in scores))

    run(scenario)


def test_the_last_message_is_continued(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        begun = Message(role="assistant", content="One, two, three, four,")
        chat = Chat(messages=(QUESTION, begun), continue_last=True)
        text, finish = await answer(engine, chat)
        assert text.startswith(" five, six")
        whole = await engine.count(Chat(messages=(QUESTION,)))
        added = len(await engine.tokenize(begun.content))
        assert finish.usage.prompt_tokens == whole + added

    run(scenario)


def test_without_the_start_of_an_answer(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        invited = await engine.count(Chat(messages=(QUESTION,)))
        assert await engine.count(Chat(messages=(QUESTION,), invite_answer=False)) < invited

    run(scenario)
