"""Voices and the names that they answer to."""

from __future__ import annotations

import pytest

from openedai.contract.speak import Voice
from openedai.engines.speech.voices import OFFICIAL, VoiceTable, with_official_names
from openedai.errors import EngineFailed, InvalidRequest

VOICES = [Voice(name=name, languages=("en",)) for name in ("anna", "ben")]


def test_every_official_name_is_a_voice() -> None:
    table = with_official_names(VOICES, {"onyx": "ben"}, {"nova": "anna", "narrator": "ben"})
    assert {table.find(name) for name in OFFICIAL} == {"anna", "ben"}
    assert (table.find("onyx"), table.find("nova"), table.find("narrator")) == (
        *("ben", "anna", "ben"),
    )
    aliases = [alias for voice in table.voices for alias in voice.aliases]
    assert sorted(aliases) == sorted((*OFFICIAL, "narrator"))


def test_a_voice_may_have_an_official_name() -> None:
    table = with_official_names([Voice(name="alloy"), *VOICES], {}, {})
    assert table.find("alloy") == "alloy"
    assert all("alloy" not in voice.aliases for voice in table.voices)


def test_names_are_found_in_any_case() -> None:
    assert VoiceTable(VOICES).find("Anna") == "anna"


def test_an_unknown_voice_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="anna, ben") as failed:
        VoiceTable(VOICES).find("carl")
    assert failed.value.param == "voice"


def test_a_configured_voice_must_exist() -> None:
    with pytest.raises(EngineFailed, match="carl"):
        with_official_names(VOICES, {}, {"nova": "carl"})
