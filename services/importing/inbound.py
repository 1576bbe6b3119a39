"""A system's own JSON → events: what ``POST /api/v1/in/{source}`` calls.

The mapping that the source names makes events of objects as an import makes them of rows. What it makes goes the way
of all events; what it cannot read is answered, and kept as a dead letter that can be posted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.catalogue.problems import did_you_mean
from services.domain.catalogue import Catalogue
from services.domain.facts import DeadLetter
from services.domain.filters import Evaluator
from services.errors import InvalidInput, NotFound
from services.importing.documents import FileSpec
from services.importing.load import SourceMapping
from services.importing.mapping import CannotMap, Context, FileMapper, columns_of
from services.importing.run import ROWS_PER_TURN, unreadable
from services.importing.tables import BadRow, json_row, read_lookup
from services.intake.cloudevents import parse
from services.intake.explain import Rejection
from services.intake.framing import LIVE, Intake, Origin, Receipt
from services.intake.http import ROWS


class RowMapper:
    """What the objects of one file's kind become."""

    def __init__(self, context: Context, file: FileSpec) -> None:
        self.file = file.file
        self._header = columns_of(file)
        self._empty = frozenset(context.spec.empty)
        self._mapper = FileMapper(context, file, self._header, file.file)

    def map(self, element: bytes, index: int) -> tuple[list[bytes], list[Rejection]]:
        """The events (JSON) of one object, and what it should give and does not."""
        row = json_row(element, self._header, self._empty, index)
        made = [unreadable(row)] if isinstance(row, BadRow) else self._mapper.map(row)
        events = [one.payload for one in made if not isinstance(one, CannotMap)]
        wrong = [_rejection(index, one) for one in made if isinstance(one, CannotMap)]
        return events, wrong


@dataclass(slots=True)
class _Batch:
    """What a body comes to; ``rows`` says which object each event is of."""

    events: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    refused: list[tuple[bytes, Rejection]] = field(default_factory=list)


@dataclass(slots=True)
class Inbound:
    """``mappers`` by source: one for each entry of its mapping's ``files``; others where the catalogue changes."""

    intake: Intake
    mappers: Mapping[str, Sequence[RowMapper]]

    async def accept(
        self, source: str, body: bytes, content_type: str, *, tenant: str, file: str | None = None
    ) -> Receipt:
        """Map and accept the objects in ``body`` (one, an array, NDJSON; unzipped and bounded), of the kind ``file``.

        Returns once the log has acknowledged everything. ``accepted`` counts events, of which an object may give
        several or none; ``index`` of what is rejected is the object's. Raises as ``parse`` and ``Intake.accept`` do,
        ``NotFound`` for a source without a mapping.
        """
        mapper = self._mapper(source, file)
        batch = _Batch()
        for index, element in enumerate(parse({"content-type": content_type}, body)):
            if index % ROWS_PER_TURN == ROWS_PER_TURN - 1:
                await asyncio.sleep(0)
            _map(mapper, element, index, batch)
        if batch.refused:
            await self.intake.refuse(tenant, batch.refused, Origin(f"{ROWS}{source}:{mapper.file}"))
        receipt = await self._accept(tenant, source, batch)
        return replace(receipt, rejected=sorted(receipt.rejected, key=lambda one: one.index))

    async def replay(self, letter: DeadLetter, payload: bytes) -> Receipt:
        """Post a row in the place of ``letter``, which ``accept`` left; a refusal makes no further letter."""
        source, _, file = letter.origin.removeprefix(ROWS).rpartition(":")
        batch = _Batch()
        _map(self._mapper(source, file), payload, 0, batch)
        if batch.refused:
            return Receipt(0, [why for _, why in batch.refused])
        for event in batch.events:
            if (wrong := self.intake.check(event)) is not None:
                return Receipt(0, [wrong])
        return await self._accept(letter.tenant, source, batch)

    async def _accept(self, tenant: str, source: str, batch: _Batch) -> Receipt:
        receipt = await self.intake.accept(tenant, LIVE, batch.events, Origin(f"in/{source}"))
        rejected = [replace(one, index=batch.rows[one.index]) for one in receipt.rejected]
        return Receipt(receipt.accepted, [*(why for _, why in batch.refused), *rejected])

    def _mapper(self, source: str, file: str | None) -> RowMapper:
        mappers = self.mappers.get(source)
        if mappers is None:
            known = did_you_mean(source, self.mappers)
            raise NotFound(
                f"no source {source!r} has a mapping",
                field="source",
                value=source,
                remedy=known or "declare it in the catalogue: kind: Source, spec.mapping",
            )
        files = {mapper.file: mapper for mapper in mappers}
        if file is None and len(files) == 1:
            return mappers[0]
        if file is None or file not in files:
            raise InvalidInput(
                f"the mapping of {source!r} reads {len(files)} kinds of objects",
                field="file",
                value=file,
                remedy=did_you_mean(file or "", files) or f"say which: ?file={mappers[0].file}",
            )
        return files[file]


def inbound(
    intake: Intake, mappings: Sequence[SourceMapping], catalogue: Catalogue, evaluator: Evaluator
) -> Inbound:
    """``Inbound`` with everything compiled; raises as ``mappers_of`` does."""
    return Inbound(intake, mappers_of(mappings, catalogue, evaluator))


def mappers_of(
    mappings: Sequence[SourceMapping], catalogue: Catalogue, evaluator: Evaluator
) -> dict[str, Sequence[RowMapper]]:
    """Every mapping compiled, by source. Raises ``InvalidInput`` for look-ups that cannot be read, and for CEL."""
    mappers: dict[str, Sequence[RowMapper]] = {}
    for one in mappings:
        spec = one.mapping.spec
        lookups = {
            name: read_lookup(lookup, [one.folder], frozenset(spec.empty))
            for name, lookup in spec.lookups.items()
        }
        context = Context(spec, lookups, catalogue, evaluator)
        mappers[one.source] = [RowMapper(context, file) for file in spec.files]
    return mappers


def _map(mapper: RowMapper, element: bytes, index: int, batch: _Batch) -> None:
    events, wrong = mapper.map(element, index)
    batch.events += events
    batch.rows += [index] * len(events)
    batch.refused += [(element, why) for why in wrong]


def _rejection(index: int, problem: CannotMap) -> Rejection:
    return Rejection(index, None, problem.field, problem.value, problem.code, problem.message)
