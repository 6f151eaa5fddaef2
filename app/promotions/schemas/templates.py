"""Shapes of the templates that operators start from."""

from pydantic import Field

from app.core.http.schema import Shown
from app.promotions.models import PromotionKind
from app.promotions.schemas.mechanics import example
from app.promotions.schemas.promotions import AddPromotion

_FIELD = {
    "pointer": "/rule/off_bp",
    "zh": "减多少：2000 即打八折",
    "en": "2000 takes 20% off",
    "must_fill": False,
}
_TEMPLATE = {
    "key": "percent_off",
    "kind": "percent_off",
    "summary_zh": "打X折：每件商品按比例减价",
    "summary_en": "A percentage off each unit",
    "body": {
        "name_zh": "杨梅季八折",
        "name_en": "20% off in bayberry season",
        "rule": {"kind": "percent_off", "off_bp": 2_000},
    },
    "fields": [_FIELD],
}


class TemplateField(Shown):
    """What a field of the body means."""

    model_config = example(**_FIELD)

    pointer: str = Field(description="JSON pointer into the body.")
    zh: str
    en: str
    must_fill: bool = Field(description="The value is a stand-in: only the shop knows its own.")


class PromotionTemplate(Shown):
    """A promotion filled in: send `body` to create it, after what must be filled."""

    model_config = example(**_TEMPLATE)

    key: str
    kind: PromotionKind
    summary_zh: str
    summary_en: str
    body: AddPromotion
    fields: list[TemplateField]


class PromotionTemplateList(Shown):
    """All templates there are."""

    model_config = example(items=[_TEMPLATE])

    items: list[PromotionTemplate]
