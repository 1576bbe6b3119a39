"""Another catalogue for an installation that runs: checked as ``lint`` does, then brought in by the log's barrier."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.catalogue.archive import packed, unpack
from services.catalogue.canonical import load_program, to_text
from services.catalogue.difference import Difference, difference
from services.catalogue.read import catalogue_files
from services.domain.catalogue import Catalogue
from services.domain.filters import Evaluator
from services.domain.stored import RunRecord
from services.importing.inbound import Inbound, RowMapper, mappers_of
from services.importing.load import SourceMapping, load_folder
from services.importing.tables import find
from services.intake.framing import LIVE, Intake
from services.lookups.book import LookupBook
from services.lookups.files import Filed, read_filed
from services.ports import Clock, Runs

MAX_BYTES = 64 << 20
"""Of a catalogue's files, unpacked."""


def pack(folder: Path, catalogue: Catalogue, mappings: Sequence[SourceMapping]) -> bytes:
    """All that ``apply`` needs of a folder: the documents, and the files of look-ups."""
    lookups = [file for one in catalogue.lookups.values() for file in (one.file, one.alias_file) if file]
    files = [*catalogue_files(folder), *(folder / file.path for file in lookups)]
    for one in mappings:
        files += [
            path for spec in one.mapping.spec.lookups.values() for path in find(spec.file, [one.folder])
        ]
    return packed(folder, files)


@dataclass(frozen=True, slots=True)
class _Read:
    """All that a folder says, read and checked."""

    catalogue: Catalogue
    text: str
    filed: Mapping[str, Filed]
    mappers: Mapping[str, Sequence[RowMapper]]
    difference: Difference


@dataclass(slots=True)
class Changing:
    """The way in for another catalogue of ``tenant``'s live run; one change after the other."""

    intake: Intake
    book: LookupBook
    inbound: Inbound
    runs: Runs
    clock: Clock
    tenant: str
    evaluator: Evaluator
    _one: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def apply(self, archive: bytes) -> Difference:
        """Bring in the catalogue that ``pack`` packed; returns once every partition's barrier is in the log.

        Nothing has changed where it raises ``CatalogueError`` (all that is wrong), ``InvalidInput`` or ``TooLarge``.
        After ``Unavailable`` it may be in force here and not everywhere: applying it again is safe.
        """
        async with self._one:
            found = await asyncio.to_thread(self._read, archive)
            await self.runs.begin(
                RunRecord(self.tenant, LIVE, 0, found.catalogue.digest, found.text, started=self.clock.now())
            )
            await self.book.switch(found.catalogue, found.filed)
            await self.intake.switch(found.catalogue, found.text)
            self.inbound.mappers = found.mappers
            return found.difference

    def _read(self, archive: bytes) -> _Read:
        with tempfile.TemporaryDirectory(prefix="sightline-") as place:
            folder = Path(place)
            unpack(archive, folder, MAX_BYTES)
            catalogue, mappings = load_folder(folder, self.evaluator)
            filed, _ = read_filed(folder, catalogue)
            mappers = mappers_of(mappings, catalogue, self.evaluator)
        text = to_text(catalogue)
        programs = [load_program(one, self.evaluator) for one in (to_text(self.intake.catalogue), text)]
        return _Read(catalogue, text, filed, mappers, difference(*programs))
