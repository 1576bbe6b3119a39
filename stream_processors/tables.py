"""Faust tables for snapshots: raw bytes, the partition taken from the key, nothing kept that is not needed.

What differs from Faust's own, and why:

* A record goes to the partition that its key names; Faust would take that of the event being processed.
* The store remembers the last changelog offset that it knows, so a worker that keeps its partitions does not
  read its own changelog again at every rebalance; it forgets the partitions that are revoked.
* Chunks leave the store when the state has been restored: their bytes would double the memory.
* The end of a recovery is a latch: Faust clears the signal whether or not anybody has seen it.
* Tables do not wait a second before they start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from faust.stores import memory
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.tables.table import Table
from faust.types import TP, EventT
from faust.types.tuples import FutureMessage

from services.snapshots import partition_of


class SnapshotStore(memory.Store[bytes, bytes]):
    """What the changelog said and nobody has taken yet."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._offsets: dict[TP, int] = {}

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: object = None,  # noqa: ARG002  # Faust's signature; bytes stay bytes
        to_value: object = None,  # noqa: ARG002  # Faust's signature; bytes stay bytes
    ) -> None:
        """Take what the changelog says; a tombstone removes."""
        for event in batch:
            message = event.message
            if message.value is None:
                self.data.pop(message.key, None)
            else:
                self.data[message.key] = message.value
            self.set_persisted_offset(message.tp, message.offset)

    def persisted_offset(self, tp: TP) -> int | None:
        """The changelog offset up to which all is known."""
        return self._offsets.get(tp)

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Called for each record read, and for each own write that is acknowledged."""
        self._offsets[tp] = max(offset, self._offsets.get(tp, -1))

    async def on_rebalance(
        self,
        assigned: set[TP],  # noqa: ARG002  # Faust's signature
        revoked: set[TP],
        newly_assigned: set[TP],  # noqa: ARG002  # Faust's signature
        generation_id: int = 0,  # noqa: ARG002  # Faust's signature
    ) -> None:
        """Forget what others look after now."""
        topic = cast("SnapshotTable", self.table).changelog_topic_name
        gone = {tp.partition for tp in revoked if tp.topic == topic}
        for tp in revoked:
            self._offsets.pop(tp, None)
        for key in [key for key in self.data if partition_of(key) in gone]:
            del self.data[key]

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Nothing: ``take`` hands everything out."""

    def take(self, partition: int) -> dict[bytes, bytes]:
        """All records of ``partition``, which leave the store."""
        keys = [key for key in self.data if partition_of(key) == partition]
        return {key: self.data.pop(key) for key in keys}


class SnapshotTable(Table[bytes, bytes]):
    """A table of snapshots. ``on_assigned`` and ``on_recovered`` are told which partitions the worker has."""

    on_assigned: Callable[[set[int]], None]
    on_recovered: Callable[[set[int]], Awaitable[None]]
    on_error: Callable[[BaseException], None]

    def __init__(self, *args: Any, changelog: str, **kwargs: Any) -> None:
        self._changelog = changelog
        super().__init__(*args, key_type=bytes, value_type=bytes, recovery_buffer_size=16, **kwargs)

    @property
    def store(self) -> SnapshotStore:
        """What recovery has read."""
        return cast("SnapshotStore", self.data)

    def _changelog_topic_name(self) -> str:
        return self._changelog

    def _new_store(self) -> SnapshotStore:
        return SnapshotStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    def partition_for_key(self, key: bytes) -> int:
        """The partition that the key names, whatever event is being processed."""
        return partition_of(key)

    def write(self, key: bytes, value: bytes | None) -> FutureMessage:
        """Send one record of a snapshot; None is a tombstone. The future ends once it is acknowledged."""
        return self.send_changelog(self.partition_for_key(key), key, value, value_serializer="raw")

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Tell which partitions remain, before recovery starts."""
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        self.on_assigned({tp.partition for tp in assigned if tp.topic == self.changelog_topic_name})

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:  # noqa: ARG002  # there are no standbys
        """Have the states restored. Faust would swallow an error here."""
        try:
            await self.on_recovered({tp.partition for tp in active_tps})
        except Exception as error:  # noqa: BLE001  # whatever it is, it must end the process
            self.on_error(error)


class _Latch(asyncio.Event):
    """An event that stays set until it is armed again."""

    def clear(self) -> None:
        """Nothing: Faust clears it before the one who waits has come to wait."""

    def arm(self) -> None:
        super().clear()


class LatchedRecovery(Recovery):
    """Recovery that cannot miss its own end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ended = _Latch()

    @property
    def signal_recovery_end(self) -> asyncio.Event:
        """Set once all changelogs have been read."""
        return self._ended

    def _set_recovery_started(self) -> None:
        self._ended.arm()
        super()._set_recovery_started()


class SnapshotTables(TableManager):
    """The table manager, without the second that it waits for agents: the conductor waits for them anyway."""

    async def on_start(self) -> None:
        """Start recovery at once."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """The recovery service."""
        if self._recovery is None:
            self._recovery = LatchedRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
