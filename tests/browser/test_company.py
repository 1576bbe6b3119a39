"""The page of a small catalogue, event by event: what is posted is seen, and what cannot be trusted is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.browser.conftest import Server
from tests.servers import ROOT

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

pytestmark = pytest.mark.timeout(300)

MINUTE = 60_000


def placed(number: int, **data: str) -> dict[str, Any]:
    order = f"SO-{number}"
    return {
        "id": f"placed-{number}",
        "type": "order.placed",
        "subject": order,
        "data": {"order_id": order, "site": "Hamburg", "amount": "49.90", **data},
    }


async def value_is(page: Page, kpi: str, value: str) -> None:
    await page.wait_for_function(
        "([kpi, value]) => document.querySelector(`[data-kpi=${kpi}] [data-part=value]`)?.textContent === value",
        arg=[kpi, value],
    )


def trust(page: Page, level: str, text: str) -> Locator:
    return page.locator(f"[data-trust={level}]", has_text=text)


async def test_a_posted_event_moves_the_number_and_an_overdue_order_is_listed(
    page: Page, company: Server
) -> None:
    """Its link opens the order's life: steps, due times and events; the URL keeps it."""
    await page.goto(company.url)
    company.post(placed(1), placed(2))
    await value_is(page, "orders", "2")
    company.post(placed(3, promised_at="2026-03-02T09:00:00Z"), placed(3))  # the second one is a duplicate
    await value_is(page, "orders", "3")
    await value_is(page, "open_orders", "3")
    link = page.locator(".cases a", has_text="SO-3")
    await link.click()
    life = page.locator(".drawer")
    await life.locator("li", has_text="placed").first.wait_for()
    await life.locator("li", has_text="promised").locator("text=■ overdue for").wait_for()
    await life.locator("li", has_text="order.placed").wait_for()
    assert page.url.endswith("?case=order/SO-3")
    assert await life.evaluate("drawer => drawer.scrollWidth <= drawer.clientWidth")  # nothing is cut off


async def test_a_number_leads_to_the_orders_that_make_it(page: Page, company: Server) -> None:
    """From the tile over its scopes to the list; an event shows what it said, a case leads to its life."""
    await page.goto(company.url)
    company.post(placed(1), placed(2, site="Lyon"))
    await value_is(page, "orders", "2")
    await page.locator("[data-kpi=orders]").click()
    drawer = page.locator(".drawer")
    await drawer.locator("tr", has_text="site Lyon").locator("a").click()
    await drawer.locator("summary", has_text="placed-2").click()
    await drawer.locator("pre", has_text="SO-2").wait_for()
    assert await drawer.locator("summary").count() == 1
    assert page.url.endswith("?kpi=orders&scope=site:Lyon")
    await page.goto(f"{company.url}/?kpi=open_orders&scope=")
    async with page.expect_download() as download:
        await drawer.get_by_role("button", name="CSV").click()
    assert (await download.value).suggested_filename == "open_orders.csv"
    await drawer.locator("td a", has_text="SO-1").click()
    await drawer.locator("li", has_text="order.placed").wait_for()
    assert page.url.endswith("?case=order/SO-1")


async def test_a_lost_stream_is_said_loudly_and_comes_back_by_itself(page: Page, company: Server) -> None:
    """What is shown meanwhile is marked as old; afterwards the numbers are the same, and go on."""
    await page.goto(company.url)
    company.post(placed(1))
    await value_is(page, "orders", "1")
    await trust(page, "quiet", "Live").wait_for()
    company.kill()
    await trust(page, "off_plan", "stream is lost").wait_for()
    assert "lost" in await page.title()
    assert await page.locator(".tile.stale").count() == await page.locator(".tile").count()
    company.start()
    await trust(page, "quiet", "Live").wait_for()
    company.post(placed(2))
    await value_is(page, "orders", "2")
    assert await page.locator(".tile.stale").count() == 0


async def test_a_source_that_falls_silent_is_said(page: Page, company: Server) -> None:
    """Once it is silent for much longer than it ever was, and until it is heard again."""
    await page.goto(company.url)
    company.post(*(placed(number) for number in range(30)))
    await value_is(page, "orders", "30")
    await trust(page, "quiet", "1 source").wait_for()
    company.put_forward(10 * MINUTE)
    await trust(page, "watch", "Nothing heard from shop for 10 min").wait_for()
    company.post(placed(31))
    await trust(page, "quiet", "1 source").wait_for()


MAPPING = """
apiVersion: sightline/v1
kind: Import
metadata: {name: shop-history}
spec:
  source: shop
  files:
    - file: shop.csv
      events:
        - {type: order.placed, id: "placed/{order}", time: placed, data: {order_id: order, promised_at: promised}}
"""
ROWS = """order,placed,promised
A-1,2021-03-03T09:15:00Z,2021-03-04T09:00:00Z
A-2,2021-03-05T10:02:00Z,2021-03-09T09:00:00Z
"""


def bring_in(folder: Path) -> None:
    """Import two orders of 2021 into the log and database of that folder."""
    (folder / "shop.csv").write_text(ROWS)
    (folder / "import.yaml").write_text(MAPPING)
    catalogue = ROOT / "services" / "catalogue" / "template" / "files"
    command = ["-c", "from sightline.cli import main; main()", "import", "import.yaml", "shop.csv"]
    subprocess.run(
        [sys.executable, *command, "--catalogue", str(catalogue)],
        check=True,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SIGHTLINE_BROKER__URL": f"embedded://{folder / 'log'}",
            "SIGHTLINE_BROKER__PARTITIONS": "2",
            "SIGHTLINE_DATABASE__URL": f"sqlite+aiosqlite:///{folder / 'sightline.sqlite'}",
        },
    )


async def test_an_import_is_chosen_in_the_header_and_shown_as_of_its_end(
    page: Page, company: Server, tmp_path: Path
) -> None:
    """Beside the live run; the URL keeps the choice."""
    company.kill()
    bring_in(tmp_path)
    company.start()
    await page.goto(company.url)
    await page.get_by_label("Run").select_option("shop-history")
    await trust(page, "quiet", "Import, complete").wait_for()
    await value_is(page, "open_orders", "2")
    age = page.locator("[data-kpi=open_orders] [data-part=age]")
    assert await age.inner_text() == "as of 05 Mar 2021"
    await page.locator(".cases a", has_text="A-1").wait_for()
    assert page.url.endswith("?run=shop-history")
    await page.go_back()
    await value_is(page, "open_orders", "0")


async def test_with_api_keys_the_page_asks_for_one(page: Page, company: Server) -> None:
    """A wrong one is refused in words; the right one lasts as long as the tab."""
    company.post(placed(1))
    made = httpx2.post(f"{company.url}/api/v1/keys", json={"name": "page", "scopes": ["read"]}, timeout=30)
    key = made.json()["key"]
    await page.goto(company.url)
    await page.get_by_label("API key").fill("sl_wrong")
    await page.keyboard.press("Enter")
    await page.locator(".prompt [role=alert]").wait_for()
    await page.get_by_label("API key").fill(key)
    await page.keyboard.press("Enter")
    await value_is(page, "orders", "1")
    await page.reload()
    await value_is(page, "orders", "1")
    assert await page.locator(".prompt").count() == 0
