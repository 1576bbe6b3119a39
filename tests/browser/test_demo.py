"""The demo's page as somebody sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.browser.conftest import Server

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.timeout(300)

FULL = r"""count => {
  const tiles = [...document.querySelectorAll('.tile')];
  return tiles.length === count
    && tiles.every(tile => tile.querySelector('[data-part=value]').textContent.match(/\d/))
    && document.querySelectorAll('.spark .now').length > count / 2;
}"""

CONTRAST = r"""() => {
  const rgba = text => {
    const mixed = text.startsWith('color(srgb');
    const parts = text.match(/[\d.]+/g).map(Number);
    return [...parts.slice(0, 3).map(part => mixed ? part * 255 : part), parts[3] ?? 1];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = rgba(getComputedStyle(each).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const poor = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${element.className} ${element.textContent}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
}"""


async def full(page: Page, demo: Server) -> list[dict[str, object]]:
    """Open the page and wait until it is full; the KPIs' definitions."""
    kpis = httpx2.get(f"{demo.url}/api/v1/kpis", timeout=30).json()["kpis"]
    await page.goto(demo.url)
    await page.wait_for_function(FULL, arg=len(kpis))
    return [each["definition"] for each in kpis]


async def test_every_kpi_has_value_target_status_age_course_and_owner(page: Page, demo: Server) -> None:
    """A KPI without a target says so, and is never called on plan."""
    definitions = await full(page, demo)
    assert len(definitions) >= 12
    for definition in definitions:
        tile = page.locator(f"[data-kpi={definition['name']}]")
        parts = {
            part: tile.locator(f"[data-part={part}]") for part in ("value", "unit", "status", "owner", "age")
        }
        told = {part: (await found.inner_text()).strip() for part, found in parts.items()}
        assert any(character.isdigit() for character in told["value"]), definition["name"]
        assert told["unit"]
        assert told["owner"] == definition["owner"]
        assert told["age"] == "now" or told["age"].endswith(("s", "min"))
        glyph, _, word = told["status"].partition(" ")
        assert glyph in "●▲■?○"
        target = tile.locator("[data-part=target]")
        if definition["target"] is None:
            assert word == "no target"
            assert await target.count() == 0
        else:
            assert word.startswith(("on plan", "watch", "off plan", "unknown"))
            assert (await target.inner_text()).startswith("target ")
        assert await tile.locator("svg[aria-label]").count() == 1


async def test_numbers_change_while_one_looks_and_what_fails_is_seen(page: Page, demo: Server) -> None:
    """The failing carrier's parcels are off plan in words, in the summary and in the tab's title."""
    await full(page, demo)
    values = "() => [...document.querySelectorAll('[data-part=value]')].map(each => each.textContent).join()"
    before = await page.evaluate(values)
    await page.wait_for_function(f"before => ({values})() !== before", arg=before)
    failed = page.locator("[data-kpi=failed_deliveries]")
    await failed.locator("[data-part=status]", has_text="off plan").wait_for()
    assert "off plan" in await page.title()
    order = "() => [...document.querySelectorAll('.tile')].map(each => each.dataset.kpi)"
    kpis = httpx2.get(f"{demo.url}/api/v1/kpis", timeout=30).json()["kpis"]
    assert await page.evaluate(order) == [each["definition"]["name"] for each in kpis]  # nothing moves


async def test_a_keyboard_reaches_the_scopes_and_the_url_keeps_the_view(page: Page, demo: Server) -> None:
    """Focus is seen; Enter opens, Escape closes and gives the focus back; the browser's back works."""
    await full(page, demo)
    await page.get_by_label("Run").focus()
    await page.keyboard.press("Tab")
    first = await page.evaluate("document.activeElement.dataset.kpi")
    assert first is not None
    assert await page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    await page.keyboard.press("Enter")
    await page.locator(".drawer tbody tr").first.wait_for()
    assert page.url.endswith(f"?kpi={first}")
    await page.keyboard.press("Escape")
    await page.locator(".drawer").wait_for(state="detached")
    assert await page.evaluate("document.activeElement.dataset.kpi") == first
    await page.go_back()
    await page.locator(".drawer").wait_for()
    await page.reload()
    await page.locator(".drawer tbody tr").first.wait_for()


async def test_a_number_is_opened_down_to_the_source_system(page: Page, demo: Server) -> None:
    """A level shows its cases at once, another value when asked: due times, link, CSV, at each scope; misses first."""
    await full(page, demo)
    await page.locator("[data-kpi=past_due_lines]").click()
    drawer = page.locator(".drawer")
    line = drawer.locator(".which").first
    await line.locator("small", has_text="promised").wait_for()
    link = await line.locator(".source").get_attribute("href")
    assert link is not None
    assert link.startswith("https://erp.example.com/lines/SO-")
    async with page.expect_download() as download:
        await drawer.get_by_role("button", name="CSV").click()
    assert (await download.value).suggested_filename == "past_due_lines.csv"
    await drawer.locator("td.number a").first.click()
    await drawer.get_by_role("link", name="All scopes").wait_for()
    await line.wait_for()
    await page.goto(f"{demo.url}/?kpi=on_time_in_full")
    await drawer.get_by_role("button", name="List its events or cases").click()
    misses = drawer.get_by_role("button", name="misses")
    await misses.wait_for()
    assert await misses.get_attribute("aria-pressed") == "true"
    await line.wait_for()
    assert await drawer.evaluate("drawer => drawer.scrollWidth <= drawer.clientWidth")
    await page.goto(f"{demo.url}/?kpi=orders_placed&scope=")
    await line.locator("summary").click()
    await line.locator("pre", has_text="order_id").wait_for()
    assert await line.locator(".source").count() == 1


async def test_times_are_those_of_the_company_until_another_zone_is_chosen(page: Page, demo: Server) -> None:
    """The page says in which zone it writes; the URL keeps the choice."""
    await full(page, demo)
    zones = page.get_by_label("Times in")
    company = httpx2.get(f"{demo.url}/api/v1/sources/erp", timeout=30).json()["timezone"]
    assert await zones.input_value() == company
    until = page.locator("[data-source=erp] [data-part=until]")
    assert (await until.inner_text()).endswith("00:00")  # its batch is complete until midnight
    there = await until.inner_text()
    await zones.select_option(label="UTC")
    assert parse_qs(urlsplit(page.url).query)["zone"] == [await zones.input_value()]
    assert (await until.inner_text() == there) == (company in {"UTC", "Etc/GMT+0", "Etc/GMT-0"})


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_has_contrast_and_a_phone_needs_no_sideways_scrolling(
    page: Page, demo: Server, scheme: str
) -> None:
    """WCAG AA: 4.5 to 1, on plan and off, with a KPI open."""
    await page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    await full(page, demo)
    assert await page.evaluate(CONTRAST) == []
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.locator("[data-kpi=failed_deliveries]").click()
    await page.locator(".drawer tbody tr").first.wait_for()
    assert await page.evaluate(CONTRAST) == []
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
