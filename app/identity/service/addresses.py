"""A member's address book: bounded, with one default while there is any address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.ids import new_id
from app.identity.errors import TooManyAddresses
from app.identity.repository import members as repository

ADDRESSES_MAX = 20


@dataclass(frozen=True, slots=True)
class Address:
    """Where a parcel goes, as an order keeps it."""

    recipient: str
    phone: str
    province: str
    city: str
    district: str
    street: str
    detail: str
    postal_code: str | None


async def address_of(db: AsyncSession, member_id: UUID, address_id: UUID) -> Address:
    """One address of this member; `NotFound` for anybody else's."""
    row = await _own(db, member_id, address_id)
    return Address(**{name: row[name] for name in Address.__slots__})


async def addresses_of(db: AsyncSession, member_id: UUID) -> Sequence[RowMapping]:
    """The whole book, the default first."""
    return await repository.addresses(db, member_id)


async def add_address(
    db: AsyncSession, member_id: UUID, wish: Mapping[str, Any], *, now: datetime
) -> RowMapping:
    """Keep an address; the first one is the default whether asked for or not."""
    await repository.hold(db, member_id)
    held = await repository.addresses(db, member_id)
    if len(held) >= ADDRESSES_MAX:
        raise TooManyAddresses(addresses_max=ADDRESSES_MAX)
    is_default = wish["is_default"] or not held
    if is_default:
        await repository.no_default(db, member_id)
    address_id = new_id()
    own = {"id": address_id, "member_id": member_id, "created_at": now, "is_default": is_default}
    await repository.add_address(db, {**wish, **own})
    return await _own(db, member_id, address_id)


async def change_address(
    db: AsyncSession, member_id: UUID, address_id: UUID, changes: Mapping[str, Any]
) -> RowMapping:
    """Change what is given; becoming the default takes that place from another."""
    await repository.hold(db, member_id)
    await _own(db, member_id, address_id)
    if changes.get("is_default"):
        await repository.no_default(db, member_id)
    if changes:
        await repository.set_address(db, address_id, changes)
    return await _own(db, member_id, address_id)


async def remove_address(db: AsyncSession, member_id: UUID, address_id: UUID) -> None:
    """Delete an address; the newest of the rest takes the place of a deleted default."""
    await repository.hold(db, member_id)
    removed = await _own(db, member_id, address_id)
    await repository.drop_address(db, address_id)
    rest = await repository.addresses(db, member_id)
    if removed["is_default"] and rest:
        await repository.set_address(db, rest[0]["address_id"], {"is_default": True})


async def _own(db: AsyncSession, member_id: UUID, address_id: UUID) -> RowMapping:
    row = await repository.address(db, member_id, address_id)
    if row is None:
        raise NotFound
    return row
