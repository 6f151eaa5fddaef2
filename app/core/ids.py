"""Ids are UUIDv7: unguessable enough to be public, and sorted by the time they were made."""

from uuid import UUID

from uuid6 import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7 as a plain `uuid.UUID`, which every driver and serialiser knows."""
    return UUID(int=uuid7().int)
