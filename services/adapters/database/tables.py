"""The tables as SQLAlchemy Core sees them; the migrations create them (a test compares the two).

Times are epoch ms. ``scope`` is canonical JSON (sorted keys, no spaces), so that it can be part of a key.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Index, LargeBinary, MetaData, Table, Text

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("attempt", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("catalogue", Text, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("report", JSON),
)

finals = Table(
    "finals",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
)

# The order of the key is that of the reads: one KPI's windows of a span of time lie side by side.
windows = Table(
    "windows",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("kpi", Text, primary_key=True),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", Text, primary_key=True),
    Column("kpi_version", Text, primary_key=True),
    Column("attempt", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("value", Float),
    Column("samples", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What is to be merged into windows: by what it amends, then by who said so and for which time.
amendments = Table(
    "amendments",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("kpi", Text, primary_key=True),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", Text, primary_key=True),
    Column("kpi_version", Text, primary_key=True),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

NO_DUE = 2**62
"""``cases.due`` of a case that has no unmet due time; it sorts last."""

cases = Table(
    "cases",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("case_id", Text, primary_key=True),
    Column("partition", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("step", Text),
    Column("due", BigInteger, nullable=False),
    Column("flags", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("told", BigInteger, nullable=False),
    Column("fact", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("cases_by_partition", cases.c.tenant, cases.c.run, cases.c.partition, cases.c.process)
Index("cases_by_due", cases.c.tenant, cases.c.run, cases.c.due, cases.c.process, cases.c.case_id)

case_counts = Table(
    "case_counts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("open", BigInteger, nullable=False),
    Column("overdue", BigInteger, nullable=False),
    Column("stuck", BigInteger, nullable=False),
    Column("waiting", JSON, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("event_id", Text),
    Column("field", Text),
    Column("value", Text),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("replayed", BigInteger),
)
Index("dead_letters_by_time", dead_letters.c.tenant, dead_letters.c.time, dead_letters.c.id)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)
