"""Fixtures for the whole suite: real servers, started once per session and only when a test asks for one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests import servers

if TYPE_CHECKING:
    from playwright.async_api import Browser

# No test fails because a machine is slow or busy.
settings.register_profile("sightline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sightline")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """``host:port`` of a real Kafka broker, shared by the session: use topic names of your own."""
    with servers.kafka_broker() as bootstrap:
        yield bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and groups that no other test uses."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The SQLAlchemy URL of a real PostgreSQL server's maintenance database."""
    with servers.postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty PostgreSQL database."""
    import psycopg  # noqa: PLC0415  # only where PostgreSQL is tested

    name = f"sightline_{secrets.token_hex(6)}"
    plain = postgres_server.replace("+psycopg", "", 1)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_server.rpartition("/")[0] + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium, driven by Playwright's asyncio API."""
    executable = servers.chromium()
    from playwright.async_api import async_playwright  # noqa: PLC0415  # only where a browser is tested

    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield found
        finally:
            await found.close()
