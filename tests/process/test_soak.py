"""200 clients at once, well and badly behaved, against the server as a process."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bench.servers import openedai
from bench.soak.clients import Load, Result
from bench.soak.fairness import Flood
from bench.soak.mix import REQUEST_TIMEOUT, Mix
from bench.soak.section import Findings, config, figures, soak
from tests.process.settings_files import model_table, settings_file

ECHO = settings_file(model_table("small", worker=True, slots=8, repeat=1000, delay=0.0005))


def missed(findings: Findings) -> list[str]:
    """The bounds that were missed; the memory is steady only after a while."""
    judged = {figure.case: figure.verdict() for figure in figures(findings)}
    memory = ("memory of the server", "memory of the engine")
    return [
        case
        for case, verdict in judged.items()
        if verdict and not verdict.met and case not in memory
    ]


def wrong(findings: Findings) -> list[str]:
    return [
        one.reason for one in findings.outcomes if one.result in (Result.MALFORMED, Result.LOST)
    ]


def test_200_clients_on_the_echo_engine() -> None:
    load, flood = Load(200, REQUEST_TIMEOUT, requests=2), Flood(light=5)
    server = openedai(config(load, flood) + ECHO)
    findings = asyncio.run(soak(server, Mix("small", 4096, max_patience=1), load, flood))
    assert wrong(findings) == []
    assert missed(findings) == []
    assert len(findings.outcomes) == 400
    results = Counter(outcome.result for outcome in findings.outcomes)
    assert all(
        results[result] > 0 for result in (Result.ANSWERED, Result.REFUSED, Result.DISCONNECTED)
    )
    assert Counter(findings.order) == {"heavy": 100, "light": 5}


@pytest.mark.real
@pytest.mark.timeout(900)  # a busy machine; a minute on two quiet cores
def test_200_clients_on_the_small_model() -> None:
    load, flood = Load(200, REQUEST_TIMEOUT, requests=1), Flood(light=2)
    mix = Mix("smollm2-135m-instruct", 4096, tokens=6, words=4, long_words=200, max_patience=1)
    findings = asyncio.run(soak(openedai(config(load, flood)), mix, load, flood))
    assert wrong(findings) == []
    assert missed(findings) == []
    assert len(findings.outcomes) == 200
    assert any(outcome.result is Result.ANSWERED for outcome in findings.outcomes)
