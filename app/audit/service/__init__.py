"""The verbs of the audit."""

from app.audit.rules import Difference
from app.audit.service.books import Finding, Waiting, export_lines, invariants, pending
from app.audit.service.reconciling import reconcile

__all__ = [
    "Difference",
    "Finding",
    "Waiting",
    "export_lines",
    "invariants",
    "pending",
    "reconcile",
]
