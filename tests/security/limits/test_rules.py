"""Which limits concern a request."""

from __future__ import annotations

from openedai.config.limits import LimitRule, Limits, LimitSettings
from openedai.security.limits.rules import Rules, Subject


def limits(rules: Rules, subject: Subject) -> dict[str, dict[str, int]]:
    """The limits by the names of the counters."""
    return {
        scope.name: {bound.setting: bound.limit for bound in scope.bounds}
        | ({"requests_at_once": scope.at_once} if scope.at_once else {})
        for scope in rules.scopes(subject)
    }


ALICE = Subject("key_1", "laptop", "alice", "gpt-4o")
BOB = Subject("key_2", "phone", "bob", "llama")


def test_nothing_is_limited_by_default() -> None:
    rules = Rules(LimitSettings())
    assert not rules.any
    assert rules.scopes(ALICE) == ()


def test_the_default_is_of_each_project_and_model() -> None:
    rules = Rules(LimitSettings(requests_per_minute=5, requests_at_once=2))
    expected = {"requests_per_minute": 5, "requests_at_once": 2}
    assert limits(rules, ALICE) == {"project:alice model:gpt-4o": expected}
    assert limits(rules, BOB) == {"project:bob model:llama": expected}


def test_the_last_rule_with_a_value_applies() -> None:
    rules = Rules(
        LimitSettings(
            requests_per_minute=5,
            tokens_per_day=100,
            rules=(
                LimitRule(model="gpt-*", requests_per_minute=7),
                LimitRule(project="alice", requests_per_minute=9),
                LimitRule(project="bob", requests_per_minute=0),
            ),
        )
    )
    alice = {"requests_per_minute": 9, "tokens_per_day": 100}
    assert limits(rules, ALICE) == {"project:alice model:gpt-4o": alice}
    assert limits(rules, BOB) == {"project:bob model:llama": {"tokens_per_day": 100}}


def test_keys_have_counts_of_their_own() -> None:
    rules = Rules(
        LimitSettings(
            rules=(
                LimitRule(key="*", requests_per_minute=5),
                LimitRule(key="laptop", requests_per_minute=6),
                LimitRule(key="key_2", requests_at_once=1),
            )
        )
    )
    assert limits(rules, ALICE) == {"key:key_1 model:gpt-4o": {"requests_per_minute": 6}}
    assert limits(rules, BOB) == {
        "key:key_2 model:llama": {"requests_per_minute": 5, "requests_at_once": 1}
    }


def test_rules_for_models_together_apply_beside_others() -> None:
    rules = Rules(
        LimitSettings(
            requests_per_minute=5,
            rules=(
                LimitRule(together=True, tokens_per_month=1000),
                LimitRule(project="alice", together=True, tokens_per_month=2000),
                LimitRule(model="gpt-*", together=True, tokens_per_day=10),
            ),
        )
    )
    assert limits(rules, ALICE) == {
        "project:alice model:gpt-4o": {"requests_per_minute": 5},
        "project:alice together:*": {"tokens_per_month": 2000},
        "project:alice together:gpt-*": {"tokens_per_day": 10},
    }
    assert limits(rules, BOB) == {
        "project:bob model:llama": {"requests_per_minute": 5},
        "project:bob together:*": {"tokens_per_month": 1000},
    }


def test_stored_limits_come_after_the_rules() -> None:
    rules = Rules(LimitSettings(requests_per_minute=5, tokens_per_minute=50))
    rules.stored = {("alice", "gpt-4o"): Limits(requests_per_minute=8, tokens_per_minute=0)}
    assert limits(rules, ALICE) == {"project:alice model:gpt-4o": {"requests_per_minute": 8}}
    assert rules.effective(ALICE) == {"requests_per_minute": 8}
    assert rules.effective(BOB) == {"requests_per_minute": 5, "tokens_per_minute": 50}


def test_audio_is_counted_in_bytes() -> None:
    rules = Rules(LimitSettings(audio_megabytes_per_minute=2))
    assert limits(rules, ALICE) == {
        "project:alice model:gpt-4o": {"audio_megabytes_per_minute": 2_000_000}
    }
