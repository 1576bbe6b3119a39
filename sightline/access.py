"""API keys, from the command line: straight to the database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from services import wiring
from services.domain.stored import ApiKey
from services.keys import Keyring
from services.settings import read_settings
from services.simulation.events import rfc3339


@contextlib.asynccontextmanager
async def _keyring() -> AsyncIterator[Keyring]:
    settings = read_settings()
    database = wiring.database(settings)
    try:
        await database.start()
        yield Keyring(database.keys, wiring.clock(), settings.tenant)
    finally:
        await database.stop()


async def create_key(name: str, scopes: Sequence[str]) -> dict[str, Any]:
    """A new key with its text, which is not kept."""
    async with _keyring() as keyring:
        key, text = await keyring.create(name, scopes)
        return {**_shown(key), "key": text}


async def list_keys() -> list[dict[str, Any]]:
    """All keys, without their texts."""
    async with _keyring() as keyring:
        return [_shown(key) for key in await keyring.list()]


async def revoke_key(key_id: str) -> None:
    """Refuse it from now on."""
    async with _keyring() as keyring:
        await keyring.revoke(key_id)


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created": rfc3339(key.created),
        "revoked": None if key.revoked is None else rfc3339(key.revoked),
    }
