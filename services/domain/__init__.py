"""The pure core: standard library, numpy and xxhash only; no clock, no I/O, no randomness."""
