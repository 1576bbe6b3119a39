"""What both transports share: a position is where the state says, a seek redelivers, and Faust sees helpings.

Faust spends 100 to 300 µs on each message. So what one fetch brought of one input partition goes through it as one
message, a *helping*: the price is paid per fetch, and whoever folds gets several records at once. Changelogs, which
Faust reads by itself, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import faust
from faust.transport.consumer import Consumer
from faust.types import TP, AppT, ConsumerMessage, Message

_LOOK, _LOOKS = 0.02, 50
_HELPING_BYTES = 2 << 20
_CREATE_TIME = 0

Helping = list[tuple[int, bytes]]


class _Helping(NamedTuple):
    """What stands for the records of one partition on their way through Faust."""

    records: Helping
    timestamp: int


class HelpingSchema(faust.Schema[None, Helping]):
    """How Faust decodes a helping: not at all."""

    def loads_key(self, *_: Any, **__: Any) -> None:
        """Keys of the input mean nothing to a state."""

    def loads_value(self, app: AppT, message: Message, **_: Any) -> Helping:  # noqa: ARG002  # Faust's signature
        """The records, as (offset, value)."""
        return cast("Helping", message.value)


class Unfiltered(dict[TP, Any]):
    """Stands in for Faust's map of what it has read, and never holds anything.

    Faust drops records below that mark and fills a list with what it takes for gaps; both get in the way of a
    seek. Which record is next is decided by the state alone (applied + 1).
    """

    def __getitem__(self, key: TP) -> None:
        return None

    def __setitem__(self, key: TP, value: Any) -> None:
        """Forget it."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Forget it."""


def no_positions() -> Mapping[TP, int]:
    """Before any state is there."""
    return {}


class SeekingConsumer(Consumer):
    """Mixin for a transport's consumer."""

    #: Set by the processor: for each partition of the input, the offset that its state needs next.
    positions: Callable[[], Mapping[TP, int]] = staticmethod(no_positions)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = Unfiltered()

    async def perform_seek(self) -> None:
        """Go to where the states are; committed offsets only say so for partitions without a state."""
        await super().perform_seek()
        await self._go_to(self.positions())

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Read on from these offsets; partitions that are not assigned are left alone."""
        await self._go_to(positions)

    async def _go_to(self, positions: Mapping[TP, int]) -> None:
        assigned = self.assignment()
        wanted = {tp: offset for tp, offset in positions.items() if tp in assigned}
        if wanted:
            await self.seek_wait(wanted)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full buffer holds the fetcher up by itself.

        Faust would stop fetching this partition and notice up to a second late that there is room again.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, see ``on_buffer_full``."""

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        """Faust naps for a second where nothing is active, as when a recovery ends; this looks sooner."""
        for _ in range(_LOOKS):
            if not self.flow_active or self.should_stop or self._get_active_partitions():
                break
            await self.sleep(_LOOK)
        found, active = await super()._wait_next_records(timeout)
        if found:
            found = {tp: self._helpings(tp, records) for tp, records in found.items()}
        return found, active

    def _helpings(self, tp: TP, records: list[Any]) -> list[Any]:
        return records if self._is_changelog_tp(tp) else list(_portions(records))

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, _Helping):
            return self._single(tp, record)
        offset = record.records[-1][0]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            offset,
            record.timestamp / 1000.0,
            _CREATE_TIME,
            None,
            None,
            cast("bytes", record.records),
            None,
            0,
            0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _single(self, tp: TP, record: Any) -> ConsumerMessage:
        """One record of a changelog, in Faust's terms."""
        return super()._to_message(tp, record)  # type: ignore[safe-super]  # a transport has one

    async def commit_positions(self, positions: Mapping[TP, int]) -> None:
        """Commit exactly these: what the last snapshots make superfluous. Informational for the states."""
        assigned = self.assignment()
        await self._commit({tp: offset for tp, offset in positions.items() if tp in assigned})


def _portions(records: list[Any]) -> Iterator[_Helping]:
    portion: Helping = []
    size = 0
    for record in records:
        portion.append((record.offset, record.value or b""))
        size += len(portion[-1][1])
        if size >= _HELPING_BYTES:
            yield _Helping(portion, record.timestamp)
            portion, size = [], 0
    if portion:
        yield _Helping(portion, records[-1].timestamp)
