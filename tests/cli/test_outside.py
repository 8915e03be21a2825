"""What lets other machines in: TLS, a Unix socket, proxies."""

from __future__ import annotations

import socket
import ssl
import stat
from pathlib import Path

import httpx2
import pytest
import trustme
from openai import OpenAI
from websockets.sync.client import connect

from openedai.app import create_app
from openedai.cli.listening.certificate import Certificate
from openedai.cli.listening.listener import Listener
from openedai.config import ConfigError, Settings
from openedai.http.exchange import Exchange
from openedai.http.public_address import PublicAddress
from tests.support import ServerThread, echo_settings, fetch

AUTHORITY = trustme.CA()


def write(certificate: trustme.LeafCert, folder: Path) -> tuple[Path, Path]:
    """The paths of the certificate and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    key.write_bytes(certificate.private_key_pem.bytes())
    cert.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    return cert, key


@pytest.fixture
def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def test_https_and_wss(tmp_path: Path, client_tls: ssl.SSLContext) -> None:
    paths = write(AUTHORITY.issue_cert("127.0.0.1"), tmp_path)
    with ServerThread(echo_settings(), tls=Certificate(*paths).context) as running:
        url = f"https://127.0.0.1:{running.port}/v1"
        with httpx2.Client(verify=client_tls) as http:
            client = OpenAI(base_url=url, api_key="dummy", http_client=http, max_retries=0)
            chunks = client.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": "over TLS"}], stream=True
            )
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            image = client.images.generate(model="echo", prompt="a", response_format="url")
        with connect(f"wss://127.0.0.1:{running.port}/v1/responses", ssl=client_tls) as ws:
            ws.send('{"type": "response.create", "model": "echo", "input": "hi"}')
            assert "response.created" in str(ws.recv(timeout=20))
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{running.port}/v1/models")
    assert text == "over TLS"
    assert image.data is not None
    assert str(image.data[0].url).startswith("https://127.0.0.1:")


def test_a_renewed_certificate_is_read(tmp_path: Path, client_tls: ssl.SSLContext) -> None:
    paths = write(trustme.CA().issue_cert("127.0.0.1"), tmp_path)  # of another authority
    certificate = Certificate(*paths)
    with ServerThread(echo_settings(), tls=certificate.context) as running:
        url = f"https://127.0.0.1:{running.port}/health"
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(url, verify=client_tls)
        assert not certificate.refresh()
        paths[0].write_text("half of a certif")
        assert not certificate.refresh()
        write(AUTHORITY.issue_cert("127.0.0.1"), tmp_path)
        assert certificate.refresh()
        assert httpx2.get(url, verify=client_tls).status_code == 200


def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    cert, key = write(AUTHORITY.issue_cert("localhost"), tmp_path)
    other = tmp_path / "other.pem"
    other.write_text("none")
    with pytest.raises(ConfigError, match=r"No such file"):
        Certificate(tmp_path / "missing.pem", None)
    for paths in ((cert, None), (other, key), (cert, other), (tmp_path, None)):
        with pytest.raises(ConfigError, match=r"cannot"):
            Certificate(*paths)


def test_an_encrypted_key_does_not_ask_for_its_password(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as keys

    cert, key = write(AUTHORITY.issue_cert("localhost"), tmp_path)
    plain = keys.load_pem_private_key(key.read_bytes(), None)
    encryption = keys.BestAvailableEncryption(b"secret")
    shape = (keys.Encoding.PEM, keys.PrivateFormat.PKCS8, encryption)
    key.write_bytes(plain.private_bytes(*shape))
    with pytest.raises(ConfigError, match="encrypted"):
        Certificate(cert, key)


@pytest.mark.parametrize(
    "values",
    [
        {"key_path": "key.pem"},
        {"unix_socket": "a.sock", "cert_path": "cert.pem"},
        {"unix_socket": "a.sock", "tunnel": "ngrok"},
        {"tunnel": "ngrok", "cert_path": "cert.pem"},
        {"tunnel": "carrier-pigeon"},
        {"unix_socket_mode": "rw"},
        {"tunnel_ssh": "-oProxyCommand=x"},
        {"root_path": "llm"},
        {"root_path": "/"},
        {"root_path": "/a?b"},
        {"trusted_proxies": ("*",)},
        {"trusted_proxies": ("proxy.example.org",)},
    ],
)
def test_settings_that_contradict(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Settings(_env_file=None, **values)


def unix_settings(folder: Path, **values: object) -> Settings:
    return echo_settings(unix_socket=folder / "api.sock", **values)


def test_a_unix_socket(tmp_path: Path) -> None:
    settings = unix_settings(tmp_path, unix_socket_mode="660")
    listener = Listener(settings)
    path = settings.unix_socket
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with ServerThread(settings, listener=listener.socket):
        transport = httpx2.HTTPTransport(uds=str(path))
        with httpx2.Client(transport=transport) as http:
            client = OpenAI(base_url="http://localhost/v1", api_key="x", http_client=http)
            assert client.models.list().data
    listener.close()
    assert not path.exists()


def test_a_unix_socket_that_is_used_or_left(tmp_path: Path) -> None:
    settings = unix_settings(tmp_path)
    first = Listener(settings)
    with pytest.raises(SystemExit):
        Listener(settings)
    first.socket.close()  # as if it had been killed
    second = Listener(settings)
    first.close()  # leaves the other's file
    assert settings.unix_socket is not None
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(settings.unix_socket))
    second.close()
    settings.unix_socket.write_text("a file")
    with pytest.raises(SystemExit):
        Listener(settings)
    assert settings.unix_socket.read_text() == "a file"


@pytest.mark.parametrize("path", ["/v1/models", "/llm/v1/models"])
def test_a_root_path(path: str) -> None:
    with ServerThread(echo_settings(root_path="/llm/")) as running:
        assert fetch(f"{running.url}{path}").status == 200
        assert fetch(f"{running.url}/other{path}").status == 404
        image = running.client().images.generate(model="echo", prompt="a", response_format="url")
        assert image.data is not None
        url = str(image.data[0].url)
        assert url.startswith(f"{running.url}/llm/v1/images/files/")
        assert fetch(url).status == 200
        socket_url = f"ws://127.0.0.1:{running.port}/llm/v1/responses"
        with connect(socket_url) as ws:
            ws.send("{}")
            assert "error" in str(ws.recv(timeout=20))


@pytest.mark.parametrize("root_path", ["/v1", "/v1/llm", "/openai", "/health"])
def test_a_root_path_that_is_one_of_ours(root_path: str) -> None:
    with pytest.raises(ConfigError, match="themselves"):
        create_app(echo_settings(root_path=root_path))


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        (("127.0.0.1",), "203.0.113.7", "203.0.113.7"),
        (("127.0.0.1",), "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the first was made up
        (("127.0.0.0/8", "10.0.0.0/8"), "203.0.113.7, 10.1.2.3", "203.0.113.7"),
        (("10.0.0.0/8",), "203.0.113.7", "127.0.0.1"),
        ((), "203.0.113.7", "127.0.0.1"),
    ],
)
def test_the_client_behind_a_proxy(
    trusted: tuple[str, ...], forwarded: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ServerThread(echo_settings(trusted_proxies=trusted))
    callers: list[str] = []

    def seconds(exchange: Exchange) -> float:  # is asked at the end of each
        callers.append(exchange.caller)
        return 0.0

    monkeypatch.setattr(Exchange, "seconds", property(seconds))
    with server as running:
        fetch(f"{running.url}/v1/models", headers={"X-Forwarded-For": forwarded})
    assert callers[0].partition("/")[0] == client


def test_the_public_address_names_a_host() -> None:
    public = PublicAddress("https://Example.org:8443/llm/")
    assert (public.url, public.host) == ("https://Example.org:8443/llm", "example.org")
    public.set("")
    assert (public.url, public.host) == ("", "")
