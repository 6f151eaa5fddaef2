"""Templates: for each mechanic a promotion filled in, and what its fields mean in zh and en."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Stands where only the shop knows which variant is meant.
VARIANT_TO_NAME = "00000000-0000-7000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class FieldMeaning:
    """What a field of the body, named by a JSON pointer, means; `must_fill` is for the shop."""

    pointer: str
    zh: str
    en: str
    must_fill: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A promotion to start from."""

    key: str
    summary_zh: str
    summary_en: str
    body: Mapping[str, Any]
    fields: Sequence[FieldMeaning]


_TAGS = FieldMeaning(
    "/match/tags_any", "哪些商品参与：带任一标签", "Goods that take part: with any of these tags"
)
_THRESHOLD = FieldMeaning(
    "/rule/threshold_amount",
    "参与商品满多少（分），含本数；0 表示不设门槛",
    "From this subtotal of matching goods on, inclusive; 0 asks for nothing",
)

TEMPLATES: Sequence[Template] = (
    Template(
        "percent_off",
        "打X折：每件商品按比例减价",
        "A percentage off each unit",
        {
            "name_zh": "杨梅季八折",
            "name_en": "20% off in bayberry season",
            "rule": {"kind": "percent_off", "off_bp": 2_000},
            "match": {"tags_any": ["fruit"]},
        },
        (FieldMeaning("/rule/off_bp", "减多少：2000 即打八折", "2000 takes 20% off"), _TAGS),
    ),
    Template(
        "amount_off",
        "立减：每件、每行或整单减固定金额",
        "An amount off each unit, line or order",
        {
            "name_zh": "零食每件立减5元",
            "name_en": "5 yuan off each snack",
            "rule": {"kind": "amount_off", "per": "unit", "off_amount": 500},
            "match": {"tags_any": ["snack"]},
        },
        (
            FieldMeaning("/rule/per", "按件、按行还是整单", "Off each unit, line, or the order"),
            FieldMeaning("/rule/off_amount", "减多少（分）", "How much, in minor units"),
            _TAGS,
        ),
    ),
    Template(
        "newcomer_coupon",
        "优惠券：凭券立减，只限新客首单",
        "A coupon: an amount off for new buyers who present one",
        {
            "name_zh": "新人满99减20",
            "name_en": "20 off 99 for newcomers",
            "rule": {"kind": "amount_off", "per": "order", "off_amount": 2_000},
            "conditions": {"new_buyers_only": True, "minimum": {"amount": 9_900}},
            "limits": {"uses_max": 1_000, "member_uses_max": 1, "budget_amount": 2_000_000},
            "needs_coupon": True,
        },
        (
            FieldMeaning("/needs_coupon", "凭券使用", "Only with a coupon for it"),
            FieldMeaning(
                "/conditions/minimum/amount", "商品满多少（分）可用", "The least subtotal of goods"
            ),
            FieldMeaning("/limits/uses_max", "总共可用多少次", "Uses of all buyers together"),
            FieldMeaning("/limits/member_uses_max", "每人可用多少次", "Uses of each member"),
            FieldMeaning("/limits/budget_amount", "总共最多让利（分）", "All it may take off"),
        ),
    ),
    Template(
        "spend_threshold",
        "满减/满折：满一定金额后减，只取最高一档",
        "An amount or a percentage off from a subtotal on; the highest tier met applies",
        {
            "name_zh": "满200减20",
            "name_en": "20 off 200",
            "rule": {
                "kind": "spend_threshold",
                "tiers": [{"threshold_amount": 20_000, "off_amount": 2_000}],
            },
        },
        (
            FieldMeaning(
                "/rule/tiers/0/threshold_amount",
                "满多少（分），含本数",
                "From this subtotal on, inclusive",
            ),
            FieldMeaning("/rule/tiers/0/off_amount", "减多少（分）", "How much comes off"),
            FieldMeaning("/rule/repeat", "每满都减", "Again for each time the threshold is met"),
        ),
    ),
    Template(
        "buy_n_get_m",
        "买N送M：最便宜的M件免费，可跨商品",
        "Of each N + M units the M cheapest are free, across goods",
        {
            "name_zh": "零食买二送一",
            "name_en": "Buy two snacks, get one free",
            "rule": {"kind": "buy_n_get_m", "buy": 2, "get": 1},
            "match": {"tags_any": ["snack"]},
        },
        (
            FieldMeaning("/rule/buy", "买几件", "Units to pay for"),
            FieldMeaning("/rule/get", "送几件", "Units given"),
            FieldMeaning("/rule/off_bp", "送的减多少：10000 即免费", "10000 makes them free"),
            _TAGS,
        ),
    ),
    Template(
        "bundle",
        "组合套装：几样商品合起来一个价，也可含合作品牌的商品",
        "Parts for one price below their sum, a partner brand's goods among them if wanted",
        {
            "name_zh": "护肤品配纸巾",
            "name_en": "Skin care with tissues",
            "rule": {
                "kind": "bundle",
                "parts": [
                    {"match": {"tags_any": ["cosmetics"]}, "quantity": 1},
                    {"match": {"tags_any": ["tissues"]}, "quantity": 1},
                ],
                "price_amount": 4_000,
            },
        },
        (
            FieldMeaning("/rule/parts/0/match", "一样商品", "One part: which goods"),
            FieldMeaning("/rule/parts/0/quantity", "每套几件", "Units of it in a set"),
            FieldMeaning(
                "/rule/price_amount",
                "一套多少钱（分），须低于单买之和",
                "A set costs this much, less than its parts alone",
            ),
        ),
    ),
    Template(
        "add_on",
        "加1元换购：买了主商品，加一点钱换购另一件",
        "Goods that qualify unlock others at a token price, for buyers who want them",
        {
            "name_zh": "加1元换购随行杯",
            "name_en": "A cup for 1 yuan more",
            "rule": {
                "kind": "add_on",
                "tiers": [
                    {
                        "threshold_amount": 0,
                        "price_amount": 100,
                        "variant_ids": [VARIANT_TO_NAME],
                        "units_max": 1,
                        "quota_units": 500,
                    }
                ],
            },
            "match": {"tags_any": ["juicer"]},
        },
        (
            FieldMeaning(
                "/rule/tiers/0/variant_ids",
                "可以换购的规格",
                "What may be chosen at that price",
                must_fill=True,
            ),
            FieldMeaning("/rule/tiers/0/price_amount", "换购价（分）", "The token price of a unit"),
            FieldMeaning(
                "/rule/tiers/0/threshold_amount",
                "主商品满多少（分）",
                "From this subtotal of qualifying goods on",
            ),
            FieldMeaning("/rule/tiers/0/units_max", "每单最多几件", "Units an order"),
            FieldMeaning("/rule/tiers/0/quota_units", "总共多少件", "Units of all buyers together"),
            FieldMeaning("/match/tags_any", "主商品的标签", "Tags of the goods that qualify"),
        ),
    ),
    Template(
        "gift",
        "满赠：满一定金额送一件",
        "Units of a variant for nothing from a subtotal on",
        {
            "name_zh": "满200送纸巾",
            "name_en": "Tissues with every 200",
            "rule": {
                "kind": "gift",
                "threshold_amount": 20_000,
                "variant_id": VARIANT_TO_NAME,
                "quantity": 1,
            },
        },
        (
            FieldMeaning("/rule/variant_id", "送哪个规格", "What is given", must_fill=True),
            FieldMeaning("/rule/quantity", "送几件", "Units given"),
            FieldMeaning("/rule/repeat", "每满都送", "Again for each time the threshold is met"),
            _THRESHOLD,
        ),
    ),
    Template(
        "free_shipping",
        "包邮",
        "Nothing to pay for shipping",
        {
            "name_zh": "满99包邮",
            "name_en": "Free shipping from 99",
            "rule": {"kind": "free_shipping", "threshold_amount": 9_900},
        },
        (_THRESHOLD,),
    ),
    Template(
        "shipping_off",
        "运费立减",
        "An amount off the shipping",
        {
            "name_zh": "满49运费减5元",
            "name_en": "5 off shipping from 49",
            "rule": {"kind": "shipping_off", "threshold_amount": 4_900, "off_amount": 500},
        },
        (_THRESHOLD, FieldMeaning("/rule/off_amount", "减多少运费（分）", "How much comes off")),
    ),
)
