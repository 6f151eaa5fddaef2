"""All SQL of the audit: reading only."""

from collections.abc import Mapping

from app.audit.repository import (
    after_sales,
    facts,
    goods,
    groups,
    ledger,
    limits,
    money,
    webhooks,
)
from app.audit.repository.breach import Invariant

INVARIANTS: Mapping[str, Invariant] = {
    check.__name__: check
    for part in (groups, goods, limits, money, after_sales, ledger, facts, webhooks)
    for check in part.CHECKS
}
