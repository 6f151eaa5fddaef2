"""Our books against a provider's: what differs, and the safe part of it put right.

The provider is read between transactions, a page at a time, and what it says is taken over by the
same function that takes over its messages: a repair is a message heard late.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository import reconcile as repository
from app.audit.rules import (
    Difference,
    came_and_went,
    is_told_on,
    missing_payment,
    missing_refund,
    of_charge,
    of_dispute,
    of_refund,
)
from app.core.db import Database, is_outage, log_fault
from app.payments import service as payments
from app.payments.gateway import Bookkeeper, Charge, Dispute, GatewayRefund, Told
from app.payments.service import Verdict

PAGE_ROWS = 100
log = structlog.get_logger("audit")
_Page = Callable[
    [AsyncSession, str, datetime, UUID | None, int], Awaitable[Sequence[sa.RowMapping]]
]


async def reconcile(
    database: Database, gateway: Bookkeeper, since: datetime, *, repairs: bool
) -> list[Difference]:
    """Every difference of what was begun since then; with `repairs` the safe ones are mended.

    Raises `GatewayUnavailable` where the provider's books cannot be read to the end. Idempotent: a
    second run finds nothing left to mend.
    """
    found: list[Difference] = []
    nobodys: list[Told] = []
    seen: set[UUID | str] = set()
    async for page in _pages(gateway.statement(since)):
        ours = await _our_side(database, gateway.name, page)
        for told in page:
            row = ours.of(told)
            if row is not None and not isinstance(told, Dispute):
                seen.add(row["id"])
            # One that is adopted here has a row only afterwards.
            if isinstance(told, GatewayRefund):
                seen.add(told.reference)
            difference = _difference(gateway.name, told, row)
            if difference is not None:
                found.append(await _mended(database, told, difference) if repairs else difference)
                nobodys += [told] if row is None and not found[-1].is_mended else []
    gone = came_and_went(nobodys)
    found = [difference for difference in found if difference.reference not in gone]
    return found + await _not_there(database, gateway.name, since, seen)


async def _pages(statement: AsyncIterator[Told]) -> AsyncIterator[list[Told]]:
    page: list[Told] = []
    async for told in statement:
        page.append(told)
        if len(page) == PAGE_ROWS:
            yield page
            page = []
    yield page


@dataclass(frozen=True, slots=True)
class _Ours:
    """Our rows of one page, by every name that the provider may use."""

    payments: Mapping[UUID, sa.RowMapping]
    refunds: Mapping[UUID | str, sa.RowMapping]
    disputes: Mapping[str, sa.RowMapping]

    def of(self, told: Told) -> sa.RowMapping | None:
        """Our row of what is told; of a refund by our id before the provider's name."""
        if isinstance(told, Charge):
            return self.payments.get(told.payment_id)
        if isinstance(told, Dispute):
            return self.disputes.get(told.reference)
        by_id = self.refunds.get(told.refund_id) if told.refund_id else None
        return by_id or self.refunds.get(told.reference)


async def _our_side(database: Database, gateway: str, page: Sequence[Told]) -> _Ours:
    charges = [told.payment_id for told in page if isinstance(told, Charge)]
    sent = [told for told in page if isinstance(told, GatewayRefund)]
    named = [told.reference for told in page if isinstance(told, Dispute)]
    async with database.reading() as db:
        paid = await repository.payments_by_id(db, gateway, charges)
        back = await repository.refunds_by_name(
            db,
            gateway,
            [told.refund_id for told in sent if told.refund_id],
            [told.reference for told in sent],
        )
        nobodys = await repository.stray_refunds_by_name(
            db, gateway, [told.reference for told in sent]
        )
        complained = await repository.disputes_by_name(db, gateway, named)
    by_name: dict[UUID | str, sa.RowMapping] = {
        row["gateway_reference"]: row for row in back if row["gateway_reference"]
    }
    by_name.update({row["gateway_reference"]: row for row in nobodys})
    by_name.update({row["id"]: row for row in back})
    return _Ours(
        {row["id"]: row for row in paid}, by_name, {row["reference"]: row for row in complained}
    )


def _difference(gateway: str, told: Told, row: sa.RowMapping | None) -> Difference | None:
    if isinstance(told, Charge):
        return of_charge(gateway, told, row)
    if isinstance(told, Dispute):
        return of_dispute(gateway, told, row)
    return of_refund(gateway, told, row)


async def _mended(database: Database, told: Told, difference: Difference) -> Difference:
    if not is_told_on(difference):
        return difference
    now = database.clock.now()
    try:
        verdict = await database.transact(
            lambda db: payments.record_told(db, told, now=now, gateway=difference.gateway)
        )
    except Exception as error:
        if is_outage(error):
            raise
        # It stays a difference, and must not keep all others from being mended.
        log_fault(log, "difference", error, reference=difference.reference)
        return difference
    return replace(difference, is_mended=verdict is Verdict.APPLIED)


async def _not_there(
    database: Database, gateway: str, since: datetime, seen: set[UUID | str]
) -> list[Difference]:
    """What we count and the provider's books do not have at all."""
    paid = [
        missing_payment(gateway, row)
        async for row in _rows(database, repository.captured_since, gateway, since)
        if row["id"] not in seen
    ]
    back = [
        missing_refund(gateway, row)
        async for row in _rows(database, repository.refunded_since, gateway, since)
        if seen.isdisjoint((row["id"], row["gateway_reference"]))
    ]
    return paid + back


async def _rows(
    database: Database, page_of: _Page, gateway: str, since: datetime
) -> AsyncIterator[sa.RowMapping]:
    after: UUID | None = None
    while True:
        async with database.reading() as db:
            rows = await page_of(db, gateway, since, after, PAGE_ROWS)
        for row in rows:
            yield row
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1]["id"]
