"""The HTTP API: ``create_app(deps)`` puts the routes together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from fastapi import FastAPI

from api import (
    cases,
    catalogue,
    contributors,
    dead_letters,
    errors,
    health,
    history,
    keys,
    kpis,
    lookups,
    metrics,
    page,
    sources,
    stream,
)
from api.broadcast import Broadcaster, Channel
from api.dependencies import Dependencies
from api.events import EventsRoute
from api.openapi import DESCRIPTION, describe
from api.present import state
from api.security import Security
from api.shapes import KpisShape


def create_app(deps: Dependencies) -> FastAPI:
    """The app. Its lifespan runs the live stream; everything that ``deps`` holds is started by the caller."""

    async def snapshot(channel: Channel) -> KpisShape:
        catalogue = await deps.catalogues.of(channel.tenant, channel.run)
        view = deps.live.get(channel.tenant, channel.run)
        now, ready, rates = deps.clock.now(), deps.live.ready, deps.missing_rates(channel.run)
        return state(view, catalogue, channel.scopes, now=now, ready=ready, rates=rates)

    broadcaster = Broadcaster(deps.live, deps.clock, snapshot, deps.stream_interval_ms)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(broadcaster.run())
        try:
            yield
        finally:
            broadcaster.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    app = FastAPI(
        title="Sightline",
        description=DESCRIPTION,
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=errors.PROBLEMS,
    )
    app.state.deps = deps
    app.state.vitals = replace(deps.vitals, checks=[health.live_view(deps.live), *deps.vitals.checks])
    app.state.close = broadcaster.close
    app.state.broadcaster = broadcaster
    errors.install(app)
    for noun in (
        kpis,
        history,
        contributors,
        stream,
        cases,
        sources,
        catalogue,
        lookups,
        dead_letters,
        keys,
        health,
        metrics,
    ):
        app.include_router(noun.router)
    page.mount(app, deps.web)
    describe(app)
    app.add_middleware(EventsRoute, deps=deps)
    app.add_middleware(Security, keyring=deps.keyring, hosts=deps.hosts)
    return app
