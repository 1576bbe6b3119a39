"""What Olist's files say, by SQL over the raw text: nothing here is shared with the engine.

Times are local texts of America/Sao_Paulo, so that texts compare as times do and a month is a prefix; ``utc`` makes
an instant (epoch seconds) of one where differences are asked for.
"""

from __future__ import annotations

import csv
import gzip
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Sao_Paulo")
TABLES = {
    "customers": "olist_customers_dataset.csv",
    "items": "olist_order_items_dataset.csv",
    "payments": "olist_order_payments_dataset.csv",
    "reviews": "olist_order_reviews_dataset.csv",
    "orders": "olist_orders_dataset.csv",
}

# Fact → SQL. Empty texts are null.
FACTS = {
    "orders": "SELECT count(*) FROM orders",
    "reviews": "SELECT count(*) FROM reviews",
    "revenue": "SELECT sum(round(price * 100)) / 100 FROM items",
    "freight": "SELECT sum(round(freight_value * 100)) / 100 FROM items",
    "delivered": "SELECT count(*) FROM orders WHERE delivered IS NOT NULL",
    "late": "SELECT count(*) FROM orders WHERE delivered > promised",
    "late_by_day": "SELECT count(*) FROM orders WHERE date(delivered) > date(promised)",
    "items_handed_over": "SELECT count(*) FROM items JOIN orders USING (order_id) WHERE handed IS NOT NULL",
    "items_late": "SELECT count(*) FROM items JOIN orders USING (order_id) WHERE handed > shipping_limit_date",
    "items_late_by_day": (
        "SELECT count(*) FROM items JOIN orders USING (order_id) WHERE date(handed) > date(shipping_limit_date)"
    ),
    "orders_late_at_handover": (
        "SELECT count(DISTINCT order_id) FROM items JOIN orders USING (order_id) WHERE handed > shipping_limit_date"
    ),
    "handed_over": "SELECT count(*) FROM orders WHERE handed IS NOT NULL AND approved IS NOT NULL",
    "handed_over_before_approval": "SELECT count(*) FROM orders WHERE handed < approved",
    "delivered_before_handover": "SELECT count(*) FROM orders WHERE delivered < handed",
    "reviews_before_purchase": (
        "SELECT count(*) FROM reviews JOIN orders USING (order_id) WHERE review_creation_date < purchased"
    ),
    "review_score": "SELECT avg(review_score) FROM reviews",
    "on_time_share": (
        "SELECT 100.0 * sum(date(delivered) <= date(promised)) / count(*) FROM orders WHERE delivered IS NOT NULL"
    ),
    "delivered_in_10_days": (
        "SELECT 100.0 * sum(coalesce(utc(delivered) - utc(purchased) <= 864000, 0)) / count(*) FROM orders"
    ),
    "approval_time": "SELECT avg(utc(approved) - utc(purchased)) / 3600.0 FROM orders WHERE approved IS NOT NULL",
    "on_time_of_due": "SELECT 100.0 * sum(kept) / sum(kept OR missed) FROM due",
    "missed_by_day": "SELECT sum(missed) FROM due",
    "promises_in_doubt": "SELECT sum(NOT kept AND NOT missed) FROM due",
    "items_delivered": "SELECT count(*) FROM items JOIN orders USING (order_id) WHERE delivered IS NOT NULL",
    "items_late_to_customer": (
        "SELECT count(*) FROM items JOIN orders USING (order_id) WHERE date(delivered) > date(promised)"
    ),
    "open_items": (
        "SELECT count(*) FROM items JOIN orders USING (order_id) WHERE delivered IS NULL AND NOT closed"
    ),
    "open_orders": "SELECT count(*) FROM orders WHERE delivered IS NULL AND NOT closed",
    "overdue_orders": (
        "SELECT count(*) FROM orders "
        "WHERE delivered IS NULL AND NOT closed AND promised < '2018-10-17 17:30:18'"
    ),
}

BY_STATE = {
    "revenue": "SELECT month, state, sum(round(price * 100)) / 100 FROM items JOIN placed USING (order_id)",
    "freight": "SELECT month, state, sum(round(freight_value * 100)) / 100 FROM items JOIN placed USING (order_id)",
    "orders": "SELECT month, state, count(*) FROM placed",
    "review_score": "SELECT month, state, avg(review_score) FROM reviews JOIN placed USING (order_id)",
}

TAKEN = "2018-10-17 17:30:18"
"""When the data was taken, and the statuses in it were seen: its newest time."""

_VIEWS = """
ALTER TABLE orders ADD COLUMN closed GENERATED ALWAYS AS (order_status IN ('canceled', 'unavailable'));
CREATE VIEW due AS
  SELECT coalesce(date(delivered) <= date(promised), 0) AS kept,
         CASE WHEN delivered IS NULL THEN NOT closed ELSE date(delivered) > date(promised) END AS missed
  FROM orders WHERE date(promised) < date('2018-10-17 17:30:18');
CREATE VIEW placed AS SELECT order_id, substr(purchased, 1, 7) AS month, customer_state AS state
  FROM orders JOIN customers USING (customer_id);
CREATE INDEX items_order ON items (order_id);
CREATE INDEX reviews_order ON reviews (order_id);
CREATE UNIQUE INDEX orders_order ON orders (order_id);
CREATE UNIQUE INDEX customers_customer ON customers (customer_id);
"""
_SHORT = {
    "order_purchase_timestamp": "purchased",
    "order_approved_at": "approved",
    "order_delivered_carrier_date": "handed",
    "order_delivered_customer_date": "delivered",
    "order_estimated_delivery_date": "promised",
}


class Oracle:
    """The files as tables of text in memory."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(":memory:")
        self._db.create_function("utc", 1, _utc, deterministic=True)
        for table, name in TABLES.items():
            self._load(table, next(folder.glob(name + "*")))
        self._db.executescript(_VIEWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def one(self, sql: str, *values: Any) -> Any:
        """The one value that a query gives."""
        [(value,)] = self._db.execute(sql, values).fetchall()
        return value

    def by_state(self, fact: str) -> dict[tuple[int, str], float]:
        """A fact per (first instant of the local month in epoch ms, state)."""
        rows = self._db.execute(f"{BY_STATE[fact]} GROUP BY month, state")
        return {(_month(month), state): value for month, state, value in rows}

    def delivery_days(self, percentile: int, *, state: str | None = None) -> float:
        """The nearest-rank percentile of purchase to delivery, in days."""
        rows = self._db.execute(
            "SELECT utc(delivered) - utc(purchased) FROM orders JOIN customers USING (customer_id) "
            "WHERE delivered IS NOT NULL AND coalesce(customer_state = ?, 1) ORDER BY 1",
            (state,),
        ).fetchall()
        rank = -(-percentile * len(rows) // 100)
        return float(rows[rank - 1][0]) / 86_400

    def overdue(self, as_of: str) -> int:
        """Orders not delivered by then whose promise lies before it, as of a local time."""
        sql = """SELECT count(*) FROM orders WHERE promised < ?1 AND purchased <= ?1
                 AND (delivered IS NULL OR delivered > ?1) AND NOT (closed AND ?2 <= ?1)"""
        return int(self.one(sql, as_of, TAKEN))

    def _load(self, table: str, path: Path) -> None:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        columns = [_SHORT.get(name, name) for name in header]
        self._db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        self._db.executemany(
            f"INSERT INTO {table} VALUES ({marks})", [[cell or None for cell in row] for row in rows]
        )


def _utc(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())


def _month(month: str) -> int:
    return int(datetime.fromisoformat(f"{month}-01").replace(tzinfo=ZONE).timestamp()) * 1000
