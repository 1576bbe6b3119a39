"""Dead letters, once more: after a fix of the catalogue or of a source, through the same validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.domain.facts import DeadLetter
from services.errors import NotFound
from services.intake.explain import Rejection
from services.intake.framing import HTTP, LIVE, Intake, Origin
from services.ports import Clock, DeadLetters


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter; ``rejection`` is None where it was accepted."""

    id: str
    rejection: Rejection | None


class Replay:
    """Posts the payloads of dead letters again."""

    def __init__(
        self, intake: Intake, letters: DeadLetters, clock: Clock, sources: Mapping[str, str] | None = None
    ) -> None:
        """``sources``: source topic → source, as the topics themselves are read."""
        self._intake, self._letters, self._clock, self._sources = intake, letters, clock, sources or {}

    async def replay(self, tenant: str, ids: Sequence[str]) -> list[Replayed]:
        """Each letter's outcome. One that is still refused stays as it is and makes no other; ``NotFound`` names a
        letter that is not there, before anything is posted.
        """
        letters = [await self._letter(tenant, id_) for id_ in ids]
        outcomes = []
        for letter in letters:
            origin, payload = self._origin(letter), letter.payload.encode()
            rejection = self._intake.check(payload, origin)
            if rejection is None:
                await self._intake.accept(tenant, LIVE, [payload], origin)
                await self._letters.replayed(tenant, letter.id, self._clock.now())
            outcomes.append(Replayed(letter.id, rejection))
        return outcomes

    async def _letter(self, tenant: str, id_: str) -> DeadLetter:
        stored = await self._letters.get(tenant, id_)
        if stored is None:
            raise NotFound(
                f"there is no dead letter {id_!r}",
                field="id",
                value=id_,
                remedy="list them: GET /api/v1/dead-letters",
            )
        return stored.letter

    def _origin(self, letter: DeadLetter) -> Origin:
        topic = letter.origin.rsplit(":", 2)[0]
        if topic in self._sources:
            return Origin(topic, self._sources[topic], [letter.origin])
        return HTTP
