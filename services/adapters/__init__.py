"""The only I/O: the log, the database, catalogue files, CEL, the clock, metrics."""
