"""Settings: usage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from openedai.config.specs import Table

_Price = Annotated[float, Meta(ge=0)]


class Price(Table, frozen=True):
    """What a model costs in US dollars, a table of `[prices]` in `openedai.toml`."""

    input: Annotated[_Price, "For a million tokens that it reads."] = 0.0
    cached_input: Annotated[
        _Price | None, "For a million of those that were not computed again; as `input` if not set."
    ] = None
    output: Annotated[_Price, "For a million tokens that it writes."] = 0.0
    image: Annotated[_Price, "For an image that it makes."] = 0.0
    audio_minute: Annotated[_Price, "For a minute of audio that it transcribes."] = 0.0
    characters: Annotated[_Price, "For a million characters that it speaks."] = 0.0
    training: Annotated[_Price, "For a million tokens that it is trained on."] = 0.0


@dataclass(frozen=True, init=False)
class Usage:
    """What requests used, how long that is kept, and what it costs."""

    usage: Annotated[
        bool,
        "Keep what each request to a model used: tokens, seconds, images, times and costs, but no "
        "contents.",
    ] = True
    usage_lifetime: Annotated[float, Meta(gt=0), "Seconds that usage is kept for."] = 90 * 86400.0
    usage_max_records: Annotated[
        int,
        Meta(ge=0),
        "Most single requests whose usage is kept; of older ones only the sums of each hour.",
    ] = 1_000_000
    prices: Annotated[
        dict[str, Price],
        "What models cost in US dollars, by their ids: tables of `[prices]`, with `input`, "
        "`cached_input` and `output` for a million tokens, `image`, `audio_minute`, and "
        "`characters` and `training` for a million.",
    ] = dataclasses.field(default_factory=dict)
    traces: Annotated[
        bool,
        "Send OpenTelemetry traces of requests, without prompts and answers, as the standard "
        "variables (`OTEL_EXPORTER_OTLP_ENDPOINT` …) say. It needs the extra `otel`.",
    ] = False
    metrics_by: Annotated[
        Literal["", "project", "key"],
        "Also count requests, tokens and costs for Prometheus by project or key: at most 1,000 of "
        "them, the others together.",
    ] = ""
