"""Whether what is stored of a promotion is still what its shapes and the engine take.

Rows outlive versions of the product, and hands reach into databases: a shop must go on selling.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app.core.http.schema import Wish
from app.promotions.rules.mechanics import fault_in
from app.promotions.schemas.conditions import PromotionConditions, PromotionLimits
from app.promotions.schemas.mechanics import GoodsMatch, Rule

DOCUMENTS = ("rule", "match", "conditions", "limits")


class _Stored(Wish):
    rule: Rule
    match: GoodsMatch
    conditions: PromotionConditions
    limits: PromotionLimits


def fault_of(row: Mapping[Any, Any]) -> str | None:
    """What is wrong with a promotion's documents, or None; quotes leave a broken one out."""
    documents = {name: row[name] for name in DOCUMENTS}
    try:
        _Stored.model_validate_json(json.dumps(documents))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"/{'/'.join(map(str, first['loc']))}: {first['msg']}"
    return fault_in(documents["rule"], documents["match"], documents["conditions"])
