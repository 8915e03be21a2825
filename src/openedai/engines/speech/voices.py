"""The voices of an engine, and which of them the official names refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from openedai.contract.speak import Voice
from openedai.errors import EngineFailed, InvalidRequest

OFFICIAL = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer"),
    *("verse", "marin", "cedar"),
)


class VoiceTable:
    """Finds voices by their names and aliases; the first voice is the default one."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self.voices = tuple(voices)
        self._names = {name: voice.name for voice in voices for name in voice.aliases}
        self._names |= {voice.name: voice.name for voice in voices}

    def find(self, name: str) -> str:
        """The voice that a name refers to. Raises InvalidRequest for the parameter `voice`."""
        found = self._names.get(name) or self._names.get(name.lower())
        if found is None:
            known = ", ".join(self._names)
            raise InvalidRequest(
                f"Invalid 'voice': there is no voice `{name[:64]}`. The model has: {known}.",
                code="invalid_value",
                param="voice",
            )
        return found


def with_official_names(
    voices: Sequence[Voice], preferred: Mapping[str, str], configured: Mapping[str, str]
) -> VoiceTable:
    """Voices that answer to the official names too.

    `configured` and `preferred` say which voice a name refers to; the other official names are
    spread over all voices. Raises EngineFailed for a configured voice that does not exist.
    """
    existing = [voice.name for voice in voices]
    if missing := sorted(set(configured.values()) - set(existing)):
        raise EngineFailed(f"It has no voice `{missing[0]}`; it has: {', '.join(existing)}.")
    chosen = {
        name: preferred[name] if preferred.get(name) in existing else other
        for name, other in zip(OFFICIAL, _repeated(existing, len(OFFICIAL)), strict=True)
        if name not in existing
    }
    chosen |= configured
    return VoiceTable(
        [
            Voice(
                name=voice.name,
                languages=voice.languages,
                aliases=tuple(name for name, of in chosen.items() if of == voice.name),
            )
            for voice in voices
        ]
    )


def _repeated(names: Sequence[str], count: int) -> Iterable[str]:
    return (names[index % len(names)] for index in range(count))
