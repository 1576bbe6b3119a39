"""A simulated distributor, from the order to the refund: the demo's events, and the benchmarks'.

Deterministic: a seed and a start instant give the same events, whatever the wall clock says.
"""
