"""Making operators from the command line: the first one has nobody to invite it."""

from dataclasses import dataclass, field
from uuid import UUID

from app.core.db import Database
from app.identity.adapters.passwords import Passwords
from app.identity.rules import PlatformRole
from app.identity.service import create_operator


@dataclass(frozen=True, slots=True)
class NewOperator:
    """Who it is, what it signs in with, and its role on the platform, if any."""

    email: str
    password: str = field(repr=False)
    platform_role: PlatformRole | None


async def make_operator(database: Database, wish: NewOperator) -> UUID:
    """Create the operator; `AlreadyExists` where the e-mail is taken."""
    password_hash = await Passwords().hash(wish.password)
    async with database.reading() as db:
        await database.clock.sync(db)
    now = database.clock.now()
    return await database.transact(
        lambda db: create_operator(
            db,
            email=wish.email,
            password_hash=password_hash,
            platform_role=wish.platform_role,
            now=now,
        )
    )
