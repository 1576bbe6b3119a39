"""A dead letter, once more: after a fix of the catalogue, of a source or of the event itself."""

from __future__ import annotations

from collections.abc import Mapping

from services.domain.facts import DeadLetter
from services.intake.framing import HTTP, LIVE, Intake, Origin, Receipt


async def replay(intake: Intake, letter: DeadLetter, payload: bytes, sources: Mapping[str, str]) -> Receipt:
    """Post ``payload`` as it came with ``letter``; what is refused again makes no further letter.

    ``sources``: source topic → source, as the topics themselves are read; a letter from one of them keeps its place
    there as id.
    """
    origin = _origin(letter, sources)
    rejection = intake.check(payload, origin)
    if rejection is not None:
        return Receipt(0, [rejection])
    return await intake.accept(letter.tenant, LIVE, [payload], origin)


def _origin(letter: DeadLetter, sources: Mapping[str, str]) -> Origin:
    topic = letter.origin.rsplit(":", 2)[0]
    return Origin(topic, sources[topic], [letter.origin]) if topic in sources else HTTP
