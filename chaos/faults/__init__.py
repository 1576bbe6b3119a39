"""The rows: what is broken, and when."""

from __future__ import annotations

from chaos.faults import brokers, catalogues, databases, disorder, killing, topics, workers

ROWS = (
    *killing.ROWS,
    *brokers.ROWS,
    *workers.ROWS,
    *topics.ROWS,
    *disorder.ROWS,
    *databases.ROWS,
    *catalogues.ROWS,
)
