"""What the ledger takes and what it refuses, on both databases, from one client and from eight."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.core.db import Database
from app.core.ids import new_id
from app.ledger.errors import Fault, PostingRefusedError
from app.ledger.models import Account
from app.ledger.rules import Posting, Side, moved
from tests.conftest import rows_in
from tests.factories import statements
from tests.ledger.posted import (
    AT,
    CLEARING,
    PAYABLE,
    SHOP,
    balances,
    entries,
    kinds,
    post,
    posting,
    reverse,
)

CLIENTS = 8


async def test_a_posting_stands_on_both_its_accounts(database: Database) -> None:
    assert await post(database, posting())
    assert await balances(database) == {"psp_clearing": 100, "shop_payable": -100}


async def test_it_costs_one_statement_where_one_can_write_two_tables(
    database: Database, backend: str
) -> None:
    with statements(database) as sent:
        await post(database, posting())
    assert len(sent) == (1 if backend == "postgresql" else 2)


REFUSED = {
    Fault.UNBALANCED: posting(entries=(*entries(100), *entries(7)[:1])),
    Fault.FOREIGN_CURRENCY: posting(entries=(*entries(100), *entries(7, "USD"))),
    Fault.EMPTY_ENTRY: posting(entries=(*entries(100), *entries(0))),
    Fault.WRONG_PARTY: posting(
        entries=moved(9, "CNY", debit=CLEARING, credit=Side(Account.PARTNER_PAYABLE))
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
async def test_what_is_not_a_posting_is_refused(database: Database, fault: Fault) -> None:
    before = await rows_in(database)
    with pytest.raises(PostingRefusedError) as refused:
        await post(database, REFUSED[fault])
    assert refused.value.code == fault.value
    assert await rows_in(database) == before


@pytest.mark.parametrize(
    "other",
    [
        posting(entries=()),
        posting(entries=moved(9, "CNY", debit=Side(Account.REFUNDS, SHOP), credit=PAYABLE)),
    ],
)
async def test_nothing_at_all_and_a_party_too_many_are_refused(
    database: Database, other: Posting
) -> None:
    with pytest.raises(PostingRefusedError):
        await post(database, other)
    assert await kinds(database) == []


async def test_the_same_once_more_changes_nothing(database: Database) -> None:
    assert await post(database, posting())
    before = await rows_in(database)
    # Later, and its legs the other way round: still the same money.
    again = replace(posting(), at=AT.replace(year=2027), entries=entries()[::-1])
    assert not await post(database, again)
    assert await rows_in(database) == before


@pytest.mark.parametrize(
    "change",
    [
        {"entries": entries(101)},
        {"entries": entries() + entries()},
        {"shop_id": new_id()},
        {"subject_id": new_id()},
        {"currency": "USD", "entries": entries(100, "USD")},
    ],
)
async def test_another_of_the_same_reference_is_refused(
    database: Database, change: dict[str, Any]
) -> None:
    await post(database, posting())
    before = await rows_in(database)
    with pytest.raises(PostingRefusedError, match="posting_different"):
        await post(database, posting(**change))
    assert await rows_in(database) == before


async def test_a_reversal_takes_all_back_at_most_once(database: Database) -> None:
    await post(database, posting())
    assert await reverse(database, posting())
    assert not await reverse(database, posting())
    assert await balances(database) == {}
    assert await kinds(database) == ["test.paid", "test.paid.reversed"]
    # What was posted once stays posted, also after it was taken back.
    assert not await post(database, posting())
    assert await balances(database) == {}


async def test_neither_nothing_nor_a_reversal_is_reversed(database: Database) -> None:
    await post(database, posting())
    await reverse(database, posting())
    before = await rows_in(database)
    with pytest.raises(PostingRefusedError, match="posting_nothing_to_reverse"):
        await reverse(database, posting("P-2"))
    with pytest.raises(PostingRefusedError, match="posting_reverses_reversal"):
        await reverse(database, posting(kind="test.paid.reversed"))
    assert await rows_in(database) == before


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_entries"])
@pytest.mark.parametrize("change", ["UPDATE {} SET currency = 'USD'", "DELETE FROM {}"])
async def test_rows_are_never_changed(database: Database, table: str, change: str) -> None:
    await post(database, posting())
    before = await rows_in(database)
    with pytest.raises(IntegrityError, match="append-only"):
        await database.transact(lambda db: db.execute(sa.text(change.format(table))))
    assert await rows_in(database) == before
    assert await balances(database) == {"psp_clearing": 100, "shop_payable": -100}


RAW = sa.text(
    "INSERT INTO ledger_entries (id, transaction_id, shop_id, account, amount, currency)"
    " SELECT :id, id, shop_id, :account, :amount, :currency FROM ledger_transactions"
).bindparams(sa.bindparam("id", type_=sa.Uuid()))


def raw(account: str, amount: int, currency: str = "CNY") -> dict[str, Any]:
    return {"id": new_id(), "account": account, "amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([raw("psp_clearing", 5)], "posting_unbalanced"),
        ([raw("psp_clearing", 5), raw("refunds", -4)], "posting_unbalanced"),
        ([raw("psp_clearing", 5, "USD"), raw("refunds", -5, "USD")], "posting_foreign_currency"),
    ],
)
async def test_the_database_itself_refuses_at_the_commit(
    database: Database, backend: str, rows: list[dict[str, Any]], fault: str
) -> None:
    if backend == "sqlite":
        return  # it has nothing that runs at the commit; the posting function stands alone there
    await post(database, posting())
    before = await rows_in(database)

    async def insert() -> None:
        async with database.writer.connect() as connection:
            for row in rows:
                await connection.execute(RAW, row)
            reached.append("the commit")
            await connection.commit()

    reached: list[str] = []
    with pytest.raises(IntegrityError, match=fault):
        await insert()
    assert reached == ["the commit"]
    assert await rows_in(database) == before


@pytest.mark.parametrize("row", [raw("psp_clearing", 0), raw("partner_payable", 5)])
async def test_checks_stand_behind_the_posting_function(
    database: Database, row: dict[str, Any]
) -> None:
    await post(database, posting())
    with pytest.raises(IntegrityError):
        await database.transact(lambda db: db.execute(RAW, row))


async def test_the_same_from_eight_clients_is_posted_once(database: Database) -> None:
    new = await asyncio.gather(*(post(database, posting()) for _ in range(CLIENTS)))
    assert sorted(new) == [False] * (CLIENTS - 1) + [True]
    taken = await asyncio.gather(*(reverse(database, posting()) for _ in range(CLIENTS)))
    assert sorted(taken) == [False] * (CLIENTS - 1) + [True]
    assert await balances(database) == {}
    assert await kinds(database) == ["test.paid", "test.paid.reversed"]


async def test_of_eight_that_differ_one_is_posted(database: Database) -> None:
    wanted = [posting(entries=entries(100 + n)) for n in range(CLIENTS)]
    answers = await asyncio.gather(*(post(database, p) for p in wanted), return_exceptions=True)
    assert answers.count(True) == 1
    refused = [a for a in answers if isinstance(a, PostingRefusedError)]
    assert {a.code for a in refused} == {"posting_different"}
    assert len(refused) == CLIENTS - 1
    amount = (await balances(database))["psp_clearing"]
    assert amount == 100 + answers.index(True)


async def test_eight_clients_with_references_of_their_own_do_not_hinder_each_other(
    database: Database,
) -> None:
    async def client(number: int) -> list[bool]:
        return [await post(database, posting(f"P-{number}-{turn}")) for turn in range(5)]

    new = await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    assert all(all(turns) for turns in new)
    assert await balances(database) == {"psp_clearing": 4_000, "shop_payable": -4_000}
