"""What contracts are asked of: each log in turn, and an installation on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.installation import Installation, installed


@pytest.fixture(params=["embedded", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty embedded log, and of Kafka."""
    if request.param == "embedded":
        return f"embedded://{tmp_path / 'log'}"
    return f"kafka://{request.getfixturevalue('kafka')}"


@pytest_asyncio.fixture
async def installation(url: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(url, topic_prefix, tmp_path) as made:
        yield made
