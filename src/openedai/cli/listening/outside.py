"""What lets clients on other machines in: a certificate, and a tunnel."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from openedai.cli.messages import bold, say
from openedai.config import Settings
from openedai.http.public_address import PublicAddress

if TYPE_CHECKING:
    from openedai.cli.listening.certificate import Certificate
    from openedai.cli.listening.tunnel import Tunnel


class Outside:
    """The certificate and the tunnel that the settings ask for; nothing else is imported."""

    def __init__(self, settings: Settings, public: PublicAddress) -> None:
        """Raises ConfigError for a certificate that cannot be used, and TunnelFailed for a missing
        program.
        """
        self._public = public
        self._certificate: Certificate | None = None
        self._tunnel: Tunnel | None = None
        self._watching: asyncio.Task[None] | None = None
        if settings.cert_path is not None:
            from openedai.cli.listening.certificate import Certificate

            self._certificate = Certificate(settings.cert_path, settings.key_path)
        if settings.tunnel:
            from openedai.cli.listening.tunnel import Tunnel

            self._tunnel = Tunnel(
                settings.tunnel, settings.tunnel_ssh, settings.public_url, self._opened
            )

    @property
    def tls(self) -> ssl.SSLContext | None:
        return None if self._certificate is None else self._certificate.context

    async def open(self, address: str) -> None:
        """Open the tunnel to `address`, the server's host and port on this machine. Raises
        TunnelFailed.
        """
        if self._certificate is not None:
            self._watching = asyncio.create_task(self._certificate.watch())
        if self._tunnel is not None:
            await self._tunnel.open(address)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._tunnel is not None:
            await self._tunnel.close()

    def _opened(self, url: str) -> None:
        self._public.set(url)
        say(f"The public address is {bold(f'{url}/v1')}")
