"""Valid events into frames: one builder per partition, records below the bound that workers bear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.domain.catalogue import Catalogue
from services.domain.frames import FrameBuilder, Head, Image, Kind, Row, mark
from services.domain.identity import partition_of
from services.intake.events import Event
from services.intake.marks import Marks
from services.intake.shapes import Values
from services.ports import Append

_new = tuple.__new__


class Framer:
    """Events of one (tenant, run) on their way into records of the events topic."""

    def __init__(
        self,
        catalogue: Catalogue,
        head: Head,
        topic: str,
        partitions: int,
        *,
        frame_events: int,
        frame_bytes: int,
        marks: Marks | None = None,
    ) -> None:
        """``head`` says tenant, run, attempt and digest of all records to come; ``marks`` takes what events say of
        their source, where anybody wants to know.
        """
        self._marks = marks
        self._fields = {name: event.columns for name, event in catalogue.events.items()}
        self._head = head
        self._topic = topic
        self._partitions = partitions
        self._frame_events = frame_events
        self._frame_bytes = frame_bytes
        self._builders: list[list[FrameBuilder]] = [[] for _ in range(partitions)]
        self._current: list[FrameBuilder | None] = [None] * partitions
        self._idle: list[FrameBuilder] = []
        self.events = 0

    def add(self, event: Event) -> None:
        """Take an event: one row per copy, or one row routed by ``event.route``."""
        if self._marks is not None and self._marks.take(event):
            return
        self.events += 1
        primary, builder = True, None
        for process, key in event.copies or (("", ""),):
            place = partition_of(f"{process}\0{key}" if process else event.route, self._partitions)
            builder = self._current[place]
            if builder is None or builder.events >= self._frame_events or builder.bytes >= self._frame_bytes:
                builder = self._next(place)
            # tuple.__new__ is what Row(…) comes down to, at a third of the time
            builder.add(
                _new(
                    Row,
                    (
                        event.type,
                        process,
                        primary,
                        key,
                        event.time,
                        event.source,
                        event.identity,
                        event.values,
                        event.cold,
                    ),
                ),
                event.image,
            )
            primary = False
        if event.before is not None and builder is not None:  # into the same frame
            builder.add(_row_before(event, *event.before), Image.BEFORE)

    def take(self, ingest: int, *, ticks: bool = False) -> list[Append]:
        """Records of all that was added, stamped ``ingest``; ``ticks`` gives partitions without rows a tick."""
        head = replace(self._head, kind=Kind.EVENTS, ingest=ingest)
        tick = self.mark(Kind.TICK, ingest) if ticks else []
        records: list[Append] = []
        for partition, builders in enumerate(self._builders):
            if builders:
                records += [Append(self._topic, partition, None, builder.build(head)) for builder in builders]
                self._idle += builders
                self._builders[partition], self._current[partition] = [], None
            elif tick:
                records.append(tick[partition])
        self.events = 0
        return records

    def marks(self, ingest: int) -> list[Append]:
        """What the events that were added say of their sources; to be appended when those are in the log."""
        return [] if self._marks is None else self._marks.records(self.mark, ingest)

    def mark(self, kind: Kind, ingest: int, **more: Any) -> list[Append]:
        """A record without events for each partition: a tick, a barrier or a run mark."""
        value = mark(replace(self._head, kind=kind, ingest=ingest), **more)
        return [Append(self._topic, partition, None, value) for partition in range(len(self._builders))]

    def _next(self, partition: int) -> FrameBuilder:
        builder = self._current[partition] = self._idle.pop() if self._idle else FrameBuilder(self._fields)
        self._builders[partition].append(builder)
        return builder


def _row_before(event: Event, time: int, values: Values) -> Row:
    return Row(event.type, "", False, "", time, event.source, event.identity, values, b"")


def heads(tenant: str, run: str, attempt: int, digest: str) -> Head:
    """What all records of one run share."""
    return Head(Kind.TICK, tenant, run, attempt, digest, 0)
