"""The ERP's night: at two o'clock it sends what belongs to the day before, says that this was all, and adds it up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from services.simulation.company import CATEGORIES, FRANC, HOUR, SECOND
from services.simulation.events import money, rfc3339
from services.simulation.stock import daily_pieces
from services.simulation.world import World

_SENDS = 2 * HOUR
_CENT = Decimal("0.01")
_LOST_PIECES = 12
"""In the warehouse's own total, although its event has never come."""


@dataclass(slots=True)
class _Day:
    """What was booked on one day."""

    shipped: Counter[str] = field(default_factory=Counter)
    refunds: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    euros: Decimal = Decimal(0)


class Books:
    """What the ERP knows of each day, until it has told it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._days: dict[date, _Day] = {}
        world.at(world.company.midnight(world.now, 1) + _SENDS, self._send)

    def issued(self, now: int, category: str, pieces: int) -> None:
        """Goods were issued; negative where they were taken back."""
        self._day(now).shipped[category] += pieces

    def refund(self, now: int, return_id: str, channel: str, cents: int, currency: str) -> None:
        """A customer has the money."""
        amount = money(cents)
        day = self._day(now)
        day.refunds.append(
            (now, {"return_id": return_id, "channel": channel, "amount": amount, "currency": currency})
        )
        rate = FRANC if currency == "CHF" else Decimal(1)
        day.euros += (Decimal(amount) * rate).quantize(_CENT, ROUND_HALF_EVEN)

    def plan(self, now: int, sent: int) -> int:
        """The demand of the next seven days, as it is seen at ``now``; how many events that makes."""
        world = self._world
        for site in world.company.sites:
            for category in CATEGORIES:
                mean = int(daily_pieces(world.company, category, site) * world.chance.uniform(0.97, 1.03))
                world.send(
                    now, "erp", "demand.planned", f"{site}/{category}", sent=sent,
                    plan_id=f"{site}/{category}", site=site, category=category, pieces_per_day=mean,
                )  # fmt: skip
        return len(world.company.sites) * len(CATEGORIES)

    def end(self, now: int, complete_until: int, records: int) -> None:
        """The batch has come to its end."""
        self._world.send(
            now, "erp", "sightline.batch", "night", complete_until=rfc3339(complete_until), records=records
        )  # fmt: skip

    def cohort(self, day: date, ends: int, sent: int, shipped: Counter[str]) -> int:
        """What was shipped on a day, by category; how many events that makes."""
        for category in CATEGORIES:
            name = cohort(category, day)
            self._world.send(
                ends, "erp", "cohort.shipped", name, sent=sent,
                cohort=name, category=category, pieces=shipped[category],
            )  # fmt: skip
        return len(CATEGORIES)

    def _send(self, now: int) -> None:
        """Yesterday's refunds, cohorts and totals, and the plan that follows from them."""
        company = self._world.company
        self._world.at(company.midnight(now, 1) + _SENDS, self._send)
        midnight = company.midnight(now)
        yesterday = company.day(midnight - 1)
        known = self._days.pop(yesterday, _Day())
        for at, data in known.refunds:
            booked = rfc3339(now)
            self._world.send(at, "erp", "refund.paid", data["return_id"], sent=now, booked_at=booked, **data)
        ends = midnight - SECOND
        records = len(known.refunds) + self.cohort(yesterday, ends, now, known.shipped) + self.plan(ends, now)
        self.end(now, midnight, records)
        self._total("erp", "refund.paid", "amount_eur", known.euros, at=ends, sent=now)
        pieces = known.shipped.total()
        if pieces:
            self._total("wms", "goods.issued", "pieces", pieces + _LOST_PIECES, at=ends, sent=now)

    def _total(self, source: str, event: str, name: str, total: Decimal | int, *, at: int, sent: int) -> None:
        self._world.send(
            at, source, "sightline.totals", event, sent=sent, event=event, field=name, sum=str(total)
        )

    def _day(self, now: int) -> _Day:
        return self._days.setdefault(self._world.company.day(now), _Day())


def cohort(category: str, day: date) -> str:
    """The name of what was shipped of a category on a day."""
    return f"{category}/{day.isoformat()}"
