"""Another catalogue for an installation that runs, over both logs: by the barrier, and without a loss."""

from __future__ import annotations

import asyncio
import io
import zipfile

import pytest

from services.catalogue.difference import Outcome
from services.changing import pack
from services.errors import CatalogueError, InvalidInput
from services.importing.load import load_folder
from services.intake.framing import LIVE
from tests.contract.installation import EVALUATOR, NOON, Installation

LOOKUP = """---
apiVersion: sightline/v1
kind: Lookup
metadata: {name: sites}
spec: {key: site, source: {file: rows/sites.csv}, columns: {region: {type: string}}}
"""


async def test_what_goes_on_loses_nothing_and_what_is_new_begins_anew(installation: Installation) -> None:
    """Orders before and after the change: revenue and what is open have all of them, another count the later ones."""
    await installation.post(1, 2, 3)
    installation.edit("title: Order value today", "title: Revenue")
    installation.edit(
        "{agg: count, event: order.placed}", "{agg: distinct, event: order.placed, field: order_id}"
    )
    assert await installation.apply() == {"orders": Outcome.MEANING, "revenue": Outcome.WORDS}
    await installation.post(4)
    numbers = await installation.numbers()
    assert (numbers["revenue"], numbers["open_orders"], numbers["orders"]) == (40.0, 4, 1)


async def test_nothing_is_lost_of_what_comes_during_the_change(installation: Installation) -> None:
    """Requests before, during and after it, all at once; it is applied twice, which changes nothing more."""
    installation.edit("title: Order value today", "title: Revenue")
    posts = [installation.post(*range(start, start + 5)) for start in range(0, 100, 5)]
    await asyncio.gather(*posts[:10], installation.apply(), *posts[10:15], installation.apply(), *posts[15:])
    numbers = await installation.numbers()
    assert (numbers["revenue"], numbers["open_orders"], numbers["orders"]) == (1000.0, 100, 100)


async def test_a_catalogue_that_does_not_lint_changes_nothing(installation: Installation) -> None:
    """All problems are told; the one in force stays, and so does what the run is kept with."""
    before = installation.intake.catalogue.digest
    packed = pack(installation.folder, *load_folder(installation.folder, EVALUATOR))
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as good, zipfile.ZipFile(body, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name).replace(b"agg: sum", b"agg: smu"))
    with pytest.raises(CatalogueError, match="'smu' is not possible here"):
        await installation.changing.apply(body.getvalue())
    assert installation.intake.catalogue.digest == before
    assert await installation.database.runs.get("default", LIVE) is None


@pytest.mark.parametrize("name", ["../kpis.yaml", "/etc/kpis.yaml", "a/../../kpis.yaml", "..\\kpis.yaml"])
async def test_a_file_outside_of_the_archive_is_refused(installation: Installation, name: str) -> None:
    """Nothing is written there."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(name, "kind: Kpi")
    with pytest.raises(InvalidInput, match="lies outside"):
        await installation.changing.apply(body.getvalue())
    assert not (installation.folder.parent / "kpis.yaml").exists()


async def test_what_is_no_archive_is_refused(installation: Installation) -> None:
    """With what to use instead."""
    with pytest.raises(InvalidInput, match="no ZIP archive") as caught:
        await installation.changing.apply(b"kind: Kpi")
    assert caught.value.remedy == "use `sightline apply FOLDER`"


async def test_the_files_of_look_ups_come_along(installation: Installation) -> None:
    """Their rows are known when the catalogue is in force, which the live run is kept with."""
    (installation.folder / "rows").mkdir()
    (installation.folder / "rows" / "sites.csv").write_text("site,region\nW01,North\n")
    installation.edit("# The numbers", f"# With a look-up.\n{LOOKUP}---\n# The numbers")
    assert await installation.apply() == {"sites": Outcome.NEW}
    assert installation.changing.book.tables["sites"].find(("W01",), NOON) is not None
    kept = await installation.database.runs.get("default", LIVE)
    assert kept is not None
    assert kept.digest == installation.intake.catalogue.digest
