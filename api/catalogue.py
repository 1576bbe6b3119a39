"""``/api/v1/catalogue`` and ``/api/v1/runs``: what is measured, and which histories there are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import Admin, Deps, Reader
from api.events import read_body
from api.kpis import Run
from api.present import LIVE
from api.shapes import RecordsAppended, RunShape, RunsShape, answer
from services.catalogue.difference import Difference
from services.domain.catalogue import Catalogue
from services.domain.stored import RunRecord
from services.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["catalogue"])


@router.get("/catalogue", operation_id="getCatalogue", responses={200: {"model": Catalogue}})
async def get_catalogue(deps: Deps, grant: Reader, *, run: Run = LIVE) -> Response:
    """Event types, processes and KPIs that a run is read with; durations are milliseconds."""
    return answer(await deps.catalogues.of(grant.tenant, run))


@router.put(
    "/catalogue",
    operation_id="putCatalogue",
    responses={200: {"model": Difference}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def put_catalogue(request: Request, deps: Deps, _: Admin) -> Response:
    """Bring in another catalogue: a ZIP archive of its folder, checked as `sightline lint` does; answers with what it
    means once its barrier is in the log.
    """
    if deps.changing is None:
        raise NotFound("this server takes no catalogue")
    body = await read_body(request.headers, request.receive, deps.max_body_bytes)
    return answer(await deps.changing.apply(body))


@router.get("/runs", operation_id="listRuns", responses={200: {"model": RunsShape}})
async def list_runs(deps: Deps, grant: Reader) -> Response:
    """The live run and every import, latest first."""
    return answer(RunsShape([_shape(run) for run in await deps.runs.list(grant.tenant)]))


@router.get("/runs/{run}", operation_id="getRun", responses={200: {"model": RunShape}})
async def get_run(deps: Deps, grant: Reader, run: str) -> Response:
    """One run with the report of its import."""
    found = await deps.runs.get(grant.tenant, run)
    if found is None:
        raise NotFound(
            f"there is no run {run!r}", field="run", value=run, remedy="GET /api/v1/runs lists them"
        )
    return answer(_shape(found))


@router.post(
    "/runs/{run}/records",
    operation_id="appendRecords",
    status_code=202,
    responses={202: {"model": RecordsAppended}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/msgpack": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def append_records(request: Request, deps: Deps, grant: Admin, run: str) -> Response:
    """Records of an import, from `sightline import` beside a running server; answers once the log has them."""
    if deps.handed_in is None:
        raise NotFound("this server takes no records", field="run", value=run)
    body = await read_body(request.headers, request.receive, deps.max_body_bytes)
    return answer(RecordsAppended(await deps.handed_in.append(grant.tenant, run, body)), 202)


def _shape(run: RunRecord) -> RunShape:
    report = None if run.report is None else dict(run.report)
    return RunShape(run.run, run.attempt, run.digest, run.started, run.ended, report)
