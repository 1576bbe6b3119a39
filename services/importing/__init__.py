"""Imports: other people's files become events of a run of their own.

``documents`` (the mapping's format), ``load`` (YAML → a checked mapping), ``tables`` (CSV and NDJSON, look-ups),
``times`` (what a time in a file means), ``mapping`` (rows → events), ``sorting`` (by time, on disk where large),
``run`` (events → the log, as a run).
"""
