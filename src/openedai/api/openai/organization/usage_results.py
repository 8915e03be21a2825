"""Sums of usage as results of the official API, and results in pages of buckets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from openedai.api.openai.organization.usage_queries import Buckets
from openedai.serving.usage.kinds import FINE_TUNING
from openedai.store.usage.sums import UsageSum

Result = dict[str, Any]
Group = tuple[tuple[str, Any], ...]

# The dimensions of our sums from which the names of `group_by` are made.
COLUMNS = {
    "project_id": ("project",),
    "api_key_id": ("key",),
    "model": ("model",),
    "size": ("size",),
    "batch": ("origin",),
    "source": ("route",),
    "line_item": ("kind", "model"),
}
_SOURCES = {"edits": "image.edit", "variations": "image.variation"}


def source_of(route: str) -> str:
    """The official source of an image, by the path of the route that made it."""
    return _SOURCES.get(route.rpartition("/")[2], "image.generation")


def grouped_value(name: str, values: Mapping[str, str]) -> Any:
    """The value for one of the names of `group_by`; None for what we do not have."""
    match name:
        case "batch":
            return values["origin"] == "batch"
        case "source":
            return source_of(values["route"])
        case "service_tier":
            return "default"
        case "api_source":
            return "unlabeled"
        case "user_id" | "vector_store_id" | "context_level":
            return None
    return values[COLUMNS[name][0]] or None


def usage_page(
    kind: str,
    buckets: Buckets,
    names: Sequence[str],
    sums: Iterable[UsageSum],
    numbers: Callable[[Sequence[UsageSum]], Result],
) -> Result:
    """The sums of each bucket, by the values of the names, as `numbers` renders them."""
    found: defaultdict[tuple[int, Group], list[UsageSum]] = defaultdict(list)
    for one in sums:
        group = tuple((name, grouped_value(name, one.values)) for name in names)
        found[one.start, group].append(one)
    results: defaultdict[int, list[Result]] = defaultdict(list)
    for (start, group), members in found.items():
        results[start].append({"object": f"organization.{kind}.result"} | dict(group))
        results[start][-1] |= numbers(members)
    return page_of(buckets, results)


def page_of(buckets: Buckets, results: Mapping[int, Sequence[Result]]) -> Result:
    """A page of buckets; `results` has the results of each bucket, by its start."""
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": start,
                "end_time": start + buckets.width,
                "results": results.get(start, []),
            }
            for start in buckets.starts()
        ],
        "has_more": buckets.next is not None,
        "next_page": buckets.next,
    }


def requests(sums: Sequence[UsageSum]) -> Result:
    return {"num_model_requests": sum(one.requests for one in sums)}


def tokens(sums: Sequence[UsageSum]) -> Result:
    """The numbers for models that read and write text. Audio is transcribed and made by other
    models here.
    """
    read = sum(one.prompt_tokens for one in sums)
    cached = sum(one.cached_tokens for one in sums)
    written = sum(one.completion_tokens for one in sums)
    return requests(sums) | {
        "input_tokens": read,
        "output_tokens": written,
        "input_cached_tokens": cached,
        "input_uncached_tokens": read - cached,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
    }


def read_tokens(sums: Sequence[UsageSum]) -> Result:
    return requests(sums) | {"input_tokens": sum(one.prompt_tokens for one in sums)}


def images(sums: Sequence[UsageSum]) -> Result:
    return requests(sums) | {"images": sum(one.images for one in sums)}


def characters(sums: Sequence[UsageSum]) -> Result:
    return requests(sums) | {"characters": sum(one.characters for one in sums)}


def seconds(sums: Sequence[UsageSum]) -> Result:
    return requests(sums) | {"seconds": round(sum(one.audio_seconds for one in sums))}


def calls(sums: Sequence[UsageSum]) -> Result:
    """The numbers for tool calls."""
    return {"num_requests": sum(one.requests for one in sums)}


def sessions(sums: Sequence[UsageSum]) -> Result:
    return {"num_sessions": sum(one.requests for one in sums)}


def calls_of_requests(sums: Sequence[UsageSum]) -> Result:
    """The same, with the number of requests that made them."""
    return calls(sums) | {"num_model_requests": sum(one.first_tokens for one in sums)}


def amount(sums: Sequence[UsageSum]) -> Result:
    return _amount(sum(one.cost for one in sums))


def _amount(value: float) -> Result:
    return {"amount": {"value": round(value, 12), "currency": "usd"}}


def cost_page(
    buckets: Buckets, names: Sequence[str], sums: Iterable[UsageSum], items: Sequence[str]
) -> Result:
    """Costs by line items, which have names such as `gpt-4o, input_tokens`; all of them if `items`
    is empty. Items without costs are left out.
    """
    found: defaultdict[tuple[int, Group], list[float]] = defaultdict(lambda: [0.0, 0.0])
    units: dict[str, str] = {}
    for one in sums:
        values = dict(one.values)
        others = [(name, grouped_value(name, values)) for name in names if name != "line_item"]
        for name, cost, quantity, unit in _items(one):
            item = f"{values['model']}, {name}"
            if cost and (not items or item in items):
                units[item] = unit
                entry = found[one.start, (("line_item", item), *others)]
                entry[0] += cost
                entry[1] += quantity
    results: defaultdict[int, list[Result]] = defaultdict(list)
    for (start, group), (cost, quantity) in found.items():
        result = {"object": "organization.costs.result"} | dict(group) | _amount(cost)
        if "line_item" in names:
            result |= {"quantity": quantity, "quantity_unit": units[result["line_item"]]}
        results[start].append(result)
    if "line_item" not in names:
        results = _without_items(results)
    return page_of(buckets, results)


def _items(one: UsageSum) -> Iterator[tuple[str, float, float, str]]:
    """The name of each item, its cost, its quantity and its unit."""
    uncached = one.prompt_tokens - one.cached_tokens
    yield "input_tokens", one.input_cost, uncached, "tokens"
    yield "cached_input_tokens", one.cached_cost, one.cached_tokens, "tokens"
    yield "output_tokens", one.output_cost, one.completion_tokens, "tokens"
    match one.values["kind"]:
        case "images":
            yield "images", one.unit_cost, one.images, "images"
        case "audio_speeches":
            yield "characters", one.unit_cost, one.characters, "characters"
        case "audio_transcriptions":
            yield "audio", one.unit_cost, one.audio_seconds, "duration_seconds"
        case kind if kind == FINE_TUNING:
            yield "training_tokens", one.unit_cost, one.prompt_tokens, "tokens"


def _without_items(results: Mapping[int, Sequence[Result]]) -> defaultdict[int, list[Result]]:
    """Results by line items, added up over all items."""
    merged: defaultdict[int, list[Result]] = defaultdict(list)
    for start, found in results.items():
        sums: defaultdict[Group, float] = defaultdict(float)
        for one in found:
            others = {name: value for name, value in one.items() if name not in _OF_ITEMS}
            sums[tuple(others.items())] += one["amount"]["value"]
        merged[start] = [dict(group) | _amount(value) for group, value in sums.items()]
    return merged


_OF_ITEMS = ("line_item", "amount")
