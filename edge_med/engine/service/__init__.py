"""The engine behind a queue: requests come in, events go out."""
