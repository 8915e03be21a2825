"""Containers and their files as the API shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.store.containers import Container, ContainerFile


class ContainerObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "container"
    created_at: int
    status: str
    expires_after: dict[str, Any]
    last_active_at: int
    memory_limit: str
    name: str
    network_policy: dict[str, str]

    @classmethod
    def of(cls, container: Container) -> ContainerObject:
        fields = container.fields
        return cls(
            id=container.id,
            created_at=int(container.created_at),
            status="expired" if container.expired else "running",
            expires_after={"anchor": "last_active_at", "minutes": fields.minutes},
            last_active_at=int(container.last_active_at),
            memory_limit=fields.memory,
            name=container.name,
            network_policy={"type": "disabled"},
        )


class ContainerFileObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "container.file"
    bytes: int
    container_id: str
    created_at: int
    path: str
    source: str

    @classmethod
    def of(cls, file: ContainerFile) -> ContainerFileObject:
        return cls(
            id=file.id,
            bytes=file.bytes,
            container_id=file.container,
            created_at=int(file.created_at),
            path=file.path,
            source=file.source,
        )
