"""The certificate of a server that speaks TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from openedai.config import ConfigError

CHECK_SECONDS = 60.0

log = logging.getLogger("openedai.serve")


class Certificate:
    """A TLS context whose certificate is read again when its file has changed, such as on a
    renewal.

    `key_path` is None where the key is in the certificate's file. Raises ConfigError.
    """

    def __init__(self, cert_path: Path, key_path: Path | None) -> None:
        self._cert = cert_path.expanduser()
        self._key = key_path.expanduser() if key_path else None
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._changed_at = self._times()
        self._read()

    async def watch(self) -> None:
        """Read the files again whenever they change. Never returns."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Whether the files have changed and are now in use. If they cannot be read, that is
        logged.
        """
        try:
            times = self._times()
            if times == self._changed_at:
                return False
            self._read()
        except ConfigError as error:  # they are being written, or are wrong: try again
            log.warning("the certificate is not read again: %s", error)
            return False
        self._changed_at = times
        log.info("the certificate was read again")
        return True

    def _times(self) -> list[int]:
        times = []
        for path in filter(None, (self._cert, self._key)):
            try:
                times.append(path.stat().st_mtime_ns)
            except OSError as error:
                raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        return times

    def _read(self) -> None:
        paths = f"{self._cert} and {self._key}" if self._key else str(self._cert)
        probe = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:  # a context that failed to load a key has loaded half of it
            probe.load_cert_chain(self._cert, self._key, _no_password)
            self.context.load_cert_chain(self._cert, self._key, _no_password)
        except ssl.SSLError as error:
            why = error.reason or "it is no certificate with its key in PEM format"
            raise ConfigError(f"cannot use {paths} for TLS: {why}") from error
        except OSError as error:
            raise ConfigError(f"cannot read {paths}: {error.strerror or error}") from error


def _no_password() -> str:
    raise ConfigError("the key of the certificate is encrypted: a key without password is needed")
