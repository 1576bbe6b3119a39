"""``/api/v1/stream``: server-sent events, a snapshot and then what changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from api.broadcast import Broadcaster, Channel
from api.dependencies import Deps, Reader
from api.kpis import Run, ScopesParam
from api.present import LIVE, Scopes

router = APIRouter(prefix="/api/v1", tags=["kpis"])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`snapshot` (KpisShape), then `changes` (ChangesShape); `heartbeat` when all is quiet",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: changes\nid: 5f0c11aa-7\ndata: {"run": "live", "values": []}\n\n',
            }
        },
    }
}


@router.get("/stream", operation_id="streamKpis", response_class=StreamingResponse, responses=_RESPONSES)
async def stream_kpis(
    request: Request,
    deps: Deps,
    grant: Reader,
    *,
    run: Run = LIVE,
    scopes: ScopesParam = Scopes.TOTAL,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The state of a run and then its changes, coalesced, as server-sent events.

    A client that comes back with ``Last-Event-ID`` gets what it missed, or a fresh snapshot when that is too much.
    """
    await deps.catalogues.of(grant.tenant, run)
    broadcaster: Broadcaster = request.app.state.broadcaster
    messages: AsyncIterator[bytes] = broadcaster.listen(Channel(grant.tenant, run, scopes), last_event_id)
    return StreamingResponse(
        messages,
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
