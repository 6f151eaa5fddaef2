"""What the engine's codes say to a buyer, in Chinese and English; the engine itself knows neither.

Amounts are told in the currency's own way: `{missing_amount}` of 300 in CNY is "¥3.00".
"""

from collections.abc import Mapping
from typing import Any

from app.core.i18n import Language, money_text

Texts = Mapping[str, tuple[str, str]]

REASON_TEXTS: Texts = {
    "not_started": ("活动尚未开始，{starts_at} 开始", "Starts at {starts_at}"),
    "ended": ("活动已于 {ends_at} 结束", "Ended at {ends_at}"),
    "outside_hours": ("不在活动时段，{opens_at} 开始", "Not at this hour; next from {opens_at}"),
    "denied_by_price_setting": (
        "{kind} 不与其他优惠同享",
        "Not to be combined with {kind}",
    ),
    "needs_coupon": ("需使用优惠券", "Needs a coupon"),
    "coupon_used": ("优惠券已使用", "The coupon has been used"),
    "coupon_not_started": (
        "优惠券 {starts_at} 起可用",
        "The coupon can be used from {starts_at}",
    ),
    "coupon_expired": ("优惠券已于 {ends_at} 过期", "The coupon expired at {ends_at}"),
    "used_up": ("活动名额已用完", "All uses have been taken"),
    "budget_spent": ("活动预算已用完", "The promotion's budget is spent"),
    "member_limit_reached": ("您已达到参与次数上限", "You have used this as often as you may"),
    "wrong_channel": ("仅限渠道：{channels}", "Only through: {channels}"),
    "sign_in": ("登录后查看是否可用", "Sign in to see whether it applies"),
    "new_buyers_only": ("仅限新客", "For new buyers only"),
    "not_nth_order": (
        "仅限第 {nth_order} 单，本单为第 {this_order} 单",
        "For order no. {nth_order}; this is no. {this_order}",
    ),
    "not_in_community": ("仅限指定社群成员", "For members of certain communities"),
    "role_missing": ("仅限身份：{roles}", "Only for: {roles}"),
    "not_in_audience": ("仅限指定人群", "For a named audience"),
    "tags_missing": ("仅限标签：{tags}", "Only for the tags: {tags}"),
    "tags_forbidden": ("不适用于标签：{tags}", "Not for the tags: {tags}"),
    "no_matching_units": ("购物车中没有适用商品", "No goods in the basket qualify"),
    "needs_units": ("还差 {missing_units} 件", "{missing_units} more to go"),
    "needs_amount": ("还差 {missing_amount}", "{missing_amount} more to go"),
    "not_chosen": ("可加价换购，尚未选择", "Goods are on offer; none chosen"),
    "gift_out_of_stock": ("赠品已赠完", "The gift is out of stock"),
    "no_shipping_to_pay": ("本单无需运费", "There is no shipping to pay"),
    "no_saving": ("对本单没有优惠", "Saves nothing here"),
    "denied_by_other": ("不与已用优惠同享", "Not to be combined with one that is used"),
    "lost_to_better": ("已用更优惠的组合", "Another combination is cheaper"),
    "lost_to_priority": ("已用优先级更高的优惠", "One with a higher priority is used"),
}

# Of coupons that never reach the engine, told without parameters.
COUPON_TEXTS: Texts = {
    "coupon_unknown": ("优惠码不存在", "There is no such code"),
    "coupon_foreign": ("此优惠券不属于您", "This coupon is somebody else's"),
    "coupon_used": ("优惠券已使用", "The coupon has been used"),
    "coupon_expired": ("优惠券已过期", "The coupon has expired"),
    "coupon_not_started": ("优惠券尚未生效", "The coupon cannot be used yet"),
    "coupon_stopped": ("优惠券已停用", "This coupon has been stopped"),
    "needs_sign_in": ("登录后可用", "Sign in to use it"),
}

NUDGE_TEXTS: Texts = {
    "needs_amount": ("再买 {missing_amount} 可享优惠", "Spend {missing_amount} more to qualify"),
    "needs_units": ("再买 {missing_units} 件可享优惠", "Add {missing_units} more to qualify"),
    "next_tier": ("再买 {missing_amount} 可享下一档", "Spend {missing_amount} more for more off"),
}

KIND_TEXTS: Texts = {
    "group_price": ("拼团价", "the group price"),
    "member_price": ("会员价", "the member price"),
    "solo_price": ("单独购买价", "the price of buying alone"),
    "list_price": ("原价", "the list price"),
}


def text_of(
    texts: Texts, code: str, params: Mapping[str, Any], language: Language, currency: str
) -> str:
    """The sentence for a code with its parameters filled in; KeyError for an unknown code."""
    zh, en = texts[code]
    sentence = zh if language == "zh-CN" else en
    said = {name: _said(name, value, language, currency) for name, value in params.items()}
    return sentence.format(**said)


def _said(name: str, value: Any, language: Language, currency: str) -> str:
    if name.endswith("_amount"):
        return money_text(value, currency, language)
    if name == "kind":
        return KIND_TEXTS[value][0 if language == "zh-CN" else 1]
    if isinstance(value, list | tuple):
        return ("、" if language == "zh-CN" else ", ").join(map(str, value))
    return str(value)
