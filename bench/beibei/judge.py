"""What must hold afterwards: every group exactly as it was recorded, and the money with it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.beibei.ground import Ground, order_amount, solo_amount
from bench.beibei.recorded import Recorded
from tests.lanes.checks import ident
from tests.lanes.report import Report
from tests.lanes.world import SHIPPING_AMOUNT, World

SHOWN_MAX = 5

_GROUPS = 'SELECT id, status, campaign_id, leader_member_id, capacity, taken, paid FROM "groups"'
# What the provider did for an order stands in its own books, not in ours.
_ORDERS = """
    SELECT o.group_id, o.member_id, o.campaign_id, o.status, o.fulfilment, o.refund,
        CASE WHEN o.confirmed_at IS NULL THEN 0 ELSE 1 END AS confirmed,
        o.total_amount, o.refunded_amount, s.status AS seat, b.charges, b.charged,
        b.refunds, b.refunded
    FROM orders o LEFT JOIN seats s ON s.order_id = o.id LEFT JOIN (
        SELECT p.order_id,
            SUM(CASE WHEN e.kind = 'charge' THEN 1 ELSE 0 END) AS charges,
            SUM(CASE WHEN e.kind = 'charge' THEN e.amount ELSE 0 END) AS charged,
            SUM(CASE WHEN e.kind = 'refund' THEN 1 ELSE 0 END) AS refunds,
            SUM(CASE WHEN e.kind = 'refund' THEN e.amount ELSE 0 END) AS refunded
        FROM payments p JOIN sandbox_entries e ON e.payment_id = p.id GROUP BY p.order_id
    ) b ON b.order_id = o.id
"""
_TRUTH = "SELECT kind, COUNT(*) AS times, SUM(amount) AS amount FROM sandbox_entries GROUP BY kind"
_KEPT = """
    SELECT SUM(total_amount - refunded_amount) AS kept FROM orders
    WHERE confirmed_at IS NOT NULL AND status = 'paid'
"""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the records say must have happened."""

    ground: Ground
    groups: Sequence[Recorded]
    # Which group became which, and the product numbers that were bought alone.
    group_ids: Mapping[int, str]
    solo: Sequence[int]

    @property
    def successes(self) -> list[Recorded]:
        """Groups whose members keep what they bought."""
        return [group for group in self.groups if group.succeeded]


@dataclass(frozen=True, slots=True)
class Books:
    """What is there: our groups and orders, and the provider's own entries."""

    groups: Sequence[Mapping[str, Any]]
    orders: Sequence[Mapping[str, Any]]
    entries: Sequence[Mapping[str, Any]]
    kept_amount: int


async def books_of(world: World) -> Books:
    """Read everything, by plain SQL."""
    return Books(
        groups=await world.rows(_GROUPS),
        orders=await world.rows(_ORDERS),
        entries=await world.rows(_TRUTH),
        kept_amount=await world.number(_KEPT),
    )


def judge(truth: Truth, books: Books, report: Report) -> None:
    """Compare every group, every seat and every fen with the records."""
    groups = {ident(row["id"]): row for row in books.groups}
    _count(truth, groups, report)
    _all("groups that did not end as recorded", _other_groups(truth, groups), report)
    _all("orders that did not end as recorded", _other_orders(truth, books.orders), report)
    _money(truth, books, report)


def _all(what: str, found: Iterator[str], report: Report) -> None:
    bad = list(found)
    report.expect(not bad, f"{len(bad)} {what}: {bad[:SHOWN_MAX]}")


def _count(truth: Truth, groups: Mapping[str, Mapping[str, Any]], report: Report) -> None:
    wanted = Counter("succeeded" if group.succeeded else "failed" for group in truth.groups)
    found = Counter(str(row["status"]) for row in groups.values())
    report.same("groups by end", dict(sorted(found.items())), dict(sorted(wanted.items())))
    told = ", ".join(f"{found[k]} {k} of {wanted[k]} recorded" for k in sorted(wanted))
    report.line("ended as recorded", told)


def _other_groups(truth: Truth, groups: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Groups whose end, size, campaign or leader is another than the recorded one."""
    for group in truth.groups:
        row = groups.get(ident(truth.group_ids.get(group.group_id, "0" * 32)))
        if row is None:
            yield f"{group.group_id} is not there"
            continue
        seats = group.size if group.succeeded else 0
        wanted = (
            "succeeded" if group.succeeded else "failed",
            ident(truth.ground.campaigns[group.offer]),
            ident(truth.ground.members[group.initiator_id]),
            group.size,
            seats,
            seats,
        )
        found = (
            row["status"],
            ident(row["campaign_id"]),
            ident(row["leader_member_id"]),
            row["capacity"],
            row["taken"],
            row["paid"],
        )
        if found != wanted:
            yield f"{group.group_id}: {found}, not {wanted}"


def _other_orders(truth: Truth, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Members whose order is missing, one too many, or settled otherwise than recorded."""
    seen: Counter[tuple[str, str]] = Counter()
    wanted = dict(_wanted_orders(truth))
    for row in rows:
        if row["group_id"] is None:
            if _told(row) != _alone(row["total_amount"]):
                yield f"solo: {_told(row)}"
            continue
        key = (ident(row["group_id"]), ident(row["member_id"]))
        seen[key] += 1
        if _told(row) != wanted.get(key):
            yield f"{key}: {_told(row)}, not {wanted.get(key)}"
    for key in wanted:
        if seen[key] != 1:
            yield f"{key}: {seen[key]} orders"


def _told(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("status", "fulfilment", "refund", "confirmed", "seat")
    amounts = ("total_amount", "refunded_amount", "charges", "charged", "refunds", "refunded")
    return (*(row[name] for name in names), *(int(row[name] or 0) for name in amounts))


def _wanted_orders(truth: Truth) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
    """Shippable and kept, or closed with the whole amount back once."""
    for group in truth.groups:
        amount = order_amount(group.product_id)
        kept = ("paid", "fulfilling", "none", 1, "confirmed", amount, 0, 1, amount, 0, 0)
        back = ("closed", "none", "full", 0, "refunded", amount, amount, 1, amount, 1, amount)
        group_id = ident(truth.group_ids.get(group.group_id, "0" * 32))
        for member_id in group.member_ids:
            member = ident(truth.ground.members[member_id])
            yield (group_id, member), kept if group.succeeded else back


def _alone(amount: int) -> tuple[Any, ...]:
    return ("paid", "fulfilling", "none", 1, None, amount, 0, 1, amount, 0, 0)


def _money(truth: Truth, books: Books, report: Report) -> None:
    """The provider's books against the records, and against what confirmed orders keep."""
    found = {row["kind"]: (row["times"], int(row["amount"])) for row in books.entries}
    back = [order_amount(g.product_id) for g in truth.groups if not g.succeeded]
    kept = [order_amount(g.product_id) for g in truth.successes for _ in g.member_ids]
    kept += [solo_amount(number) + SHIPPING_AMOUNT for number in truth.solo]
    wanted = {"charge": (len(kept) + len(back), sum(kept) + sum(back))}
    wanted |= {"refund": (len(back), sum(back))} if back else {}
    report.same("the provider's books, times and amount", found, wanted)
    captures, refunds = found.get("charge", (0, 0)), found.get("refund", (0, 0))
    report.same("what confirmed orders keep", books.kept_amount, captures[1] - refunds[1])
    report.line(
        "provider's truth",
        f"{captures[0]} captures - {refunds[0]} refunds = {captures[1] - refunds[1]} fen, "
        f"{books.kept_amount} kept by confirmed orders",
    )
