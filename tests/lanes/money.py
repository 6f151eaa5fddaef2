"""Our books against the truth of a provider, and whether anything told a secret."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import TOKEN_SECRET
from tests.doubles.stripe.books import facts_in, totals_of
from tests.lanes.report import Report
from tests.lanes.till import SECRET_KEY, WEBHOOK_SECRET
from tests.lanes.world import World

OURS = """
    SELECT p.reference, p.attempt, p.state, p.amount, p.refunded_amount, p.refund_owed_amount,
        o.status, o.refund, o.total_amount, o.id AS order_id
    FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.gateway = 'stripe'
"""
CLEARING = """
    SELECT COALESCE(SUM(amount), 0) AS amount FROM ledger_entries WHERE account = 'psp_clearing'
"""
# A number that looks like a card's, and that no refusal may quote.
CARD = "4242424242424242"
DATABASE_PASSWORD = "CANARYofthedatabase"
SECRETS = {
    "provider's key": SECRET_KEY,
    "webhook secret": WEBHOOK_SECRET,
    "token secret": TOKEN_SECRET,
    "card": CARD,
    "password of the database": DATABASE_PASSWORD,
}


async def books_are_theirs(made: World, report: Report, truth: Path) -> None:
    """Every yuan that the provider took or gave back is in our books, once, and no other."""
    facts = facts_in(truth)
    theirs = by_intent(facts)
    rows = [row for row in await made.rows(OURS) if row["state"] == "captured"]
    ours = {row["reference"]: (row["amount"], row["refunded_amount"]) for row in rows}
    report.same("captures and refunds, by payment", other(ours, theirs), {})
    report.same("captured payments with the same name", len(rows), len(ours))
    times = Counter(row["order_id"] for row in rows)
    report.same("orders with two captures", [o for o, n in times.items() if n > 1], [])
    loose = [
        row["order_id"]
        for row in rows
        if row["status"] in {"expired", "cancelled", "closed"} and row["refund"] != "full"
    ]
    report.same("money of orders that came to nothing", loose, [])
    told = {told.scope for told in made.history.successes("pay")}
    unheard = [row["order_id"] for row in rows if row["attempt"] not in told]
    report.same("captures of which nobody was told", unheard, [])
    short = [row["order_id"] for row in rows if row["amount"] != row["total_amount"]]
    report.same("orders paid with another amount", short, [])
    net = totals_of(facts)["net"]
    report.same("the ledger's clearing account", await made.number(CLEARING), net)
    taken, back = sum(a for a, _ in theirs.values()), sum(b for _, b in theirs.values())
    figures = f"{len(theirs)} captures of {taken} fen, {back} fen given back, {net} fen left"
    report.line("provider's truth", figures)
    report.expect(back, "nothing was ever given back: nothing was proven")


def by_intent(facts: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """What the provider took and gave back, by payment."""
    found: dict[str, tuple[int, int]] = {}
    for fact in facts:
        taken, back = found.get(fact["payment_intent"], (0, 0))
        match fact["fact"]:
            case "charge_captured":
                taken += fact["amount"]
            case "refund_made":
                back += fact["amount"]
            case "refund_failed":
                back -= fact["amount"]
        found[fact["payment_intent"]] = (taken, back)
    return found


def other(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What the two say differently, ours first."""
    names = ours.keys() | theirs.keys()
    return {n: (ours.get(n), theirs.get(n)) for n in names if ours.get(n) != theirs.get(n)}


async def reconciled(made: World, *options: str) -> list[dict[str, Any]]:
    """Every difference that the operator's command finds."""
    words = ["payments", "reconcile", "--since", "2d", "--gateway", "stripe", "--json"]
    child = made.command("reconcile", [*words, *options])
    await child.start()
    # It ends with 1 while a difference is left that nothing mends.
    await child.done(codes=(0, 1))
    told = json.loads(child.log().strip().splitlines()[-1])
    found: list[dict[str, Any]] = told["differences"]
    return found


async def leaks(made: World) -> list[str]:
    """Every planted secret that stands in a log, an answer, an export or a metric, and where."""
    refusals = [refusal async for refusal in _provoke(made)]
    found = []
    for place, text in [*refusals, *_logs(made), *_answers(made), *await _reports(made)]:
        found += [f"{name} in {place}" for name, secret in SECRETS.items() if secret in text]
    return found


async def _provoke(made: World) -> AsyncIterator[tuple[str, str]]:
    """Send what must not be repeated, where refusals like to quote what they refuse."""
    buyer = made.known[0]
    for path, body in (
        ("/v1/quotes", {"shop_id": CARD, "lines": [{"variant_id": CARD, "quantity": CARD}]}),
        (f"/v1/orders/{CARD}/payments", {"gateway": "stripe", "card": CARD, "token": [CARD]}),
        ("/v1/hooks/stripe", {"card": CARD}),
    ):
        await buyer.post("provoke", path, body)
    provoked = [told for told in made.history.told if told.verb == "provoke"]
    assert all(400 <= told.answer.status < 500 for told in provoked), "it should be refused"
    made.history.told = [told for told in made.history.told if told.verb != "provoke"]
    for told in provoked:
        yield f"a refusal of {told.path}", told.answer.raw.decode()


def _logs(made: World) -> Iterator[tuple[str, str]]:
    for each in {p.log_path: p for p in (*made.ended, *made.processes)}.values():
        yield f"the log of {each.name}", each.log()


def _answers(made: World) -> Iterator[tuple[str, str]]:
    for told in made.history.told:
        yield f"an answer to {told.path}", told.answer.raw.decode(errors="replace")


async def _reports(made: World) -> list[tuple[str, str]]:
    found = []
    headers = await made.auditor()
    shop_id = made.fair.shop_id
    for path in (
        f"/v1/audit/export?shop_id={shop_id}",
        "/v1/audit/invariants",
        "/v1/audit/pending",
        "/metrics",
    ):
        answer = await made.net.send("GET", path, verb="report", headers=headers)
        assert answer.status == 200, f"{path}: {answer.status}"
        found.append((path, answer.raw.decode()))
    return found
