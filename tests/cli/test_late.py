"""What comes weeks late, from the request to the history that it amends, over either log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.test_sources import broker, post, seen, serving

__all__ = ["broker"]

CATALOGUE = """
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.placed}
spec:
  objects: {order: order_id}
  fields:
    order_id: {type: string, required: true}
    amount: {type: decimal, unit: EUR, scale: 2}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: orders, owner: a@example.com}
spec:
  type: simple
  measure: {agg: count, event: order.placed}
  window: {rolling: 1h}
  grain: 1d
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: mean_order, owner: a@example.com}
spec:
  type: derived
  expr: revenue / orders
  unit: EUR
  window: {rolling: 1h}
  grain: 1d
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: revenue, owner: a@example.com}
spec:
  type: simple
  measure: {agg: sum, event: order.placed, field: amount}
  window: {rolling: 1h}
  grain: 1d
"""


def placed(number: int, at: datetime, amount: str) -> dict[str, Any]:
    data = {"order_id": f"A{number}", "amount": amount}
    return {"specversion": "1.0", "id": str(number), "source": "shop", "type": "order.placed",
            "time": at.isoformat(), "data": data}  # fmt: skip


@pytest.mark.timeout(150)
def test_what_comes_twenty_days_late_amends_history_and_sixty_counts_now(broker: str, tmp_path: Path) -> None:
    """Twice for the same day, derived KPIs too; what is older is in the current value, listed, and not replayed."""
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "catalogue.yaml").write_text(CATALOGUE)
    now = datetime.now(UTC)
    day = (now - timedelta(days=20)).replace(hour=12, minute=0, second=0, microsecond=0)

    with serving(broker, tmp_path) as url:
        seen(url, "/api/v1/kpis/orders", lambda one: one["watermark"] > 0)

        def history(kpi: str, value: float) -> None:
            path = f"/api/v1/kpis/{kpi}/history?from={day.date()}T00:00:00Z&to={day.date()}T23:59:59Z"
            seen(url, path, lambda one: [point["value"] for point in one["points"]] == [value])

        post(url, "/api/v1/events", [placed(1, day, "10.00")])
        history("orders", 1)
        post(url, "/api/v1/events", [placed(2, day + timedelta(hours=1), "20.00")])
        history("orders", 2)
        history("revenue", 30)
        history("mean_order", 15)

        post(url, "/api/v1/events", [placed(3, now - timedelta(days=60), "5.00")])
        seen(
            url,
            "/api/v1/kpis/revenue",
            lambda one: [each["value"] for each in one["kpis"][0]["values"]] == [5],
        )
        letters = seen(url, "/api/v1/dead-letters?code=too_old", lambda one: one["count"] == 1)[
            "dead_letters"
        ]
        assert letters[0]["event_id"] == "3"
        replayed = httpx2.post(f"{url}/api/v1/dead-letters/{letters[0]['id']}/replay")
        assert replayed.status_code == 409, replayed.text
