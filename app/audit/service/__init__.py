"""The verbs of the audit."""

from app.audit.repository import INVARIANTS
from app.audit.repository.breach import Moment
from app.audit.repository.log import LogFilter
from app.audit.repository.log import entries as log_entries
from app.audit.rules import Difference
from app.audit.service.books import (
    Finding,
    Waiting,
    export_lines,
    invariant,
    invariants,
    pending,
)
from app.audit.service.reconciling import reconcile

__all__ = [
    "INVARIANTS",
    "Difference",
    "Finding",
    "LogFilter",
    "Moment",
    "Waiting",
    "export_lines",
    "invariant",
    "invariants",
    "log_entries",
    "pending",
    "reconcile",
]
