"""`openedai serve --tunnel`, with doubles of the programs that write what the real ones do."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from openedai.cli.listening import tunnel
from openedai.cli.listening.tunnel import Tunnel, TunnelFailed
from tests.cli.program import openedai
from tests.support import fetch, wait_until

CONFIG = """\
builtin_models = false
chat_model = "echo"
embedding_model = "echo"
port = 0
[[models]]
id = "echo"
engine = "echo"
"""
OUTPUT = {
    "cloudflared": """\
2026-01-01T00:00:00Z INF Requesting new quick Tunnel on trycloudflare.com...
2026-01-01T00:00:00Z INF +--------------------------------------------------------------+
2026-01-01T00:00:00Z INF |  https://four-random-words-here.trycloudflare.com            |
""",
    "ngrok": """\
t=2026-01-01T00:00:00+0000 lvl=info msg="client session established" obj=tunnels.session
t=2026-01-01T00:00:00+0000 lvl=info msg="started tunnel" obj=tunnels name=command_line \
addr=http://localhost:5001 url=https://abcd-1234.ngrok-free.app
""",
    "tailscale": """\
Available on the internet:

https://laptop.tail1234.ts.net/
|-- proxy http://127.0.0.1:5001
""",
    "ssh": """\
To set up and manage custom domains go to https://admin.localhost.run/
More details on custom domains at https://localhost.run/docs/custom-domains
0123456789abcd.lhr.life tunneled with tls termination, https://0123456789abcd.lhr.life
""",
}
URLS = {
    "cloudflared": "https://four-random-words-here.trycloudflare.com",
    "ngrok": "https://abcd-1234.ngrok-free.app",
    "tailscale": "https://laptop.tail1234.ts.net",
    "ssh": "https://0123456789abcd.lhr.life",
}


def double(folder: Path, name: str, text: str, *, then: str = "exec sleep 600") -> dict[str, str]:
    """An environment whose `name` writes its arguments to a file, then `text`, and does `then`."""
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f"#!/bin/sh\necho \"$@\" >> '{folder}/calls'\ncat <<'END'\n{text}END\n{then}\n"
    )
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "openedai.toml").write_text(CONFIG)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENEDAI_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "openedai", "serve", *arguments],
        cwd=folder,
        env={**kept, "OPENEDAI_API_KEY": "sk-tunnel", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def output_match(process: subprocess.Popen[str], pattern: str) -> str:
    """The first group of the pattern in what the server has written by then."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"the server has ended without {pattern!r}")


def double_of(process: subprocess.Popen[str]) -> psutil.Process:
    (sleeping,) = (
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.name() == "sleep"
    )
    return sleeping


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_tunnel_ends_with_the_server(tmp_path: Path, end: signal.Signals) -> None:
    environment = double(tmp_path, "cloudflared", OUTPUT["cloudflared"])
    with serving(tmp_path, "--tunnel", "cloudflared", **environment) as process:
        assert output_match(process, r"public address is (\S+)") == f"{URLS['cloudflared']}/v1"
        url = output_match(process, r"ready at (\S+)/v1")
        key = {"authorization": "Bearer sk-tunnel"}
        host = {"host": "four-random-words-here.trycloudflare.com"}
        assert fetch(f"{url}/v1/models", headers=key | host).status == 200
        assert fetch(f"{url}/v1/models", headers=host).status == 401
        assert fetch(f"{url}/v1/models", headers=key | {"host": "other.example"}).status == 403
        arguments = (tmp_path / "calls").read_text()
        assert arguments == f"tunnel --no-autoupdate --url {url}\n"
        sleeping = double_of(process)
        process.send_signal(end)
        process.wait(20)
        psutil.wait_procs([sleeping], timeout=20)
        assert not sleeping.is_running()
    assert process.returncode == (0 if end is signal.SIGTERM else -signal.SIGKILL)


def test_no_tunnel_without_keys(tmp_path: Path) -> None:
    environment = double(tmp_path, "ngrok", OUTPUT["ngrok"])
    (tmp_path / "openedai.toml").write_text(CONFIG)
    for more in ((), ("--no-auth",)):
        done = openedai("serve", "--tunnel", "ngrok", *more, folder=tmp_path, **environment)
        assert (done.returncode, "OPENEDAI_API_KEY" in done.stderr) == (2, True)
    assert not (tmp_path / "calls").exists()


def test_a_program_that_is_missing_or_fails(tmp_path: Path) -> None:
    (tmp_path / "openedai.toml").write_text(CONFIG)
    key = {"OPENEDAI_API_KEY": "sk-tunnel"}
    done = openedai("serve", "--tunnel", "ngrok", folder=tmp_path, PATH=str(tmp_path), **key)
    assert done.returncode == 2
    assert "ngrok is not installed: https://ngrok.com/download" in done.stderr
    environment = double(tmp_path, "ngrok", "ERR_NGROK_4018: sign up\n", then="exit 3")
    done = openedai("serve", "--tunnel", "ngrok", folder=tmp_path, **key, **environment)
    assert done.returncode == 1
    assert "ngrok ended, having said:\n  ERR_NGROK_4018: sign up" in done.stderr
    assert "is ready" not in done.stderr


async def opened_and_closed(one: Tunnel) -> None:
    await one.open("127.0.0.1:5001")
    await one.close()


@pytest.mark.parametrize("name", OUTPUT)
def test_the_url_of_each_program(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", double(tmp_path, name, OUTPUT[name])["PATH"])
    urls: list[str] = []
    asyncio.run(opened_and_closed(Tunnel(name, "nokey@localhost.run", "", urls.append)))
    assert urls == [URLS[name]]
    assert "127.0.0.1:5001" in (tmp_path / "calls").read_text()


def test_a_program_that_ends_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n" * 3 + "x" * (1 << 17) + "\n" + OUTPUT["ngrok"]
    monkeypatch.setenv("PATH", double(tmp_path, "ngrok", text, then="exit 1")["PATH"])
    monkeypatch.setattr(tunnel, "RESTART_SECONDS", 0)

    async def three_times() -> list[str]:
        urls: asyncio.Queue[str] = asyncio.Queue()
        one = Tunnel("ngrok", "", "", urls.put_nowait)
        await one.open("127.0.0.1:5001")
        opened = [await asyncio.wait_for(urls.get(), 30) for _ in range(3)]
        await one.close()
        return opened

    assert asyncio.run(three_times()) == 3 * [URLS["ngrok"]]


def test_a_program_that_tells_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", double(tmp_path, "ssh", "Welcome\n")["PATH"])
    monkeypatch.setattr(tunnel, "OPEN_SECONDS", 0.5)
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(TunnelFailed, match="told no address, having said:\n  Welcome"):
        asyncio.run(opened_and_closed(Tunnel("ssh", "me@example.org", "", lambda url: None)))
    wait_until(lambda: set(psutil.Process().children(recursive=True)) <= before)
    urls: list[str] = []
    known = Tunnel("ssh", "me@example.org", "https://ai.example.org", urls.append)
    asyncio.run(opened_and_closed(known))
    assert urls == ["https://ai.example.org"]
    assert "-R 80:127.0.0.1:5001 me@example.org" in (tmp_path / "calls").read_text()
