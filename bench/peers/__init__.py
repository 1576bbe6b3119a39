"""Side by side with others: the same events and question, real Kafka, each engine alone (``make bench-peers``)."""
