"""Ids are UUIDv7: unguessable enough to be public, and sorted by the time they were made."""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from uuid6 import uuid7

from app.core.clock import machine_ms

_TIME_BITS = 48
_VERSION, _VARIANT = 7 << 76, 2 << 62
_DRAWN = ~((0xF << 76) | (3 << 62))


def new_id() -> UUID:
    """A fresh UUIDv7 as a plain `uuid.UUID`, which every driver and serialiser knows."""
    return UUID(int=uuid7().int)


def derived_id(origin: UUID, name: str) -> UUID:
    """The same id whenever it is asked for, of the time of `origin`; UUIDv7 by its form.

    What is decided anew after its row was lost gets the id that others know it by.
    """
    drawn = int.from_bytes(sha256(origin.bytes + name.encode()).digest()[:16])
    rest = drawn & ((1 << 128 - _TIME_BITS) - 1) & _DRAWN
    return UUID(
        int=(origin.int >> 128 - _TIME_BITS << 128 - _TIME_BITS) | rest | _VERSION | _VARIANT
    )


def is_derived(made: UUID, origin: UUID) -> bool:
    """Whether an id was derived from this one: no other is made in the same millisecond."""
    return made != origin and made.int >> 128 - _TIME_BITS == origin.int >> 128 - _TIME_BITS


def made_before(age: timedelta) -> UUID:
    """Ids that this machine has made so long ago are smaller."""
    return UUID(int=machine_ms() - int(age.total_seconds() * 1_000) << 128 - _TIME_BITS)
