"""Who may ask: Host and Origin checks, then the API key. Pure ASGI, so that the event route stays fast.

Without keys the API answers only to loopback names (a page elsewhere could otherwise reach it by rebinding its own
name to 127.0.0.1) and takes writes only from its own page or from programs. With keys every request needs one,
except for liveness, readiness and the static page, which hold no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import problem_of, response_of
from services.errors import Refused, SightlineError
from services.keys import Keyring

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Probes come by whatever name, and must be answered when the database, which knows the keys, is away.
_OPEN = frozenset({"/livez", "/readyz"})
_GUARDED = ("/api/", "/metrics")


class Security:
    """Puts the ``Grant`` of who is asking into the scope (``sightline.grant``), or answers with a problem."""

    def __init__(self, app: ASGIApp, keyring: Keyring, hosts: Sequence[str]) -> None:
        self._app = app
        self._keyring = keyring
        self._hosts = _LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except SightlineError as error:
            await response_of(problem_of(error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        path: str = scope["path"]
        if path in _OPEN:
            return
        headers = Headers(scope=scope)
        guarded = path.startswith(_GUARDED)
        if not await self._keyring.any():
            self._check_names(headers, scope["method"])
        elif not guarded:
            return
        if guarded:
            scope["sightline.grant"] = await self._keyring.authenticate(headers.get("authorization"))

    def _check_names(self, headers: Headers, method: str) -> None:
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            raise Refused(
                f"this API does not answer to the name {host!r}",
                field="Host",
                value=host,
                remedy="use localhost; for other names create an API key first: sightline keys create NAME",
            )
        origin = headers.get("origin")
        if (
            method not in _SAFE
            and origin is not None
            and (urlsplit(origin).hostname or "") not in self._hosts
        ):
            raise Refused(
                f"a page of {origin} may not write here",
                field="Origin",
                value=origin,
                remedy="post from a program, or create an API key and send it",
            )


def _name(host: str) -> str:
    """The name without the port, lower case; brackets of an IPv6 address removed."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
