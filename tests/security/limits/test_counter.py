"""Counters: what a request does to them, and what refusals and standings say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openedai.config.limits import LimitRule, LimitSettings
from openedai.security.limits.counter import (
    HOLD,
    Charge,
    Counter,
    admit,
    apply,
    end_of,
    standing,
)
from openedai.security.limits.rules import Rules, Subject
from openedai.security.limits.scopes import Cost, Measure, Refusal, Scope, Standing

MINUTE = 60_000
NOTHING = Cost()
START = int(dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC).timestamp()) * 1000
ME = Subject("key", "name", "project", "model")


def scopes_of(**limits: Any) -> tuple[Scope, ...]:
    return Rules(LimitSettings(**limits)).scopes(ME)


class Caller:
    """Sends requests to counters, with a clock of its own."""

    def __init__(self, scopes: tuple[Scope, ...]) -> None:
        self.scopes = scopes
        self.counters = {scope.name: Counter() for scope in scopes}
        self.now = START

    def send(self, cost: Cost = NOTHING, *, background: bool = False) -> Charge | Refusal:
        return admit(self.counters, self.scopes, cost, self.now, "me", background=background)

    def standing(self) -> dict[Measure, Standing]:
        return standing(self.counters, self.scopes, self.now)

    def settle(self, charge: Charge, **amounts: int) -> None:
        differences: dict[Measure, int] = {
            measure: amounts.get(measure, amount) - amount
            for measure, amount in charge.amounts.items()
        }
        apply(self.counters, charge, differences, self.now, "me", hold=-1)


def admitted(result: Charge | Refusal) -> Charge:
    assert isinstance(result, Charge), result
    return result


def refusal(result: Charge | Refusal) -> Refusal:
    assert isinstance(result, Refusal), result
    return result


def test_requests_of_a_minute() -> None:
    caller = Caller(scopes_of(requests_per_minute=3))
    for remaining in (2, 1, 0):
        admitted(caller.send())
        found = caller.standing()["requests"]
        assert (found.limit, found.remaining) == (3, remaining)
        caller.now += 10_000
    assert refusal(caller.send()) == Refusal(
        "rate", "requests", "requests per min (RPM)", 3, 3, 1, MINUTE - 30_000
    )
    caller.now += MINUTE - 30_000
    admitted(caller.send())


def test_a_refused_request_costs_nothing() -> None:
    caller = Caller(scopes_of(requests_per_minute=5, tokens_per_minute=100))
    admitted(caller.send(Cost(prompt_tokens=90)))
    before = msgspec.json.encode(caller.counters)
    assert refusal(caller.send(Cost(prompt_tokens=20))).measure == "tokens"
    assert msgspec.json.encode(caller.counters) == before


def test_an_answer_without_a_limit_is_expected_to_have_what_there_is_room_for() -> None:
    caller = Caller(scopes_of(tokens_per_minute=100))
    assert admitted(caller.send(Cost(10, likely_tokens=500))).amounts["tokens"] == 100
    assert refusal(caller.send(Cost(0, likely_tokens=500))).requested == 1


def test_a_request_beyond_the_limit_can_never_be_served() -> None:
    caller = Caller(scopes_of(tokens_per_minute=100, tokens_per_day=1000))
    assert refusal(caller.send(Cost(50, answer_tokens=51))).reason == "size"


def test_what_was_used_takes_the_place_of_what_was_expected() -> None:
    caller = Caller(scopes_of(tokens_per_minute=100, tokens_per_day=1000))
    charge = admitted(caller.send(Cost(80)))
    caller.now += 5_000
    caller.settle(charge, tokens=30)
    admitted(caller.send(Cost(70)))
    caller.now += MINUTE - 5_000
    assert refusal(caller.send(Cost(31))).used == 70
    (counter,) = caller.counters.values()
    assert counter.periods["day"].amounts["tokens"] == 100


def test_more_than_expected_is_a_debt_that_the_next_ones_wait_for() -> None:
    caller = Caller(scopes_of(tokens_per_minute=100))
    caller.settle(admitted(caller.send(Cost(80))), tokens=250)
    found = refusal(caller.send(Cost(1)))
    assert (found.used, found.wait) == (250, MINUTE)


def test_days_and_months_are_quotas_that_are_renewed() -> None:
    caller = Caller(scopes_of(requests_per_day=2, requests_per_month=3))
    admitted(caller.send())
    admitted(caller.send())
    found = refusal(caller.send())
    assert (found.reason, found.wait) == ("quota", 12 * 3_600_000)
    caller.now += found.wait
    admitted(caller.send())
    month = refusal(caller.send())
    assert month.words == "requests per month"
    caller.now += month.wait
    assert caller.now == dt.datetime(2026, 12, 1, tzinfo=dt.UTC).timestamp() * 1000
    admitted(caller.send())


@given(st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2040, 1, 1)))
def test_the_end_of_a_period_is_the_beginning_of_the_next(time: dt.datetime) -> None:
    now = int(time.replace(tzinfo=dt.UTC).timestamp() * 1000)
    for per, length in (("day", 1), ("month", 31)):
        end = end_of(per, now)
        date = dt.datetime.fromtimestamp(end / 1000, dt.UTC)
        assert now < end <= now + length * 86_400_000
        assert date.time() == dt.time()
        assert per == "day" or date.day == 1
        assert end_of(per, end - 1) == end


def test_requests_at_once() -> None:
    caller = Caller(scopes_of(requests_at_once=2))
    first = admitted(caller.send())
    admitted(caller.send())
    assert refusal(caller.send()).words == "requests at once"
    caller.settle(first)
    admitted(caller.send())


def test_what_a_dead_server_holds_is_free_after_some_time() -> None:
    caller = Caller(scopes_of(requests_at_once=1))
    admitted(caller.send())
    caller.now += HOLD - 1
    refusal(caller.send())
    caller.now += 1
    admitted(caller.send())


def test_the_background_leaves_a_fifth_to_clients() -> None:
    caller = Caller(scopes_of(tokens_per_minute=100, requests_at_once=5))
    for _ in range(4):
        admitted(caller.send(Cost(20), background=True))
    assert refusal(caller.send(Cost(1), background=True)).wait == MINUTE
    admitted(caller.send(Cost(20)))


def test_the_background_gets_a_limit_that_nobody_else_uses() -> None:
    for cost in (Cost(100), Cost(1, likely_tokens=100)):
        caller = Caller(scopes_of(tokens_per_minute=100, requests_per_minute=1, requests_at_once=1))
        admitted(caller.send(cost, background=True))


def test_the_longest_of_several_waits_is_told() -> None:
    caller = Caller(scopes_of(requests_per_minute=1, tokens_per_minute=10))
    admitted(caller.send(Cost(10)))
    caller.now += 1_000
    found = refusal(caller.send(Cost(10)))
    caller.now += found.wait
    admitted(caller.send(Cost(10)))


def test_counters_survive_as_json() -> None:
    caller = Caller(scopes_of(tokens_per_minute=100, tokens_per_day=500, requests_at_once=3))
    admitted(caller.send(Cost(40)))
    text = msgspec.json.encode(caller.counters)
    caller.counters = msgspec.json.decode(text, type=dict[str, Counter])
    assert refusal(caller.send(Cost(70))).used == 40
    (counter,) = caller.counters.values()
    assert not counter.is_empty(caller.now)
    assert counter.is_empty(caller.now + 86_400_000)


class Clients(RuleBasedStateMachine):
    """Requests of several keys of two projects, some of which end later, beside a simple model."""

    RULES = LimitSettings(
        requests_per_minute=4,
        tokens_per_minute=50,
        requests_at_once=3,
        tokens_per_day=120,
        rules=(
            LimitRule(key="*", requests_per_minute=3),
            LimitRule(project="p1", model="*", together=True, tokens_per_minute=60),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.limits = Rules(self.RULES)
        self.counters: dict[str, Counter] = {}
        self.now = START
        self.running: list[Charge] = []
        self.log: list[tuple[int, str, dict[Measure, int]]] = []

    @rule(seconds=st.integers(0, 90_000))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(
        key=st.sampled_from(["k1", "k2"]),
        project=st.sampled_from(["p1", "p2"]),
        model=st.sampled_from(["m1", "m2"]),
        tokens=st.integers(0, 40),
        patient=st.booleans(),
    )
    def send(self, key: str, project: str, model: str, tokens: int, *, patient: bool) -> None:
        scopes = self.limits.scopes(Subject(key, key, project, model))
        for scope in scopes:
            self.counters.setdefault(scope.name, Counter())
        result = admit(self.counters, scopes, Cost(tokens), self.now, "me")
        if isinstance(result, Refusal):
            if not patient or result.words == "requests at once":
                return
            self.now += result.wait
            again = admit(self.counters, scopes, Cost(tokens), self.now, "me")
            if isinstance(again, Refusal):  # only what has no time of its own
                assert again.words == "requests at once"
                return
            result = again
        self.running.append(result)
        for scope in scopes:
            self.log.append((self.now, scope.name, dict(result.amounts)))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        charge = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        apply(self.counters, charge, {}, self.now, "me", hold=-1)

    @invariant()
    def no_minute_has_too_much(self) -> None:
        for name in self.counters:
            recent = [
                amounts
                for time, scope, amounts in self.log
                if scope == name and self.now - MINUTE < time
            ]
            requests = 3 if name.startswith("key:") else 4
            tokens = 60 if "together" in name else 50
            if not name.startswith("key:"):
                assert sum(one.get("tokens", 0) for one in recent) <= tokens
            if "together" not in name:
                assert len(recent) <= requests

    @invariant()
    def the_running_are_counted(self) -> None:
        for name, counter in self.counters.items():
            own = [
                one
                for one in self.running
                if any(scope.name == name and scope.at_once for scope in one.scopes)
            ]
            assert counter.held(self.now) <= len(own) <= 3 or self.now > START + HOLD


Clients.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestClients = Clients.TestCase
