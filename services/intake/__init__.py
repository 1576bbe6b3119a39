"""Intake: everything that becomes an event passes here, whether posted, read from a source topic, or imported.

From the outside in: ``cloudevents`` (HTTP bodies → JSON texts), ``events`` (validation against the catalogue),
``framing`` (frames, acknowledged by the log), ``source_topics`` and ``replay`` (other ways in).
"""
