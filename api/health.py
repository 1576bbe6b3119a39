"""``/livez`` and ``/readyz``: is the process up, and can it be asked?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Part, PartCheck, VitalsDep
from api.shapes import answer
from services.live import LiveView
from services.ports import Clock

router = APIRouter(tags=["health"])

SILENCE_MS = 30_000
"""Processors speak every second, and within some 15 s of a death others have taken over."""


@dataclass(frozen=True, slots=True)
class HealthShape:
    """``parts`` is given with ``verbose``; ``progress`` is 0 to 1 while a part recovers."""

    ready: bool
    parts: list[Part] | None = None


@router.get("/livez", operation_id="getLiveness", responses={200: {"model": HealthShape}})
async def livez() -> Response:
    """The process answers."""
    return answer({"live": True})


@router.get(
    "/readyz",
    operation_id="getReadiness",
    responses={200: {"model": HealthShape}, 503: {"model": HealthShape}},
)
async def readyz(vitals: VitalsDep, verbose: str | None = None) -> Response:
    """Every part is ready (200) or not yet (503); ``?verbose`` names each."""
    parts = await vitals.parts()
    ready = all(part.ready for part in parts)
    shape = {"ready": ready} if verbose is None else {"ready": ready, "parts": parts}
    return answer(shape, 200 if ready else 503)


def live_view(live: LiveView) -> PartCheck:
    """Whether the live view has heard all that was said before it began to listen."""

    async def check() -> Sequence[Part]:
        waiting = live.waiting
        if waiting is None:
            return [Part("live view", ready=False, detail="looking at the kpis topic")]
        if waiting:
            return [Part("live view", ready=False, detail=f"reading up on partitions {waiting}")]
        return [Part("live view", ready=True)]

    return check


def elsewhere(live: LiveView, clock: Clock) -> PartCheck:
    """Whether processors that run in other processes speak: the intake ticks every second, so silence is a fault."""

    async def check() -> Sequence[Part]:
        if live.heard is None:
            return [Part("processor", ready=False, detail="none has spoken yet: sightline run processor")]
        silent = clock.now() - live.heard
        detail = f"last heard {max(silent, 0) // 1000} s ago"
        return [Part("processor", silent <= SILENCE_MS, detail)]

    return check
