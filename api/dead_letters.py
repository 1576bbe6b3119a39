"""``/api/v1/dead-letters``: what was refused, and posting it again after a fix."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.cases import Cursor, Limit
from api.dependencies import Admin, Deps, Reader
from api.events import read_body
from api.known import CODES, known_code
from api.shapes import DeadLetterShape, DeadLettersShape, EventsAccepted, answer, encode
from services.domain.facts import COUNTED
from services.domain.stored import StoredDeadLetter
from services.errors import Conflict, NotFound

router = APIRouter(prefix="/api/v1", tags=["dead letters"])


@router.get("/dead-letters", operation_id="listDeadLetters", responses={200: {"model": DeadLettersShape}})
async def list_dead_letters(
    deps: Deps,
    grant: Reader,
    *,
    code: Annotated[str | None, Query(description=f"refused for this reason: {', '.join(CODES)}")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Refused events, latest first, without their payload."""
    known_code(code)
    page = await deps.dead_letters.find(grant.tenant, limit=limit, cursor=cursor, code=code)
    count = await deps.dead_letters.count(grant.tenant)
    return answer(DeadLettersShape([_shape(each, payload=False) for each in page.items], page.next, count))


@router.get(
    "/dead-letters/{letter_id}", operation_id="getDeadLetter", responses={200: {"model": DeadLetterShape}}
)
async def get_dead_letter(deps: Deps, grant: Reader, letter_id: str) -> Response:
    """One, with what came."""
    stored = await deps.dead_letters.get(grant.tenant, letter_id)
    return answer(_shape(_known(stored, letter_id), payload=True))


@router.post(
    "/dead-letters/{letter_id}/replay",
    operation_id="replayDeadLetter",
    status_code=202,
    responses={202: {"model": EventsAccepted}},
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def replay_dead_letter(request: Request, deps: Deps, grant: Admin, letter_id: str) -> Response:
    """Post what came again, or the event in the body in its place; marked as replayed once it is accepted."""
    stored = _known(await deps.dead_letters.get(grant.tenant, letter_id), letter_id)
    body = await read_body(request.headers, request.receive, deps.max_body_bytes)
    if stored.letter.code in COUNTED and not body:
        raise Conflict(
            "what came counts already, and would count twice",
            field="letter_id",
            value=letter_id,
            remedy="send the event that it should have been as the body, under an id of its own",
        )
    payload = body or stored.letter.payload.encode()
    receipt = await deps.intake.replay(stored.letter, payload)
    if receipt.accepted and not receipt.rejected:
        await deps.dead_letters.replayed(grant.tenant, letter_id, deps.clock.now())
    return Response(
        encode({"accepted": receipt.accepted, "rejected": receipt.rejected}),
        202,
        media_type="application/json",
    )


def _known(stored: StoredDeadLetter | None, letter_id: str) -> StoredDeadLetter:
    if stored is None:
        raise NotFound(
            f"there is no dead letter {letter_id!r}",
            field="letter_id",
            value=letter_id,
            remedy="GET /api/v1/dead-letters lists them; new ones appear after a second or two",
        )
    return stored


def _shape(stored: StoredDeadLetter, *, payload: bool) -> DeadLetterShape:
    letter = stored.letter
    return DeadLetterShape(
        letter.id,
        letter.time,
        letter.origin,
        letter.event_id,
        letter.field,
        letter.value,
        letter.code,
        letter.message,
        letter.payload if payload else None,
        stored.replayed,
    )
