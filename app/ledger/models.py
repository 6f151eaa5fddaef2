"""Transactions and entries of the ledger; the database itself keeps them from being changed."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import enum_column, table


class Account(StrEnum):
    """What money is, to the shop.

    `psp_clearing` is held by the payment provider; `suspense` was captured for no order; `refunds`
    is owed to buyers; `disputes` is withheld while a buyer's bank looks into a complaint.
    """

    PSP_CLEARING = "psp_clearing"
    SHOP_PAYABLE = "shop_payable"
    PARTNER_PAYABLE = "partner_payable"
    PLATFORM_FEE = "platform_fee"
    COMMISSION_PAYABLE = "commission_payable"
    DIVIDEND_POOL = "dividend_pool"
    MEMBER_WALLET = "member_wallet"
    REFUNDS = "refunds"
    PSP_FEES = "psp_fees"
    DISPUTES = "disputes"
    SUSPENSE = "suspense"


# Accounts that are kept for each brand or member; an entry of any other has no party.
WITH_PARTY = frozenset({Account.PARTNER_PAYABLE, Account.COMMISSION_PAYABLE, Account.MEMBER_WALLET})


class LedgerTransaction(SQLModel, table=True):
    """Something that happened to money, once; `subject_id` is the row it is about.

    `reverses_id` names the transaction that this one takes back.
    """

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        sa.UniqueConstraint("kind", "reference"),
        sa.Index("ix_ledger_transactions_subject_id", "subject_id"),
        sa.Index("ix_ledger_transactions_shop_id_id", "shop_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    kind: str = Field(max_length=40)
    reference: str = Field(max_length=160)
    subject_id: UUID
    currency: str = Field(max_length=3)
    at: datetime
    reverses_id: UUID | None = Field(
        default=None, foreign_key="ledger_transactions.id", unique=True
    )


class LedgerEntry(SQLModel, table=True):
    """One leg of a transaction: positive is debit, negative is credit.

    A balance is the sum of an account's entries, which the first index holds by itself.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        sa.Index(
            "ix_ledger_entries_account",
            "shop_id",
            "account",
            "party_id",
            "id",
            postgresql_include=["currency", "amount"],
        ),
        sa.Index("ix_ledger_entries_shop_id_id", "shop_id", "id"),
        sa.Index("ix_ledger_entries_transaction_id", "transaction_id"),
        sa.CheckConstraint("amount <> 0", "amount"),
        sa.CheckConstraint(
            "(account IN ('partner_payable', 'commission_payable', 'member_wallet'))"
            " = (party_id IS NOT NULL)",
            "party",
        ),
    )

    id: UUID = Field(primary_key=True)
    transaction_id: UUID = Field(foreign_key="ledger_transactions.id")
    shop_id: UUID
    account: Account = Field(sa_type=enum_column(Account))
    party_id: UUID | None = None
    amount: int = Field(sa_type=sa.BigInteger)
    currency: str = Field(max_length=3)


_FORBID = """
CREATE FUNCTION ledger_forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = TG_TABLE_NAME || ' is append-only: reverse instead';
END $$"""
_CHECK_BALANCE = """
CREATE FUNCTION ledger_check_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount) FROM ledger_entries WHERE transaction_id = NEW.transaction_id) <> 0 THEN
        RAISE check_violation USING MESSAGE = 'posting_unbalanced';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger_transactions t WHERE t.id = NEW.transaction_id
        AND t.currency = NEW.currency AND t.shop_id = NEW.shop_id) THEN
        RAISE check_violation USING MESSAGE = 'posting_foreign_currency';
    END IF;
    RETURN NULL;
END $$"""
# At the commit: while a transaction is being written, half of its entries may be there.
_BALANCED = """
CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON ledger_entries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_balance()"""
_GUARDED = ("ledger_transactions", "ledger_entries")


def _guard(name: str) -> str:
    # For the statement and not for each row, so that it speaks up where no row is met, too.
    return (
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_forbid_change()"
    )


def _sqlite_guard(name: str, verb: str) -> str:
    return (
        f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} BEGIN"
        f" SELECT RAISE(ABORT, '{name} is append-only: reverse instead'); END"
    )


# What keeps each table as it is, by database, in the order to create it; migrations use it too.
GUARDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "postgresql": {
        "ledger_transactions": (_FORBID, _guard("ledger_transactions")),
        "ledger_entries": (
            _guard("ledger_entries"),
            _CHECK_BALANCE,
            _BALANCED,
        ),
    },
    "sqlite": {
        name: tuple(_sqlite_guard(name, verb) for verb in ("UPDATE", "DELETE")) for name in _GUARDED
    },
}

for _dialect, _by_table in GUARDS.items():
    for _model in (LedgerTransaction, LedgerEntry):
        for _guard_text in _by_table[_model.__tablename__]:
            _ddl = sa.DDL(_guard_text)  # type: ignore[no-untyped-call]
            sa.event.listen(table(_model), "after_create", _ddl.execute_if(dialect=_dialect))
