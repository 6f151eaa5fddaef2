"""What operators see of the money: balances and entries of the ledger."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.paging import Page
from app.core.http.schema import Shown
from app.ledger.models import Account

_DEBIT = "Minor units; above zero a debit, below a credit."
_OF_PARTY = "Whose part of the account it is: a brand or a member."
_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_ENTRY: dict[str, Any] = {
    "id": f"{_ID}1",
    "transaction_id": f"{_ID}2",
    "account": "psp_clearing",
    "party_id": None,
    "amount": 9_900,
    "currency": "CNY",
    "kind": "payment.captured",
    "reference": f"{_ID}8",
    "subject_id": f"{_ID}8",
    "is_reversal": False,
    "at": "2026-06-18T04:00:00Z",
}


class BalanceShown(Shown):
    """What stands on an account, for each party and currency; all of a shop's sum to zero."""

    account: Account
    party_id: UUID | None = Field(description=_OF_PARTY)
    amount: int = Field(description=_DEBIT)
    currency: str


class EntryShown(Shown):
    """One leg of a transaction; (kind, reference) says what it is for, `subject_id` about what."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    id: UUID
    transaction_id: UUID
    account: Account
    party_id: UUID | None = Field(description=_OF_PARTY)
    amount: int = Field(description=_DEBIT)
    currency: str
    kind: str
    reference: str
    subject_id: UUID
    is_reversal: bool
    at: datetime

    @staticmethod
    def of(row: Mapping[Any, Any]) -> "EntryShown":
        """An entry as its statement shows it."""
        return EntryShown.model_validate({**row, "is_reversal": row["reverses_id"] is not None})


BalancePage = Page[BalanceShown]
EntryPage = Page[EntryShown]
