"""``/livez`` and ``/readyz``: is the process up, and can it be asked?"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Dependencies, Deps, Part
from api.shapes import answer

router = APIRouter(tags=["health"])


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
async def readyz(deps: Deps, verbose: str | None = None) -> Response:
    """Every part is ready (200) or not yet (503); ``?verbose`` names each."""
    parts = await all_parts(deps)
    ready = all(part.ready for part in parts)
    shape = {"ready": ready} if verbose is None else {"ready": ready, "parts": parts}
    return answer(shape, 200 if ready else 503)


async def all_parts(deps: Dependencies) -> list[Part]:
    """The live view and what the composition root knows of the others."""
    waiting = deps.live.waiting
    if waiting is None:
        live = Part("live view", ready=False, detail="looking at the kpis topic")
    elif waiting:
        live = Part("live view", ready=False, detail=f"reading up on partitions {waiting}")
    else:
        live = Part("live view", ready=True)
    parts = [live]
    for check in deps.parts:
        parts += await check()
    return parts
