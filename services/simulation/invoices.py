"""The billing database: no events, but a table of invoices whose rows change; each change is told as it was and is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from services.simulation.company import DAY, HOUR
from services.simulation.events import money, rfc3339
from services.simulation.world import World

DAYS = 30
"""So long rows are kept."""
_A_DAY = 12
_PAID_AFTER = 9 * DAY
_CENTS = (80_000, 600_000)
_CORRECTED, _VOID = 0.06, 0.03


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; ``invoiced_at`` is epoch ms here, and text in events."""

    number: str
    channel: str
    amount: str
    paid: bool
    invoiced_at: int

    def told(self) -> dict[str, Any]:
        """As the replication of the database writes it."""
        return asdict(self) | {"invoiced_at": rfc3339(self.invoiced_at)}


class Invoices:
    """Invoices are written, corrected, now and then deleted, and paid. Its chance is its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance_of("invoices")
        self._count = 0
        self._rows: dict[str, Row] = {}
        self._next(world.now)

    def tell_table(self, now: int) -> None:
        """All rows that there are at ``now``, as the replication begins with them."""
        for at in sorted(now - int(self._chance.random() * DAYS * DAY) for _ in range(DAYS * _A_DAY)):
            row = self._row(at)
            self._change(now, "r", row.number, replace(row, paid=self._pays(now, row)))

    def _next(self, now: int) -> None:
        self._world.at(now + int(self._chance.expovariate(_A_DAY) * DAY), self._write)

    def _write(self, now: int) -> None:
        self._next(now)
        row = self._row(now)
        self._change(now, "c", row.number, row)
        self._pays(now, row)
        if self._chance.random() < _CORRECTED:
            self._world.at(now + HOUR, lambda at: self._update(at, row.number, amount=self._amount()))
        if self._chance.random() < _VOID:
            self._world.at(now + 2 * HOUR, lambda at: self._delete(at, row.number))

    def _row(self, at: int) -> Row:
        self._count += 1
        channels = self._world.company.channels
        return Row(f"IN-{self._count:06d}", self._chance.choice(channels), self._amount(), False, at)

    def _amount(self) -> str:
        return money(self._chance.randint(*_CENTS))

    def _pays(self, now: int, row: Row) -> bool:
        """Whether it is paid at ``now``; if not, it will be."""
        paid = row.invoiced_at + int(self._chance.gauss(1, 0.25) * _PAID_AFTER)
        if paid > now:
            self._world.at(paid, lambda at: self._update(at, row.number, paid=True))
        return paid <= now

    def _update(self, now: int, number: str, **changed: Any) -> None:
        if number in self._rows:
            self._change(now, "u", number, replace(self._rows[number], **changed))

    def _delete(self, now: int, number: str) -> None:
        self._change(now, "d", number, None)

    def _change(self, now: int, op: str, number: str, after: Row | None) -> None:
        before = self._rows.pop(number, None)
        if after is not None:
            self._rows[number] = after
        rows = {"before": before, "after": after}
        told: dict[str, Any] = {name: row.told() for name, row in rows.items() if row is not None}
        self._world.send(now, "billing", "invoice.row", number, op=op, **told)
