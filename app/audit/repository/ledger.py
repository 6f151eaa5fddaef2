"""Invariants of the ledger: it balances, and says what our rows and the provider's books say."""

from typing import Any

import sqlalchemy as sa

from app.audit.repository.breach import Invariant, Moment, Of, Query, total
from app.audit.repository.tables import (
    disputes,
    entries,
    ledger_entries,
    ledger_transactions,
    lines,
    orders,
    outbox,
    payments,
    refunds,
    stray_refunds,
    strays,
)
from app.core.money import BASIS_POINTS

_posted = ledger_entries.join(
    ledger_transactions, ledger_transactions.c.id == ledger_entries.c.transaction_id
)
_kind, _amount = ledger_transactions.c.kind, ledger_entries.c.amount
_SENT = ("refund.sent", "refund.sent.reversed")


def ledger_balances(_: Moment) -> Query:
    """I4: every ledger transaction has entries, and they sum to zero."""
    joined = ledger_transactions.outerjoin(
        ledger_entries, ledger_entries.c.transaction_id == ledger_transactions.c.id
    )
    of_transaction = (ledger_transactions.c.id, ledger_transactions.c.shop_id)
    amount = sa.func.sum(_amount)
    return _grouped(joined, of_transaction).having(sa.or_(amount.is_(None), amount != 0))


def _grouped(source: Any, which: tuple[Any, Any]) -> Query:
    subject_id, shop_id = which
    return (
        sa.select(
            sa.cast(shop_id, sa.String).label("shop_id"),
            sa.cast(subject_id, sa.String).label("subject_id"),
            sa.cast(sa.func.sum(_amount), sa.String).label("found"),
            sa.literal("0").label("expected"),
        )
        .select_from(source)
        .group_by(*which)
    )


def ledger_in_one_currency(_: Moment) -> Query:
    """I4: every ledger entry is in the currency, and of the shop, of its transaction."""
    wrong = sa.or_(
        ledger_entries.c.currency != ledger_transactions.c.currency,
        ledger_entries.c.shop_id != ledger_transactions.c.shop_id,
    )
    return Of(_posted, ledger_entries.c.shop_id, ledger_entries.c.id).breach(
        wrong, found=ledger_entries.c.currency, expected=ledger_transactions.c.currency
    )


def _part(source: Any, of: sa.Table, where: Any, *, found: Any, expected: Any) -> sa.Select[Any]:
    """Amounts of rows, that stand in the ledger or should, for a sum by shop and currency."""
    return (
        sa.select(
            of.c.shop_id,
            of.c.currency,
            sa.cast(found, sa.BigInteger).label("found"),
            sa.cast(expected, sa.BigInteger).label("expected"),
        )
        .select_from(source)
        .where(where)
    )


def _sums(*parts: sa.Select[Any]) -> Query:
    """The shops in whose currency what was found is not what is expected."""
    both = sa.union_all(*parts).subquery()
    found, expected = sa.func.sum(both.c.found), sa.func.sum(both.c.expected)
    shop_id = sa.cast(both.c.shop_id, sa.String)
    return (
        sa.select(
            shop_id.label("shop_id"),
            shop_id.label("subject_id"),
            sa.cast(found, sa.String).label("found"),
            sa.cast(expected, sa.String).label("expected"),
        )
        .group_by(both.c.shop_id, both.c.currency)
        .having(found != expected)
    )


def _account(name: str, *, found: Any = 0, expected: Any = 0) -> sa.Select[Any]:
    return _part(
        ledger_entries,
        ledger_entries,
        ledger_entries.c.account == name,
        found=found,
        expected=expected,
    )


_succeeded = refunds.c.state == "succeeded"
_captured = payments.c.state == "captured"
# Money beside another payment of the order is held, too, until it is back.
_held = payments.c.state.in_(("captured", "surplus"))


def clearing_follows_rows(_: Moment) -> Query:
    """I5: what the provider holds is captures less refunds, fees and disputes not won.

    Captures that were not asked for like this are held, too, and counted here.
    """
    fees = disputes.c.fee_amount - disputes.c.fee_returned_amount
    withheld = sa.case((disputes.c.state == "won", 0), else_=disputes.c.amount) + fees
    kept = payments.c.amount - payments.c.fee_amount
    return _sums(
        _account("psp_clearing", found=_amount),
        _part(payments, payments, _held, found=0, expected=kept),
        _part(refunds, refunds, _succeeded, found=0, expected=-refunds.c.amount),
        _part(disputes, disputes, sa.true(), found=0, expected=-withheld),
        _part(strays, strays, ~strays.c.is_void, found=0, expected=strays.c.amount),
        _part(strays, strays, ~strays.c.is_void, found=0, expected=-strays.c.fee_amount),
        _strays_returned(),
    )


def _strays_returned() -> sa.Select[Any]:
    """What went back of stray captures, by shop and currency, to be taken from what is expected."""
    joined = stray_refunds.join(strays, strays.c.id == stray_refunds.c.stray_id)
    is_back = sa.and_(stray_refunds.c.state == "succeeded", ~strays.c.is_void)
    return _part(joined, strays, is_back, found=0, expected=-stray_refunds.c.amount)


def suspense_follows_rows(_: Moment) -> Query:
    """I5: what is nobody's is stray captures not gone back; a second capture is owed at once."""
    return _sums(
        _account("suspense", found=-_amount),
        _part(strays, strays, ~strays.c.is_void, found=0, expected=strays.c.amount),
        _strays_returned(),
    )


def clearing_follows_books(_: Moment) -> Query:
    """I5: of the sandbox's payments the ledger holds what its books say, of what we heard."""
    of_refund = refunds.join(payments, payments.c.id == refunds.c.payment_id)
    subject_id = ledger_transactions.c.subject_id
    sandbox = payments.c.gateway == "sandbox"
    clearing = sa.and_(sandbox, ledger_entries.c.account == "psp_clearing")
    booked = payments.join(entries, entries.c.subject_id == payments.c.id)
    paid_back = of_refund.join(entries, entries.c.subject_id == refunds.c.id)
    taken, given = entries.c.kind == "charge", entries.c.kind == "refund"
    return _sums(
        _part(
            _posted.join(payments, payments.c.id == subject_id),
            ledger_entries,
            sa.and_(clearing, _kind == "payment.captured"),
            found=_amount,
            expected=0,
        ),
        _part(
            _posted.join(refunds, refunds.c.id == subject_id).join(
                payments, payments.c.id == refunds.c.payment_id
            ),
            ledger_entries,
            sa.and_(clearing, _kind.in_(_SENT)),
            found=_amount,
            expected=0,
        ),
        _part(
            booked,
            payments,
            sa.and_(sandbox, _captured, taken),
            found=0,
            expected=entries.c.amount,
        ),
        _part(
            paid_back,
            refunds,
            sa.and_(sandbox, _succeeded, given),
            found=0,
            expected=-entries.c.amount,
        ),
    )


def _posted_about(of: sa.Table, kinds: tuple[str, ...], account: str) -> Any:
    """What transactions of these kinds about a row have moved on an account."""
    return total(
        sa.select(sa.cast(sa.func.sum(_amount), sa.BigInteger))
        .select_from(_posted)
        .where(
            ledger_transactions.c.subject_id == of.c.id,
            _kind.in_(kinds),
            ledger_entries.c.account == account,
        )
        .correlate(of)
    )


def captures_posted(_: Moment) -> Query:
    """I4: every captured payment is posted with its amount, and no other payment is."""
    of_shop, of_nobody = (
        -_posted_about(payments, ("payment.captured",), account)
        for account in ("shop_payable", "suspense")
    )
    is_surplus = payments.c.state == "surplus"
    found = sa.case((is_surplus, of_nobody), else_=of_shop)
    expected = sa.case((_held, payments.c.amount), else_=0)
    return Of(payments, payments.c.shop_id, payments.c.id).breach(
        found != expected, found=found, expected=expected
    )


def refunds_posted(_: Moment) -> Query:
    """I4: every refund is posted as owed with its amount."""
    found = -_posted_about(refunds, ("refund.owed",), "refunds")
    return Of(refunds, refunds.c.shop_id, refunds.c.id).breach(
        found != refunds.c.amount, found=found, expected=refunds.c.amount
    )


def sent_refunds_posted(_: Moment) -> Query:
    """I4: a refund that has succeeded is posted as sent with its amount, and no other one is."""
    found = -_posted_about(refunds, _SENT, "psp_clearing")
    expected = sa.case((_succeeded, refunds.c.amount), else_=0)
    return Of(refunds, refunds.c.shop_id, refunds.c.id).breach(
        found != expected, found=found, expected=expected
    )


def refunds_account_owed(_: Moment) -> Query:
    """I5: the account of refunds is what is owed to buyers and not sent."""
    return _sums(
        _account("refunds", found=-_amount),
        _part(refunds, refunds, ~_succeeded, found=0, expected=refunds.c.amount),
    )


def _share_of(amount: Any, bp: Any) -> Any:
    """`amount × bp // 10000` of the largest amounts, too: the parts stay within 64 bits."""
    return amount // BASIS_POINTS * bp + amount % BASIS_POINTS * bp // BASIS_POINTS


def _of_brand(
    source: Any, which: tuple[Any, Any], where: Any, *, found: Any, expected: Any
) -> sa.Select[Any]:
    order_id, brand_id = which
    return (
        sa.select(
            order_id.label("order_id"),
            brand_id.label("brand_id"),
            sa.cast(found, sa.BigInteger).label("found"),
            sa.cast(expected, sa.BigInteger).label("expected"),
        )
        .select_from(source)
        .where(where)
    )


def _is_settled() -> Any:
    """Nothing of the order is on its way: no fact that is not heard, no refund that is not sent."""
    unheard = sa.exists(
        sa.select(1).where(outbox.c.aggregate_id == orders.c.id, outbox.c.done_at.is_(None))
    )
    unsent = sa.exists(sa.select(1).where(refunds.c.order_id == orders.c.id, ~_succeeded))
    return sa.and_(~unheard, ~unsent)


def partner_shares_posted(_: Moment) -> Query:
    """I4: of a settled order each brand has its share of what is paid and kept, line by line."""
    share = _share_of(lines.c.payable_amount - lines.c.refunded_amount, lines.c.brand_share_bp)
    both = sa.union_all(
        _of_brand(
            lines.join(orders, orders.c.id == lines.c.order_id),
            (lines.c.order_id, lines.c.brand_id),
            sa.and_(lines.c.brand_id.is_not(None), orders.c.confirmed_at.is_not(None)),
            found=0,
            expected=share,
        ),
        _of_brand(
            _posted,
            (ledger_transactions.c.subject_id, ledger_entries.c.party_id),
            sa.and_(_kind == "order.partner_share", ledger_entries.c.account == "partner_payable"),
            found=-_amount,
            expected=0,
        ),
    ).subquery()
    found, expected = (sa.func.sum(both.c[name]).label(name) for name in ("found", "expected"))
    owed = (
        sa.select(both.c.order_id, found, expected)
        .group_by(both.c.order_id, both.c.brand_id)
        .having(found != expected)
        .subquery()
    )
    joined = owed.join(orders, orders.c.id == owed.c.order_id)
    return Of(joined, orders.c.shop_id, orders.c.id).breach(
        _is_settled(), found=owed.c.found, expected=owed.c.expected
    )


CHECKS: tuple[Invariant, ...] = (
    ledger_balances,
    ledger_in_one_currency,
    clearing_follows_rows,
    suspense_follows_rows,
    clearing_follows_books,
    captures_posted,
    refunds_posted,
    sent_refunds_posted,
    refunds_account_owed,
    partner_shares_posted,
)
