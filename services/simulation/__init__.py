"""A simulated order-to-cash company: the demo's events, and the benchmark's.

Deterministic: a seed and a start instant give the same events, whatever the wall clock says.
"""
