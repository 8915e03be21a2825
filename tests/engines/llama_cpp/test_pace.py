"""How much of the prompts is computed between two tokens of the answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.llama_cpp.loop import Pace


@given(per_token=st.floats(1e-5, 0.02), seconds=st.sampled_from([0.15, 0.25]))
def test_a_part_of_the_prompts_takes_the_time_that_it_may(per_token: float, seconds: float) -> None:
    pace = Pace()
    for _ in range(60):
        tokens = pace.room(1 << 20, seconds)
        pace.record(tokens, tokens * per_token)
    expected = max(8, seconds / per_token)
    assert 0.98 * expected - 1 <= pace.room(1 << 20, seconds) <= 1.02 * expected


def test_small_parts_say_little_about_the_time() -> None:
    pace = Pace()
    before = pace.room(512, 0.15)
    pace.record(1, 10.0)
    assert pace.room(512, 0.15) == before
    assert pace.room(16, 0.15) == 16
