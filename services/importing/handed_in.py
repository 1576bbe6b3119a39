"""Records of an import that another process hands in, because this one holds the log."""

from __future__ import annotations

import struct

import msgspec

from services.domain.frames import decode
from services.errors import InvalidInput
from services.intake.framing import LIVE
from services.ports import Append, Appender
from services.topics import Topics

_decoder = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, struct.error)


class HandedIn:
    """Checks that records are frames and marks of the one run, then appends them."""

    def __init__(self, log: Appender, topics: Topics) -> None:
        self._log = log
        self._topics = topics

    async def append(self, tenant: str, run: str, body: bytes) -> int:
        """Append what ``body`` holds, msgpack of [(partition, record), …], in order; how many, once the log has
        acknowledged all. ``InvalidInput`` for what is not of this run, before anything is appended.
        """
        if run == LIVE:
            raise InvalidInput("the live run takes events, not records", field="run", value=run)
        try:
            records = _decoder.decode(body)
        except msgspec.DecodeError as error:
            raise InvalidInput(f"the body is not msgpack of [partition, record]: {error}") from error
        for partition, value in records:
            self._check(tenant, run, partition, value)
        topic = self._topics.events.name
        await self._log.append([Append(topic, partition, None, value) for partition, value in records])
        return len(records)

    def _check(self, tenant: str, run: str, partition: int, value: bytes) -> None:
        if not 0 <= partition < self._topics.partitions:
            raise InvalidInput(
                f"there is no partition {partition}",
                field="partition",
                value=partition,
                remedy="import with the server's SIGHTLINE_BROKER__PARTITIONS",
            )
        try:
            head = decode(value).head
        except _UNREADABLE as error:
            raise InvalidInput(f"a record is no frame: {error}") from error
        if (head.tenant, head.run) != (tenant, run):
            raise InvalidInput("a record is of another run", field="run", value=head.run)
