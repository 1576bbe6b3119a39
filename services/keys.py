"""API keys: shown once, kept as a hash, with scopes. Checking one costs a dictionary look-up.

A key is ``sl_<id>_<secret>`` with 256 random bits, so one round of SHA-256 is a sufficient hash.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.domain.stored import ApiKey
from services.errors import InvalidInput, Refused, Unauthenticated, Unavailable
from services.ports import ApiKeys, Clock

REFRESH_MS = 5_000


class KeyScope(StrEnum):
    """What a key may do; admin may do all."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Grant:
    """Who is asking: the tenant and what it may do. ``key`` is None on a machine without keys."""

    tenant: str
    scopes: frozenset[KeyScope]
    key: str | None

    def require(self, scope: KeyScope) -> None:
        """Raise ``Refused`` unless granted."""
        if scope not in self.scopes and KeyScope.ADMIN not in self.scopes:
            raise Refused(
                f"this key may not {scope.value}",
                remedy=f"use a key with the scope {scope.value}: sightline keys create NAME --scope {scope.value}",
            )


class Keyring:
    """The keys of an installation. Reads the database at most every 5 s, so a revocation takes that long."""

    def __init__(self, store: ApiKeys, clock: Clock, tenant: str) -> None:
        self._store = store
        self._clock = clock
        self._tenant = tenant
        self._by_hash: dict[str, ApiKey] = {}
        self._read_at: int | None = None

    async def create(self, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
        """A new key and its text, which nobody can ask for again."""
        granted = _scopes(scopes)
        if not name.strip():
            raise InvalidInput(
                "a key needs a name", field="name", value=name, remedy="say who or what will use it"
            )
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        text = f"sl_{key_id}_{secret}"
        key = ApiKey(key_id, self._tenant, name, _hash(text), granted, self._clock.now(), None)
        await self._store.add(key)
        self._read_at = None
        return key, text

    async def list(self) -> Sequence[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        return await self._store.list(self._tenant)

    async def revoke(self, key_id: str) -> None:
        """From now on (elsewhere within 5 s) the key is refused. ``NotFound`` where there is none."""
        await self._store.revoke(self._tenant, key_id, self._clock.now())
        self._read_at = None

    async def any(self) -> bool:
        """Whether a key that is not revoked exists: then every request needs one."""
        await self._refresh()
        return bool(self._by_hash)

    async def authenticate(self, authorization: str | None) -> Grant:
        """Who sent ``Authorization: Bearer …``; raises ``Unauthenticated``. Without keys everybody may do all."""
        await self._refresh()
        if not self._by_hash:
            return Grant(self._tenant, frozenset(KeyScope), None)
        scheme, _, text = (authorization or "").partition(" ")
        key = self._by_hash.get(_hash(text.strip())) if scheme.lower() == "bearer" else None
        if key is None:
            raise Unauthenticated(
                "this needs an API key" if not authorization else "this API key is not known or was revoked",
                remedy="send `Authorization: Bearer sl_…`; create one with: sightline keys create NAME",
            )
        return Grant(key.tenant, frozenset(map(KeyScope, key.scopes)), key.id)

    async def _refresh(self) -> None:
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= REFRESH_MS:
            try:
                keys = await self._store.list(self._tenant)
            except Unavailable:
                if self._read_at is None:
                    raise
                return  # what was known holds until the database is back
            self._read_at = now
            self._by_hash = {key.hash: key for key in keys if key.revoked is None}


def is_loopback(host: str) -> bool:
    """Whether an address to bind is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def check_address(host: str, keyring: Keyring) -> None:
    """Raise ``Refused`` for an address that others reach while no API key protects it."""
    if not is_loopback(host) and not await keyring.any():
        raise Refused(
            f"refusing to listen on {host}: others could reach it and no API key exists",
            field="api.host",
            value=host,
            remedy="create a key first (sightline keys create NAME), or listen on 127.0.0.1",
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    known = [scope.value for scope in KeyScope]
    for scope in scopes:
        if scope not in known:
            raise InvalidInput(
                f"there is no scope {scope!r}",
                field="scopes",
                value=scope,
                remedy=f"use some of: {', '.join(known)}",
            )
    if not scopes:
        raise InvalidInput(
            "a key needs a scope", field="scopes", value=[], remedy=f"use some of: {', '.join(known)}"
        )
    return tuple(sorted(set(scopes)))
