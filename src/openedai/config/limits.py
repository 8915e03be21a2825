"""The limits of keys and projects: the table `[limits]` and its `[[limits.rules]]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from openedai.config.specs import Table

_Count = Annotated[int, Meta(ge=0)]


class Limits(Table, frozen=True):
    """How much may be used. None says nothing, 0 is no limit.

    A minute is any 60 seconds. Days and months are those of UTC.
    """

    requests_per_minute: Annotated[_Count | None, "Requests in any 60 seconds."] = None
    tokens_per_minute: Annotated[
        _Count | None, "Tokens of prompts and answers together in any 60 seconds."
    ] = None
    images_per_minute: Annotated[_Count | None, "Images in any 60 seconds."] = None
    audio_megabytes_per_minute: Annotated[
        _Count | None, "Megabytes of audio files to transcribe in any 60 seconds."
    ] = None
    requests_at_once: Annotated[
        _Count | None, "Requests that run or wait for their turn at the same time."
    ] = None
    requests_per_day: Annotated[_Count | None, "Requests in a day of UTC."] = None
    tokens_per_day: Annotated[_Count | None, "Tokens in a day of UTC."] = None
    requests_per_month: Annotated[_Count | None, "Requests in a month of UTC."] = None
    tokens_per_month: Annotated[_Count | None, "Tokens in a month of UTC."] = None


class LimitRule(Limits, frozen=True):
    """Limits of some projects or keys, and of some models."""

    project: Annotated[
        str, "The project's id; `*` is each project by itself, and the default without `key`."
    ] = ""
    key: Annotated[str, "The key's id or name in place of a project; `*` is each by itself."] = ""
    storage_bytes: Annotated[
        _Count | None,
        "Bytes of the files that the project may keep, in place of `files_max_bytes_per_key`.",
    ] = None
    model: Annotated[
        str, "The model's id, or a pattern such as `gpt-*`; each model has counts of its own."
    ] = "*"
    together: Annotated[
        bool, "The models have one count together, and this rule applies beside all others."
    ] = False


class LimitSettings(Limits, frozen=True):
    """The limits of each project and model, unless a rule says otherwise, and the rules."""

    answer_tokens: Annotated[
        int,
        Meta(ge=0),
        "Tokens that an answer is expected to have if its request does not limit it; what it "
        "has in the end is counted.",
    ] = 512
    rules: Annotated[
        tuple[LimitRule, ...],
        "Limits of some projects, keys or models. Of those that concern the same counts, the last "
        "one with a value for a limit applies.",
    ] = ()


def storage_limits(value: LimitSettings) -> dict[str, int]:
    """The bytes of files of the projects that have a rule for them; the last one applies."""
    return {
        rule.project: rule.storage_bytes for rule in value.rules if rule.storage_bytes is not None
    }


def check_limits(value: LimitSettings) -> None:
    """Raise ValueError for a rule that is not valid."""
    for number, rule in enumerate(value.rules):
        if rule.project and rule.key:
            raise ValueError(f"rules.{number}: a rule has a project or a key, not both")
        if not rule.model:
            raise ValueError(f"rules.{number}: 'model' is empty; `*` means all models")
        if rule.storage_bytes is not None and rule.project in ("", "*"):
            raise ValueError(f"rules.{number}: 'storage_bytes' needs the id of a project")
        names = (*Limits.__struct_fields__, "storage_bytes")
        if all(getattr(rule, name) is None for name in names):
            raise ValueError(f"rules.{number}: it has no limit")
