"""What an import appends behind its events: the copies that cases pass on to those that they are related to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.catalogue.canonical import load_program, to_text
from services.domain.catalogue import Catalogue
from services.domain.filters import Evaluator
from services.domain.frames import Head
from services.domain.passing import Derivation
from services.ports import Append
from services.topics import Topics


class Deriver:
    """Completes the records of one run, whose ``head`` theirs are like."""

    def __init__(self, catalogue: Catalogue, evaluator: Evaluator, head: Head, topics: Topics) -> None:
        self._head, self._topic = head, topics.events.name
        self._derivation: Derivation | None = None
        if any(process.relations for process in catalogue.processes.values()):
            program = load_program(to_text(catalogue), evaluator)
            self._derivation = Derivation(program, topics.partitions)

    def completed(self, records: Sequence[Append], ingest: int) -> list[Append]:
        """The records, stamped ``ingest``, and what follows from them."""
        if self._derivation is None:
            return list(records)
        head = replace(self._head, ingest=ingest)
        told = self._derivation.records([record.value or b"" for record in records], head)
        return [*records, *(Append(self._topic, place, None, value) for place, value in told)]
