"""Where the real data lies; without it these tests skip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.olist.engine import Imported, imported
from tests.olist.oracle import Oracle
from tests.servers import ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with Olist's eight files."""
    folder = Path(os.environ.get("SIGHTLINE_TEST_DATA", ROOT.parent / "shared" / "data")) / "olist"
    if not any(folder.glob("olist_orders_dataset.csv*")):
        pytest.skip(
            f"Olist's files are not in {folder}: get the Brazilian E-Commerce Public Dataset by Olist and set "
            "SIGHTLINE_TEST_DATA to the folder that holds olist/"
        )
    return folder


@pytest.fixture(scope="session")
def oracle(data: Path) -> Iterator[Oracle]:
    """The same files in SQL."""
    with Oracle(data) as oracle:
        yield oracle


@pytest.fixture(scope="session")
def whole(data: Path) -> Imported:
    """The records of an import of everything."""
    return imported(data)
