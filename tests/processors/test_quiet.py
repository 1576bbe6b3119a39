"""What the libraries log does not drown the rest."""

from __future__ import annotations

import logging

from stream_processors.quiet import Seldom


def record(text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, text, arguments, None)


def test_the_same_message_passes_once() -> None:
    """Its arguments do not make it another message; a different text passes."""
    seldom = Seldom(every=3_600)
    assert seldom.filter(record("Unable connect to node with id %s", 1))
    assert not seldom.filter(record("Unable connect to node with id %s", 2))
    assert seldom.filter(record("Failed fetch messages from %s", 1))
