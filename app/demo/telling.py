"""Telling the story as it happens, and holding every figure to what it must be."""

from collections.abc import Callable, Mapping
from typing import Any

from app.core.i18n import Language

TEXTS: Mapping[str, tuple[str, str]] = {
    "shop": ("开店：{name}，币种 {currency}", "a shop opens: {name}, currency {currency}"),
    "offer": (
        "上架 {title}：原价 {list}，单独购买 {solo}，三人团 {group}；库存 {stock}",
        "on sale, {title}: list {list}, alone {solo}, three together {group}; {stock} in stock",
    ),
    "signed_in": ("{who} 登录", "{who} signs in"),
    "quoted_alone": ("{who} 单独询价：应付 {total}", "{who} asks for the price alone: {total}"),
    "opened": ("{who} 开团，订单应付 {total}", "{who} opens a group; the order comes to {total}"),
    "joined": ("{who} 参团，订单应付 {total}", "{who} joins; the order comes to {total}"),
    "paid": ("{who} 付款 {paid}（沙箱）", "{who} pays {paid} (sandbox)"),
    "group": (
        "拼团状态 {status}：{paid} / {size} 人已付款",
        "group {status}: {paid} of {size} paid",
    ),
    "ship_refused": (
        "成团前发货被拒绝（{code}）",
        "shipping before the group succeeds is refused ({code})",
    ),
    "confirmed": ("{who} 的订单已确认，可以发货", "{who}'s order is confirmed and may ship"),
    "shipped": ("{who} 的订单已发货：{number}", "{who}'s order is shipped: {number}"),
    "stock": (
        "库存：在库 {on_hand}，预留 {reserved}，已售 {sold}，可售 {available}",
        "stock: {on_hand} on hand, {reserved} reserved, {sold} sold, {available} available",
    ),
    "short": (
        "第二个团还差 {missing} 人；时钟前进 {seconds} 秒，越过截止时间与宽限",
        "the second group stays {missing} short; {seconds} s pass, deadline and grace with them",
    ),
    "later": (
        "时钟再前进 {seconds} 秒：不会有第二次退款",
        "another {seconds} s pass: nobody is paid back twice",
    ),
    "refunded": (
        "{who} 收到退款 {refunded}（共 {times} 次）",
        "{who} gets {refunded} back ({times} refund)",
    ),
    "invariants": (
        "核查 {count} 条不变量：{broken} 条不成立",
        "{count} invariants checked: {broken} do not hold",
    ),
    "wrong": ("✗ {what}：得到 {got}，应为 {wanted}", "✗ {what}: got {got}, wanted {wanted}"),
    "broke": ("✗ 演示中断：{why}", "✗ the story broke off: {why}"),
    "all_well": ("全部金额与状态均符合预期。", "Every figure is as it should be."),
    "not_well": ("有 {count} 处不符。", "{count} figures are wrong."),
}


def yuan(amount: int) -> str:
    """Minor units as people write them, with the integer beside; no float comes near."""
    sign, (whole, rest) = "-" if amount < 0 else "", divmod(abs(amount), 100)
    return f"¥{sign}{whole}.{rest:02} ({amount})"


class Teller:
    """Says each step in the terminal's language, or keeps it for JSON; counts what is wrong."""

    def __init__(self, language: Language, echo: Callable[[str], object] | None) -> None:
        self._column = 0 if language == "zh-CN" else 1
        self._echo = echo
        self.steps: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.finished = False

    @property
    def holds(self) -> bool:
        """True once the story was told to its end without a fault."""
        return self.finished and not self.faults

    def tell(self, step: str, **facts: Any) -> None:
        """One step; amounts are among the facts as integers named `*_amount`, or as `yuan` text."""
        self.steps.append({"step": step, **facts})
        if self._echo is None:
            return
        shown = {
            name.removesuffix("_amount"): yuan(fact) if name.endswith("_amount") else fact
            for name, fact in facts.items()
        }
        self._echo(TEXTS[step][self._column].format(**{**facts, **shown}))

    def expect(self, what: str, got: object, wanted: object) -> None:
        """Hold a figure to what it must be."""
        if got != wanted:
            self.faults.append(f"{what}: got {got!r}, wanted {wanted!r}")
            self.tell("wrong", what=what, got=got, wanted=wanted)

    def broke(self, why: str) -> None:
        """The story could not go on."""
        self.faults.append(why)
        self.tell("broke", why=why)

    def end(self) -> None:
        """The story is told; say whether all was well."""
        self.finished = True
        if self.faults:
            self.tell("not_well", count=len(self.faults))
        else:
            self.tell("all_well")
