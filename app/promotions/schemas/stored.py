"""Whether what is stored of a promotion can still be shown as what it was sent as."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app.core.http.schema import Wish
from app.promotions.rules import fault_of
from app.promotions.schemas.conditions import PromotionConditions, PromotionLimits
from app.promotions.schemas.mechanics import GoodsMatch, Rule

DOCUMENTS = ("rule", "match", "conditions", "limits")


class _Stored(Wish):
    rule: Rule
    match: GoodsMatch
    conditions: PromotionConditions
    limits: PromotionLimits


def is_broken(row: Mapping[Any, Any]) -> bool:
    """Whether the engine, or the shapes of the API, refuse a promotion as it is stored."""
    documents = {name: row[name] for name in DOCUMENTS}
    try:
        _Stored.model_validate_json(json.dumps(documents))
    except ValidationError:
        return True
    return fault_of(**documents) is not None
