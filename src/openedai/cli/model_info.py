"""What `openedai models` knows about the models, and about a running server."""

from __future__ import annotations

import http.client
import threading

import msgspec

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.serving.models.inventory import Inventory
from openedai.weights.library import Library

HEALTH_TIMEOUT = 1.0  # seconds
WILDCARD_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Health(msgspec.Struct):
    """The part of `GET /health`'s answer that is read."""

    loaded_models: frozenset[str]


def inventory(settings: Settings) -> Inventory:
    """The inventory, including what a server at the configured address has loaded. Raises
    ConfigError.
    """
    loaded = loaded_models(settings.host, settings.port)
    return Inventory(Catalog(settings), Library(settings), loaded)


def read_health(host: str, port: int) -> Health | None:
    """What the server at this address says about itself; None if none answers within
    HEALTH_TIMEOUT.
    """
    answers: list[Health] = []

    def ask() -> None:
        connection = http.client.HTTPConnection(
            WILDCARD_HOSTS.get(host, host), port, timeout=HEALTH_TIMEOUT
        )
        try:
            connection.request("GET", "/health")
            body = connection.getresponse().read()
            answers.append(msgspec.json.decode(body, type=Health))
        except (OSError, ValueError, http.client.HTTPException):
            pass  # no server, or not one of ours
        finally:
            connection.close()

    # The connection's timeout applies to each read; only the thread bounds them all.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HEALTH_TIMEOUT)
    return answers[0] if answers else None


def loaded_models(host: str, port: int) -> frozenset[str]:
    """The ids of the models that the server at this address has loaded; none if there is none."""
    health = read_health(host, port)
    return health.loaded_models if health is not None else frozenset()
