"""Which replica is next."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from openedai.contract.chat import Chat, Message, Tool
from openedai.contract.generate import GenerateRequest, Text, Tokens
from openedai.engines.remote.affinity import PrefixMemory, prefixes
from openedai.engines.remote.replicas import Replica, Replicas

STATES = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=6)


def replicas(count: int) -> Replicas:
    return Replicas([URL(f"http://{number}/v1") for number in range(count)])


def serve(group: Replicas, name: bytes, tried: tuple[Replica, ...] = ()) -> Replica:
    chosen = group.choose([name], tried)
    assert chosen is not None
    with group.use(chosen, [name]):
        return chosen


@given(states=STATES, tried=st.sets(st.integers(0, 5)), only_up=st.booleans())
def test_the_least_busy_of_the_best(
    states: list[tuple[bool, int]], tried: set[int], only_up: bool
) -> None:
    group = replicas(len(states))
    for replica, (up, running) in zip(group.all, states, strict=True):
        replica.up, replica.running = up, running
    left = [replica for replica in group.all if replica.number not in tried]
    best = [replica for replica in left if replica.up] or ([] if only_up else left)
    chosen = group.choose([], [group.all[n] for n in tried if n < len(states)], only_up=only_up)
    if chosen is None:
        assert not best
    else:
        assert chosen in best
        assert chosen.running == min(replica.running for replica in best)


@given(states=STATES, known=st.integers(0, 5))
def test_a_known_prompt_goes_back_unless_its_replica_is_clearly_busier(
    states: list[tuple[bool, int]], known: int
) -> None:
    group = replicas(len(states))
    home = group.all[known % len(states)]
    with group.use(home, [b"known"]):
        pass
    for replica, (up, running) in zip(group.all, states, strict=True):
        replica.up, replica.running = up, running
    chosen = group.choose([b"known"])
    assert chosen is not None
    least = min(replica.running for replica in group.all if replica.up == chosen.up)
    if chosen is home:
        assert home.running <= least + max(2, least // 2)
    else:
        assert chosen.running == least
        assert home.running > least + max(2, least // 2) or (chosen.up and not home.up)


def test_equally_busy_ones_take_turns() -> None:
    group = replicas(3)
    chosen = [serve(group, bytes([number])).number for number in range(6)]
    assert chosen == [0, 1, 2, 0, 1, 2]


def test_running_requests_are_counted_however_they_end() -> None:
    group = replicas(2)
    with ExitStack() as stack:
        for number in range(4):
            chosen = group.choose([bytes([number])])
            assert chosen is not None
            stack.enter_context(group.use(chosen, [bytes([number])]))
        assert [replica.running for replica in group.all] == [2, 2]
    assert [replica.running for replica in group.all] == [0, 0]


def test_the_longest_beginning_decides() -> None:
    group = replicas(3)
    for number, beginning in enumerate([[b"a"], [b"a", b"ab"], [b"x"]]):
        with group.use(group.all[number], beginning):
            pass
    with group.use(group.all[0], [b"a"]):
        pass
    assert group.choose([b"a", b"ab", b"abc"]) is group.all[1]
    assert group.choose([b"a", b"ac"]) is group.all[0]


def chat(*contents: str, tools: tuple[Tool, ...] = ()) -> GenerateRequest:
    messages = tuple(Message(role="user", content=content) for content in contents)
    return GenerateRequest(prompt=Chat(messages=messages, tools=tools))


def common(one: GenerateRequest, other: GenerateRequest) -> int:
    """How many beginnings two prompts share; they must be the first ones."""
    names, others = prefixes(one, "m"), prefixes(other, "m")
    shared = set(names) & set(others)
    assert set(names[: len(shared)]) == shared
    return len(shared)


def test_conversations_share_the_messages_that_they_begin_with() -> None:
    assert common(chat("a", "b"), chat("a", "b", "c")) == 2
    assert common(chat("a", "b"), chat("a", "c")) == 1
    assert common(chat("a", "b"), chat("b", "a")) == 0
    assert common(chat("ab"), chat("a", "b")) == 0
    assert common(chat("a"), chat("a", tools=(Tool(name="f"),))) == 0
    assert not set(prefixes(chat("a"), "m")) & set(prefixes(chat("a"), "n"))


def test_texts_share_the_blocks_that_they_begin_with() -> None:
    base = "word " * 1000
    one = GenerateRequest(prompt=Text(text=base + "this"))
    other = GenerateRequest(prompt=Text(text=base + "that"))
    assert common(one, other) == 4
    ids = tuple(range(1000))
    assert common(
        GenerateRequest(prompt=Tokens(ids=ids)), GenerateRequest(prompt=Tokens(ids=(*ids, 7)))
    )


def test_only_so_much_is_remembered() -> None:
    assert len(prefixes(GenerateRequest(prompt=Text(text="x" * 10_000_000)), "m")) == 128
    memory = PrefixMemory(size=3)
    for number in range(10):
        memory.remember([bytes([number])], number)
        assert len(memory) <= 3
    assert list(memory.find([bytes([9]), bytes([8]), bytes([1])])) == [9, 8]
