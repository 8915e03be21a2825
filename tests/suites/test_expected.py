"""A suite's results are compared with what is known to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites.expected import Known, differences, known_failures, report

KNOWN = [
    Known(r"models\.test_delete\[.*\]", "Error code: 405", "Models are not deleted."),
    Known(r"chat\.test_audio", "'audio'", "There is no audio."),
]
AS_KNOWN = {
    "models.test_list": None,
    "models.test_delete[a]": "Error code: 405 - Not allowed",
    "models.test_delete[b]": "Error code: 405 - Not allowed",
    "chat.test_audio": "Unsupported parameter: 'audio'",
}


def test_as_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert differences(AS_KNOWN, KNOWN) == []
    assert report(AS_KNOWN, KNOWN) == 0
    assert capsys.readouterr().out == "1 tests passed, 3 failed; 0 are not as listed\n"


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"models.test_list": "no"}, "models.test_list fails: no"),
        ({"chat.test_audio": None}, "chat.test_audio passes, but is listed as failing"),
        ({"models.test_delete[b]": "500"}, "models.test_delete[b] fails otherwise than is listed"),
    ],
)
def test_differences(changed: dict[str, str | None], difference: str) -> None:
    results = AS_KNOWN | changed
    (found,) = differences(results, KNOWN)
    assert found.startswith(difference)
    assert report(results, KNOWN) == 1


def test_entries_that_say_nothing() -> None:
    gone = {name: error for name, error in AS_KNOWN.items() if name != "chat.test_audio"}
    assert differences(gone, KNOWN) == [r"chat\.test_audio matches no test"]
    twice = [*KNOWN, Known(r"models\..*", "", "")]
    assert len(differences(AS_KNOWN, twice)) == 3
    assert report({}, []) == 1


@pytest.mark.parametrize("suite", ["openai-python", "llm-comply"])
def test_the_lists_say_why(suite: str) -> None:
    known = known_failures(Path(__file__).parent / suite / "failing.toml")
    assert known
    assert all(entry.why and entry.error for entry in known)
