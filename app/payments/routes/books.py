"""The ledger over HTTP, for a shop's operators."""

from uuid import UUID

from fastapi import APIRouter

from app.catalog.deps import needs, refusals
from app.core.db import ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Paged
from app.core.http.route import Reading
from app.identity.rules import Right
from app.ledger import service as ledger
from app.ledger.models import Account
from app.payments.schemas.books import BalancePage, BalanceShown, EntryPage, EntryShown

ledger_router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/ledger", tags=["ledger"], route_class=Reading
)

_READ = needs(Right.LEDGER_READ)


@ledger_router.get("/accounts", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_accounts(shop_id: UUID, db: ReadDb, paging: Paged) -> BalancePage:
    """Tell the balance of each account, party and currency; positive is debit."""
    found = await ledger.balances(db, shop_id, paging)
    return paging.page(found, lambda row: BalanceShown.model_validate(dict(row)))


@ledger_router.get("/entries", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_entries(
    shop_id: UUID,
    db: ReadDb,
    paging: Paged,
    account: Account | None = None,
    party_id: UUID | None = None,
) -> EntryPage:
    """List the entries of an account, of a party, or all, the newest first."""
    found = await ledger.entries(db, shop_id, account, party_id, paging)
    return paging.page(found, EntryShown.of)
