"""Processors over tallies, on both logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processors.harness import Site


@pytest.fixture(params=["embedded", "kafka"])
def site(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> Site:
    if request.param == "embedded":
        return Site(f"embedded://{tmp_path / 'log'}", topic_prefix)
    return Site(f"kafka://{request.getfixturevalue('kafka')}", topic_prefix)


@pytest.fixture
def embedded_site(tmp_path: Path, topic_prefix: str) -> Site:
    return Site(f"embedded://{tmp_path / 'log'}", topic_prefix)


@pytest.fixture
def kafka_site(kafka: str, topic_prefix: str) -> Site:
    return Site(f"kafka://{kafka}", topic_prefix)
