"""Balances and statements, as a shop's operators read them."""

from typing import Any

import pytest

from app.core.ids import new_id
from app.identity.rules import ShopRole
from app.ledger.models import Account
from app.ledger.rules import Side, moved
from tests.factories import Caller
from tests.ledger.posted import CLEARING, PAYABLE, post, posting
from tests.orders.market import Market, problem

BRANDS = sorted(new_id() for _ in range(2))


@pytest.fixture
async def owner(market: Market) -> Caller:
    """Of a shop to which nine transactions were posted, and one to another shop."""
    for number in range(1, 10):
        entries = moved(number, "CNY", debit=CLEARING, credit=PAYABLE)
        if number <= 4:
            share = Side(Account.PARTNER_PAYABLE, BRANDS[number % 2])
            entries += moved(number, "CNY", debit=PAYABLE, credit=share)
        mine = posting(f"P-{number}", shop_id=market.shop_id, entries=entries)
        await post(market.database, mine)
    await post(market.database, posting("P-0"))
    return await market.as_owner(market.shop_id)


def path(market: Market, what: str) -> str:
    return f"/v1/operator/shops/{market.shop_id}/ledger/{what}"


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_balances_by_account_party_and_currency(
    market: Market, owner: Caller, limit: int
) -> None:
    rows = await pages(market, owner, limit, "accounts")
    assert len(rows) == 4
    found = {(row["account"], row["party_id"]): row["amount"] for row in rows}
    assert found == {
        ("psp_clearing", None): 45,
        ("shop_payable", None): -35,
        ("partner_payable", str(BRANDS[0])): -6,
        ("partner_payable", str(BRANDS[1])): -4,
    }
    assert {row["currency"] for row in rows} == {"CNY"}


async def pages(
    market: Market, owner: Caller, limit: int, what: str = "entries", **which: Any
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await owner.get(path(market, what), limit=limit, **which, **cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize(
    ("which", "amounts"),
    [
        ({"account": "psp_clearing"}, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"account": "partner_payable"}, [-4, -3, -2, -1]),
        ({"account": "partner_payable", "party_id": str(BRANDS[1])}, [-3, -1]),
        ({"party_id": str(BRANDS[0])}, [-4, -2]),
        ({"account": "refunds"}, []),
    ],
)
async def test_a_statement_is_paged_newest_first(
    market: Market, owner: Caller, limit: int, which: dict[str, str], amounts: list[int]
) -> None:
    rows = await pages(market, owner, limit, **which)
    assert [row["amount"] for row in rows] == amounts


async def test_a_statement_of_all_says_what_each_entry_is_for(
    market: Market, owner: Caller
) -> None:
    rows = await pages(market, owner, 7)
    assert len(rows) == 26
    assert sum(row["amount"] for row in rows) == 0
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    newest = rows[0]
    told = (newest["kind"], newest["reference"], newest["is_reversal"], newest["account"])
    assert told == ("test.paid", "P-9", False, "shop_payable")
    assert newest["at"].startswith("2026-06-18T00:00:00")


async def test_bad_questions(market: Market, owner: Caller) -> None:
    asked = owner.get(path(market, "entries"), account="pockets")
    await market.refused(asked, 422, "validation_failed")
    for what in ("accounts", "entries"):
        asked = owner.get(path(market, what), cursor="AAAA")
        await market.refused(asked, 422, "invalid_cursor")
    page = (await owner.get(path(market, "entries"), limit=1)).json()
    foreign = owner.get(path(market, "entries"), account="refunds", cursor=page["next_cursor"])
    await market.refused(foreign, 422, "invalid_cursor")


@pytest.mark.parametrize("what", ["accounts", "entries"])
async def test_who_may_look_into_the_books(market: Market, owner: Caller, what: str) -> None:
    roles = {ShopRole.AUDITOR: 200, ShopRole.STAFF: 403}
    for role, status in roles.items():
        operator = await market.as_operator(await market.operator(market.shop_id, role=role))
        answer = await operator.get(path(market, what))
        assert answer.status_code == status, role
        if status == 403:
            problem(answer, 403, "forbidden")
    other = await market.shop("other")
    stranger = await market.as_owner(other.id)
    await market.refused(stranger.get(path(market, what)), 404, "not_found")
