"""Where prompts go, and what of them is computed already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.llama_cpp.prefixes import Prefixes, Slot
from openedai.errors import EngineFailed
from tests.engines.llama_cpp.fake_context import FakeContext

PLENTY = 1 << 20
LONG = list(range(1000, 1300))
Adapter = tuple[int, float] | None


def take(
    prefixes: Prefixes, context: FakeContext, prompt: list[int], adapter: Adapter = None
) -> tuple[Slot, int]:
    """Take a slot for a prompt and compute it; the cached part is checked."""
    slot, cached = prefixes.take(prompt, adapter, reuse=True)
    assert context.slots[slot.number] == prompt[:cached]
    slot.keys, slot.computed = list(prompt), len(prompt)
    context.slots[slot.number] = list(prompt)
    return slot, cached


def run(
    prefixes: Prefixes, context: FakeContext, prompt: list[int], adapter: Adapter = None
) -> int:
    """Compute a prompt to its end. Returns how much of it was cached."""
    slot, cached = take(prefixes, context, prompt, adapter)
    prefixes.release(slot, prompt)
    return cached


def test_a_conversation_goes_on_in_its_slot() -> None:
    context = FakeContext(2)
    prefixes = Prefixes(context, 2, PLENTY)
    assert run(prefixes, context, LONG) == 0
    assert run(prefixes, context, [1, 2, 3]) == 0
    assert run(prefixes, context, [*LONG, 7, 8]) == len(LONG)
    assert run(prefixes, context, LONG) == len(LONG) - 1
    assert run(prefixes, context, [1, 2, 9]) == 2


def test_what_was_driven_out_comes_back() -> None:
    context = FakeContext(1)
    prefixes = Prefixes(context, 1, PLENTY)
    others = [[100 * n + i for i in range(90)] for n in range(1, 4)]
    for prompt in others:
        assert run(prefixes, context, prompt) == 0
    for prompt in others:
        assert run(prefixes, context, [*prompt, 7]) == 90


def test_no_more_is_kept_than_the_limit() -> None:
    context = FakeContext(1)
    prefixes = Prefixes(context, 1, 700)
    others = [[1000 * n + i for i in range(200)] for n in range(1, 4)]
    for prompt in others:
        run(prefixes, context, prompt)
    assert run(prefixes, context, others[1]) == 199
    assert run(prefixes, context, others[0]) == 0


def test_a_prompt_begins_with_a_copy_of_one_that_runs() -> None:
    context = FakeContext(2)
    prefixes = Prefixes(context, 2, PLENTY)
    first, _ = take(prefixes, context, [*LONG, 1])
    second, cached = take(prefixes, context, [*LONG, 2, 3])
    assert cached == len(LONG)
    assert first is not second
    assert prefixes.full


def test_what_is_not_computed_yet_is_not_copied() -> None:
    context = FakeContext(3)
    prefixes = Prefixes(context, 3, PLENTY)
    first, _ = prefixes.take(LONG, None, reuse=True)
    first.keys = list(LONG)
    assert prefixes.take(LONG, None, reuse=True)[1] == 0
    first.computed = 100
    context.slots[first.number] = LONG[:100]
    assert take(prefixes, context, LONG)[1] == 100


def test_a_prompt_that_is_being_computed_is_worth_waiting_for() -> None:
    context = FakeContext(3)
    prefixes = Prefixes(context, 3, PLENTY)
    slot, _ = prefixes.take(LONG, None, reuse=True)
    slot.keys, slot.computed = list(LONG), 100
    assert prefixes.is_coming([*LONG, 1], None)
    assert not prefixes.is_coming([*LONG, 1], (0, 1.0))
    assert not prefixes.is_coming(LONG[:150], None), "most of it is there already"
    assert not prefixes.is_coming([7, *LONG], None)
    slot.computed = len(LONG)
    assert not prefixes.is_coming([*LONG, 1], None)


def test_adapters_do_not_share() -> None:
    context = FakeContext(2)
    prefixes = Prefixes(context, 2, PLENTY)
    run(prefixes, context, LONG, (0, 1.0))
    assert run(prefixes, context, LONG) == 0
    assert run(prefixes, context, LONG, (0, 0.5)) == 0
    assert run(prefixes, context, LONG, (0, 1.0)) == len(LONG) - 1


def test_images_are_shared_as_a_whole() -> None:
    context = FakeContext(1)
    prefixes = Prefixes(context, 1, PLENTY)
    run(prefixes, context, [1, 2, -5, -5, -5, 3])
    assert run(prefixes, context, [1, 2, -5, -5, 4]) == 2
    run(prefixes, context, [1, 2, -5, -5, -5, 3])
    assert run(prefixes, context, [1, 2, -5, -5, -5, 4]) == 5


def test_a_model_that_cannot_forget_a_part_begins_anew() -> None:
    context = FakeContext(1, whole_only=True)
    prefixes = Prefixes(context, 1, PLENTY)
    run(prefixes, context, LONG)
    assert run(prefixes, context, [*LONG[:100], 1]) == 0
    assert run(prefixes, context, [*LONG[:100], 1, 2]) == 101


def test_busy_slots_stay_side_by_side() -> None:
    context = FakeContext(4)
    prefixes = Prefixes(context, 4, PLENTY)
    taken = [take(prefixes, context, [n * 10 + i for i in range(3)])[0] for n in range(4)]
    for slot in (taken[1], taken[2]):
        prefixes.release(slot, slot.keys)
    while prefixes.close_gap():
        pass
    assert abs(taken[0].number - taken[3].number) == 1
    for slot in taken:
        assert context.slots[slot.number] == slot.keys


def test_a_slot_that_cannot_be_moved_is_an_error() -> None:
    context = FakeContext(3)
    prefixes = Prefixes(context, 3, PLENTY)
    taken = [take(prefixes, context, [n * 10, 1, 2])[0] for n in range(3)]
    prefixes.release(taken[1], taken[1].keys)
    context.broken = True
    with pytest.raises(EngineFailed, match="could not be moved"):
        prefixes.close_gap()


PROMPTS = st.lists(st.sampled_from([1, 2, 3, -7]), min_size=1, max_size=12).map(
    lambda keys: [key for key in keys for _ in range(40)] + [9]
)


@given(
    st.lists(st.tuples(PROMPTS, st.sampled_from([None, (0, 1.0)]), st.integers(0, 3)), max_size=25),
    st.booleans(),
    st.sampled_from([0, 500, PLENTY]),
)
def test_the_cached_part_is_always_the_prompts_own(
    steps: list[tuple[list[int], Adapter, int]], whole_only: bool, limit: int
) -> None:
    """Whatever runs, ends, is moved or copied: `take` checks it, adapters included."""
    context = FakeContext(3, whole_only=whole_only)
    prefixes = Prefixes(context, 3, limit)
    running: list[tuple[Slot, Adapter]] = []
    for prompt, adapter, ended in steps:
        if prefixes.full:
            slot, _ = running.pop(ended % len(running))
            prefixes.release(slot, slot.keys)
        while prefixes.close_gap():
            pass
        slot, _ = take(prefixes, context, prompt, adapter)
        running.append((slot, adapter))
        for other, used in running:
            assert context.slots[other.number] == other.keys
            assert other.adapter == used
    numbers = [slot.number for slot in prefixes.slots()]
    assert numbers == [0, 1, 2]
