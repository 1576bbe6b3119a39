"""The log of a running Sightline, over its API: what an import appends through while that process holds the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import httpx2
import msgspec

from services.errors import Unavailable
from services.ports import Append

BODY_BYTES = 4 << 20
POLL_S = 0.1
_PATIENCE_S = 60.0


class RemoteLog:
    """Appends the records of ``run`` through the API at ``url``, with ``key`` where keys exist."""

    def __init__(self, url: str, run: str, key: str | None = None) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._run = run
        self._client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=_PATIENCE_S)

    async def close(self) -> None:
        """Let the connection go."""
        await self._client.aclose()

    async def append(self, records: Sequence[Append]) -> list[int]:
        """See ``Log.append``; offsets are not told (an empty list)."""
        for body in bodies(records):
            await self._ask("POST", f"/api/v1/runs/{quote(self._run, safe='')}/records", content=body)
        return []

    async def completed(self, attempt: int) -> None:
        """Return once the run's ``attempt`` has ended in the live view there."""
        while True:
            told = msgspec.json.decode(await self._ask("GET", "/api/v1/kpis", params={"run": self._run}))
            if told["attempt"] == attempt and told["complete"]:
                return
            await asyncio.sleep(POLL_S)

    async def reachable(self) -> None:
        """Raise ``Unavailable`` where nobody answers."""
        await self._ask("GET", "/livez")

    async def _ask(
        self, method: str, path: str, *, content: bytes | None = None, params: dict[str, str] | None = None
    ) -> bytes:
        try:
            response = await self._client.request(method, path, content=content, params=params)
        except httpx2.HTTPError as error:
            raise Unavailable(
                f"the log is in use, and nobody answers at {self._url}: {error}",
                remedy="name the address of the running Sightline: SIGHTLINE_URL=http://HOST:PORT",
            ) from error
        if response.is_error:
            problem = response.json() if "json" in response.headers.get("content-type", "") else {}
            raise Unavailable(
                problem.get("detail") or f"{self._url}{path} answered {response.status_code}",
                remedy=problem.get("remedy") or "set SIGHTLINE_API_KEY to a key with the scope admin",
            )
        body: bytes = response.content
        return body


def bodies(records: Sequence[Append]) -> Iterator[bytes]:
    """Records in order as requests of at most ``BODY_BYTES``, or of one record."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for record in records:
        value = record.value or b""
        if batch and size + len(value) > BODY_BYTES:
            yield msgspec.msgpack.encode(batch)
            batch, size = [], 0
        batch.append((record.partition, value))
        size += len(value) + 16
    if batch:
        yield msgspec.msgpack.encode(batch)
