"""What some tests need beyond Python: without it they skip with a reason that says how to get it.

``SIGHTLINE_TEST_REQUIRE=kafka,postgres,browser`` (any of them) turns such a skip into a failure.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import NoReturn

import pytest


class Requirement(StrEnum):
    KAFKA = "kafka"
    POSTGRES = "postgres"
    BROWSER = "browser"


HINTS = {
    Requirement.KAFKA: "set SIGHTLINE_TEST_KAFKA=host:port, or install Java 17 and Maven "
    "(Debian: apt-get install openjdk-17-jre-headless maven) so that scripts/kafka can start one",
    Requirement.POSTGRES: "set SIGHTLINE_TEST_POSTGRES=postgresql+psycopg://user@host/postgres, "
    "or install the server (Debian: apt-get install postgresql)",
    Requirement.BROWSER: "install Chromium (Debian: apt-get install chromium), "
    "or set SIGHTLINE_TEST_CHROMIUM to its path",
}


def required() -> frozenset[Requirement]:
    """What must not be missing; an unknown word is an error, or a typing mistake would skip in silence."""
    words = os.environ.get("SIGHTLINE_TEST_REQUIRE", "").replace(",", " ").split()
    return frozenset(Requirement(word) for word in words)


def missing(requirement: Requirement, why: str) -> NoReturn:
    """Skip the test that asks, or fail it where the requirement is required."""
    reason = f"{requirement} is missing ({why}): {HINTS[requirement]}"
    if requirement in required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
