"""What the ledger refuses. No client can cause it: it is a fault of the program, told as such."""

from enum import StrEnum


class Fault(StrEnum):
    """Why a posting is refused."""

    UNBALANCED = "posting_unbalanced"
    FOREIGN_CURRENCY = "posting_foreign_currency"
    EMPTY_ENTRY = "posting_empty_entry"
    WRONG_PARTY = "posting_wrong_party"
    DIFFERENT = "posting_different"
    NOTHING_TO_REVERSE = "posting_nothing_to_reverse"
    REVERSES_REVERSAL = "posting_reverses_reversal"


class PostingRefusedError(Exception):
    """The transaction it was part of must not be committed; `code` stays the same over releases."""

    def __init__(self, fault: Fault, kind: str, reference: str) -> None:
        super().__init__(f"{fault.value}: {kind} {reference}")
        self.code = fault.value
