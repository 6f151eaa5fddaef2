"""Every code of the engine can be told in both languages, with its parameters."""

from string import Formatter
from typing import get_args

import pytest

from app.promotions.pricing.answer import NudgeCode
from app.promotions.pricing.reasons import ReasonCode
from app.promotions.rules.coupons import CouponReason
from app.promotions.rules.texts import COUPON_TEXTS, NUDGE_TEXTS, REASON_TEXTS, Texts, text_of


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_code_has_a_text() -> None:
    assert set(get_args(ReasonCode)) == REASON_TEXTS.keys()
    assert set(get_args(CouponReason)) == COUPON_TEXTS.keys()
    assert set(get_args(NudgeCode)) == NUDGE_TEXTS.keys()


@pytest.mark.parametrize("texts", [REASON_TEXTS, NUDGE_TEXTS, COUPON_TEXTS])
def test_both_languages_tell_the_same_parameters(texts: Texts) -> None:
    for code, (zh, en) in texts.items():
        assert zh != en, code
        assert names_in(zh) == names_in(en), code


@pytest.mark.parametrize(
    ("code", "params", "zh", "en"),
    [
        ("needs_amount", {"missing_amount": 300}, "还差 ¥3.00", "CN¥3.00 more to go"),
        ("needs_units", {"missing_units": 2}, "还差 2 件", "2 more to go"),
        (
            "denied_by_price_setting",
            {"kind": "group_price"},
            "拼团价 不与其他优惠同享",
            "Not to be combined with the group price",
        ),
        (
            "tags_missing",
            {"tags": ("parent", "vip")},
            "仅限标签：parent、vip",
            "Only for the tags: parent, vip",
        ),
    ],
)
def test_a_text_says_its_parameters(code: str, params: dict[str, object], zh: str, en: str) -> None:
    assert text_of(REASON_TEXTS, code, params, "zh-CN", "CNY") == zh
    assert text_of(REASON_TEXTS, code, params, "en", "CNY") == en


def test_currencies_keep_their_own_digits() -> None:
    assert text_of(REASON_TEXTS, "needs_amount", {"missing_amount": 300}, "en", "JPY") == (
        "¥300 more to go"
    )


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        text_of(REASON_TEXTS, "no_such_code", {}, "en", "CNY")
