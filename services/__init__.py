"""What Sightline knows and does; no HTTP, no Faust.

From the inside out: ``domain`` (pure), ``ports`` (what we need from the world), the use cases beside this
file (verbs), ``adapters`` (the only I/O) and ``wiring`` (which adapter serves which port).
"""
