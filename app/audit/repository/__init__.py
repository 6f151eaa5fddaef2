"""All SQL of the audit: reading only."""

from collections.abc import Mapping

from app.audit.repository import facts, goods, groups, money
from app.audit.repository.breach import Invariant

INVARIANTS: Mapping[str, Invariant] = {
    check.__name__: check for check in (*groups.CHECKS, *goods.CHECKS, *money.CHECKS, *facts.CHECKS)
}
