"""What a member sees and changes of its own."""

from uuid import UUID

from fastapi import APIRouter

from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, NotFound, Unauthenticated
from app.core.http.problem import problems
from app.core.http.route import Transactional
from app.identity.deps import SignedIn
from app.identity.errors import TooManyAddresses
from app.identity.schemas import members as schemas
from app.identity.service import addresses, members

router = APIRouter(
    prefix="/v1/me",
    tags=["me"],
    route_class=Transactional,
    responses=problems(Unauthenticated, Forbidden),
)


@router.get("")
async def show(member: SignedIn, db: ReadDb) -> schemas.MeShown:
    """Show one's own account."""
    return schemas.MeShown(**await members.me(db, member.id))


@router.patch("")
async def change(wish: schemas.MeChange, member: SignedIn, db: Db) -> schemas.MeShown:
    """Change name, picture, language, phone, or whether fellow members may read the name."""
    return schemas.MeShown(**await members.change_me(db, member.id, wish.changes()))


@router.get("/addresses")
async def list_addresses(member: SignedIn, db: ReadDb) -> schemas.AddressesShown:
    """Show the address book, at most 20 addresses, the default first."""
    rows = await addresses.addresses_of(db, member.id)
    return schemas.AddressesShown(items=[schemas.AddressShown(**row) for row in rows])


@router.post("/addresses", status_code=201, responses=problems(TooManyAddresses))
async def add_address(
    wish: schemas.AddressWish, member: SignedIn, db: Db, now: Now
) -> schemas.AddressShown:
    """Add an address; as the default it takes that place from another."""
    row = await addresses.add_address(db, member.id, wish.model_dump(), now=now)
    return schemas.AddressShown(**row)


@router.patch("/addresses/{address_id}", responses=problems(NotFound))
async def change_address(
    address_id: UUID, wish: schemas.AddressChange, member: SignedIn, db: Db
) -> schemas.AddressShown:
    """Change an address; orders placed before keep what they were placed with."""
    row = await addresses.change_address(db, member.id, address_id, wish.changes())
    return schemas.AddressShown(**row)


@router.delete("/addresses/{address_id}", status_code=204, responses=problems(NotFound))
async def remove_address(address_id: UUID, member: SignedIn, db: Db) -> None:
    """Delete an address; if it was the default, the newest of the rest becomes it."""
    await addresses.remove_address(db, member.id, address_id)
