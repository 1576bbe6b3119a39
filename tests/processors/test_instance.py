"""Under which name a worker joins its group."""

from __future__ import annotations

from stream_processors.instance import Instance


def test_two_workers_of_a_host_have_two_names(topic_prefix: str) -> None:
    """The second takes the next number; a name given up is taken again by whoever comes next."""
    first, second = Instance(topic_prefix), Instance(topic_prefix)
    assert first.name != second.name
    name = first.name
    first.release()
    third = Instance(topic_prefix)
    assert third.name == name
    second.release()
    third.release()


def test_a_given_name_is_taken_as_it_is(topic_prefix: str) -> None:
    """Whoever names workers answers for their being different."""
    assert Instance(topic_prefix, "blue").name == f"{topic_prefix}-blue"
