"""The SQL database: history of closed windows, cases that one asks for, dead letters, runs and API keys.

SQLite (WAL) by default, PostgreSQL in production; both through SQLAlchemy's asyncio, one set of statements.
"""

from services.adapters.database.database import Database

__all__ = ["Database"]
