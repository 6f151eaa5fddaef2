"""API keys: for programs of one shop, with named rights, shown once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.core.security import fingerprint, new_secret
from app.identity.models import ApiKey
from app.identity.repository import keys as repository

KEY_PREFIX = "qpk"
PREFIX_SHOWN_CHARS = 10


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is for, what it may do, and until when."""

    name: str
    scopes: Sequence[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key's row and its text, which exists nowhere else."""

    row: ApiKey
    text: str


async def create_key(
    db: AsyncSession, shop_id: UUID, wish: NewKey, *, by: UUID, now: datetime
) -> MadeKey:
    """Make a key to a shop."""
    text = new_secret(KEY_PREFIX)
    row = ApiKey(
        id=new_id(),
        shop_id=shop_id,
        name=wish.name,
        prefix=text[:PREFIX_SHOWN_CHARS],
        key_hash=fingerprint(text),
        scopes=sorted(set(wish.scopes)),
        created_by=by,
        created_at=now,
        expires_at=wish.expires_at,
    )
    await repository.add_key(db, row)
    change = (None, {"scopes": row.scopes, "expires_at": row.expires_at})
    subject = ("api_key", row.id)
    await note(db, "identity.api_key_created", subject, at=now, shop_id=shop_id, change=change)
    return MadeKey(row, text)


async def keys_of(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[RowMapping]:
    """A shop's keys, newest first; revoked ones stay visible."""
    after = paging.after(UUID)
    rows = await repository.keys(db, shop_id, after[0] if after else None, paging.limit + 1)
    return paging.cut(rows, lambda row: (row["api_key_id"],))


async def maker_of_key(db: AsyncSession, key_id: UUID) -> UUID | None:
    """The operator who answers for what a key does: the one who made it."""
    return await repository.maker_of_key(db, key_id)


async def revoke_key(db: AsyncSession, shop_id: UUID, key_id: UUID, *, now: datetime) -> None:
    """End a key at once; `NotFound` when it is no live key of this shop."""
    if not await repository.revoke_key(db, shop_id, key_id, now=now):
        raise NotFound
    await note(db, "identity.api_key_revoked", ("api_key", key_id), at=now, shop_id=shop_id)
