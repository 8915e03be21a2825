"""Where the values of settings come from: the environment, a `.env` file and a TOML file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

PREFIX = "OPENEDAI_"
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_NOT_A_CHOICE = re.compile(r"Invalid enum value '(?P<value>.*)'")
_AT = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)


class ConfigError(ValueError):
    """The configuration cannot be used; the message says what and where."""


class Secret:
    """A text that is never displayed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret('…')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        return self._text


def from_environment(
    names: Iterable[str], lists: frozenset[str], more_names: Mapping[str, str], env_file: str | None
) -> dict[str, Any]:
    """The values in the environment, which override those in `env_file`, by the names of settings.

    `more_names` are further variables, without the prefix, for some settings. The values of `lists`
    are JSON. Raises ConfigError.
    """
    variables: dict[str, str | None] = {}
    if env_file is not None and Path(env_file).is_file():
        from dotenv import dotenv_values

        try:
            variables |= dotenv_values(env_file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{env_file} cannot be read: {error}.") from error
    variables |= os.environ
    values = {name.upper(): value for name, value in variables.items() if value is not None}
    found: dict[str, Any] = {}
    for name in names:
        for variable in (PREFIX + name.upper(), more_names.get(name, "")):
            if variable in values:
                text = values[variable]
                found[name] = _list(variable, text) if name in lists else text
                break
    return found


def _list(variable: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ConfigError(
            f"{variable} is not valid JSON. In the environment lists are written as JSON, such as "
            '["first", "second"].'
        ) from None


def from_file(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """The values in a TOML file. Raises ConfigError, also for a name that is not in `names`."""
    import tomllib

    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigError(f"{path}: unknown setting `{unknown[0]}`; docs/settings.md lists them.")
    return values


def converted(kind: type, value: Any) -> Any:
    """A value as a type that msgspec does not know."""
    if isinstance(value, kind):
        return value
    if kind in (Path, Secret) and isinstance(value, str):
        return kind(value)
    raise ValueError(f"Expected `str`, got `{type(value).__name__}`")


def readable(error: msgspec.ValidationError, choices: Mapping[str, str]) -> ConfigError:
    """`models.0.id: …` for the value at `$.models[0]`. `choices` are the values of settings that
    have few, by their names.
    """
    match = _AT.fullmatch(str(error))
    problem, path = (match["problem"], match["path"] or "") if match else (str(error), "")
    parts = [part for part in re.split(r"[.\[\]]+", path) if part]
    for pattern, text in ((_MISSING, "it is missing"), (_UNKNOWN, "there is no such key")):
        if found := pattern.fullmatch(problem):
            parts, problem = [*parts, found["name"]], text
    if (found := _NOT_A_CHOICE.fullmatch(problem)) and (values := choices.get(".".join(parts))):
        problem = f"'{found['value']}' is not one of {values}"
    return ConfigError(f"{'.'.join(parts)}: {problem}" if parts else problem)
