"""`quanpu promotions quote`: the guide's examples, and that it needs nothing."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest

from app.promotions.models import PromotionKind
from app.promotions.pricing import Basket, BasketLine, Buyer, Terms, quote
from app.promotions.pricing.basket import ListPrice
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.reasons import ReasonCode
from app.promotions.pricing.snapshot import snapshot_of
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier
from tests.cli.quoting import (
    EXAMPLES,
    GUIDE,
    ROOT,
    Document,
    codes_under,
    elsewhere,
    example,
    priced,
    run,
)

# name: total, what was applied for how much, and why the others were not
PRICES: dict[str, tuple[int, list[tuple[str, int]], list[str]]] = {
    "percent-off": (8_000, [("percent_off", 2_000)], []),
    "percent-off-ladder": (14_400, [("percent_off", 3_600)], []),
    "percent-off-capped": (75_000, [("percent_off", 5_000)], []),
    "percent-off-order": (899, [("percent_off", 100)], []),
    "amount-off-unit": (13_500, [("amount_off", 1_900)], []),
    "amount-off-line": (22_000, [("amount_off", 1_000)], []),
    "amount-off-order": (9_000, [("amount_off", 1_000)], []),
    "spend-threshold": (18_000, [("spend_threshold", 2_000)], []),
    "spend-threshold-repeat": (32_000, [("spend_threshold", 3_000)], []),
    "spend-threshold-percent": (23_000, [("spend_threshold", 2_000)], []),
    "buy-n-get-m": (14_000, [("buy_n_get_m", 4_000)], []),
    "bundle": (8_000, [("bundle", 2_000)], []),
    "add-on": (29_900, [("add_on", 8_800)], []),
    "group-price": (9_900, [("group_price", 10_000)], ["denied_by_price_setting"]),
    "group-price-leader": (7_900, [("group_price", 12_000)], []),
    "solo-price": (14_310, [("solo_price", 4_000), ("percent_off", 1_590)], []),
    "member-price": (11_000, [("member_price", 1_000), ("spend_threshold", 1_000)], []),
    "gift": (45_000, [], ["gift_out_of_stock"]),
    "free-shipping": (10_000, [("free_shipping", 800)], []),
    "shipping-off": (5_300, [("shipping_off", 500)], ["needs_amount"]),
    "coupon": (
        16_200,
        [("spend_threshold", 2_000), ("percent_off", 1_800)],
        ["denied_by_other", "coupon_expired"],
    ),
    "points": (5_800, [("points", 5_000)], []),
    "discount-cap": (
        10_500,
        [("percent_off", 5_000), ("discount_cap", -500)],
        ["lost_to_better"],
    ),
    "stacking": (
        17_800,
        [("percent_off", 1_200), ("buy_n_get_m", 8_000), ("spend_threshold", 3_000)],
        ["denied_by_other", "lost_to_better"],
    ),
    "priority": (
        19_400,
        [("percent_off", 1_600), ("buy_n_get_m", 6_000), ("spend_threshold", 3_000)],
        ["denied_by_other", "lost_to_priority"],
    ),
    "conditions": (
        9_700,
        [("amount_off", 300)],
        ["new_buyers_only", "outside_hours", "role_missing", "used_up"],
    ),
}


# -- the guide


def test_every_example_has_its_price_here() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == PRICES.keys()


def test_every_kind_of_promotion_has_an_example() -> None:
    used = {one["rule"]["kind"] for name in PRICES for one in example(name)["promotions"]}
    assert used == set(PromotionKind)


@pytest.mark.parametrize("name", PRICES)
def test_an_example_costs_what_it_should(name: str) -> None:
    result = run(str(EXAMPLES / f"{name}.json"))
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    total, applied, reasons = PRICES[name]
    assert found["total_amount"] == total
    assert [(row["kind"], row["amount"]) for row in found["applied"]] == applied
    assert [row["code"] for row in found["not_applied"]] == reasons
    assert (
        sum(line["payable_amount"] for line in found["lines"]) + found["shipping_amount"] == total
    )
    assert (found["bound_amount"] == total) == (found["optimality"] == "proven")
    assert not list(Path.cwd().iterdir()), "pricing writes nothing"


SHOWN = re.findall(
    r"```sh\nquanpu promotions quote docs/examples/promotions/([\w-]+)\.json\n```\n"
    r"```json\n(.+?)\n```",
    GUIDE,
    re.DOTALL,
)


def test_the_guide_shows_every_example_once() -> None:
    assert sorted(name for name, _ in SHOWN) == sorted(PRICES)


def holds(shown: Any, found: Any) -> bool:
    """Whether all that the guide shows is so; objects may have more in them than is shown."""
    if isinstance(shown, dict):
        return all(name in found and holds(part, found[name]) for name, part in shown.items())
    if isinstance(shown, list):
        same = len(shown) == len(found)
        return same and all(holds(part, inside) for part, inside in zip(shown, found, strict=True))
    return bool(shown == found)


@pytest.mark.parametrize(("name", "shown"), SHOWN, ids=[name for name, _ in SHOWN])
def test_the_guide_shows_what_the_command_prints(name: str, shown: str) -> None:
    told = json.loads(shown)
    found = json.loads(run(str(EXAMPLES / f"{name}.json")).stdout)
    assert told.keys() >= {"total_amount", "applied"}
    assert ("not_applied" in told) == bool(found["not_applied"])
    assert holds(told, found)
    assert not holds({**told, "total_amount": told["total_amount"] + 1}, found)


def test_the_guide_shows_the_first_file_as_it_is() -> None:
    assert f"```json\n{(EXAMPLES / 'percent-off.json').read_text('utf-8')}```" in GUIDE


def test_the_guide_names_every_reason() -> None:
    assert sorted(codes_under("## Explanations")) == sorted(get_args(ReasonCode))


def test_the_guides_python_runs_on_the_standard_library_alone(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    heavy = ("sqlmodel", "sqlalchemy", "fastapi", "starlette", "pydantic", "typer")
    asked = f"import sys\nassert not sys.modules.keys() & set({heavy}), sorted(sys.modules)\n"
    done = elsewhere("-c", code + asked, folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_guides_python_is_typed(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    (tmp_path / "own.py").write_text(f"{code}reveal_type(answer.total_amount)\n", "utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\n", "utf-8")
    done = elsewhere("-m", "mypy", "--strict", "own.py", folder=tmp_path, MYPYPATH=str(ROOT))
    assert done.returncode == 0, done.stdout
    assert 'Revealed type is "int"' in done.stdout.replace("builtins.int", "int")


# -- the command


def test_the_command_is_the_engine_and_needs_nothing(tmp_path: Path) -> None:
    """In a process of its own whose settings no other command would take."""
    path = EXAMPLES / "stacking.json"
    done = elsewhere(
        "-m", "app", "promotions", "quote", str(path), folder=tmp_path, APP_ENV="production"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())
    assert json.loads(done.stdout) == json.loads(json.dumps(snapshot_of(by_hand())))
    assert done.stdout == json.dumps(snapshot_of(by_hand()), ensure_ascii=False, indent=2) + "\n"


def ref(number: int) -> UUID:
    return UUID(f"0192f0c1-a5e8-7000-a000-0000000000{number}")


def by_hand() -> Any:
    """The quote of stacking.json, without its file."""

    def line(number: int, key: str, quantity: int, amount: int) -> BasketLine:
        none: frozenset[Any] = frozenset()
        return BasketLine(key, ref(10 + number), ref(20 + number), none, none, quantity, amount)

    goods = (line(1, "serum", 3, 8_000), line(2, "cream", 1, 6_000))
    nobody = Buyer(0, frozenset(), frozenset(), is_known=False)
    season = Party(stacking_group="season")
    return quote(
        Basket("CNY", goods, 0, ListPrice(), nobody),
        [
            PercentOff(id=ref(51), version=1, off_bp=2_000),
            BuyNGetM(id=ref(52), version=1, buy=2, get=1),
            SpendThreshold(
                id=ref(53), version=1, tiers=(Tier(20_000, 3_000),), stacking_group="season"
            ),
            SpendThreshold(
                id=ref(54), version=1, tiers=(Tier(10_000, 1_000),), stacking_group="season"
            ),
            PercentOff(id=ref(55), version=1, off_bp=3_000, exclusive=True),
        ],
        now=datetime.fromisoformat("2026-06-18T12:00:00+08:00"),
        terms=Terms(denials=(Denial(season, season),)),
    )


def test_a_line_that_is_split_changes_nothing() -> None:
    document = example("buy-n-get-m")
    for line in document["lines"]:
        del line["key"]
    whole = priced(document)
    first = document["lines"][0]
    document["lines"] = [
        {**first, "quantity": 1},
        *document["lines"][1:],
        {**first, "quantity": first["quantity"] - 1},
    ]
    assert priced(document) == whole


def test_an_earlier_promotion_is_the_older_one() -> None:
    document = example("percent-off")
    document["promotions"] *= 2
    found = priced(document)
    assert [row["promotion_id"][-2:] for row in found["applied"]] == ["01"]
    assert [row["promotion_id"][-2:] for row in found["not_applied"]] == ["02"]


@pytest.mark.parametrize(
    ("limits", "left", "off_amount"),
    [
        ({}, {}, 2_000),
        ({"budget_amount": 1_500}, {}, 1_500),
        ({"budget_amount": 1_500}, {"budget_amount": 900}, 900),
        ({"budget_amount": 1_500}, {"budget_amount": 9_000}, 1_500),
        ({}, {"budget_amount": 900}, 900),
        ({"uses_max": 1}, {}, 2_000),
        ({"uses_max": 1}, {"uses": 0}, 0),
        ({"member_uses_max": 1}, {"member_uses": 0}, 0),
    ],
)
def test_what_is_left_of_limits(limits: Document, left: Document, off_amount: int) -> None:
    document = example("percent-off")
    document["promotions"][0] |= {"limits": limits, "left": left}
    assert priced(document)["goods_discount_amount"] == off_amount


@pytest.mark.parametrize(
    ("left", "available", "total_amount"),
    [([37], 40, 29_900), ([0], 40, 38_700), ([], 40, 29_900), ([None], None, 29_900)],
)
def test_what_is_left_of_a_tier(
    left: list[int | None], available: int | None, total_amount: int
) -> None:
    document = example("add-on")
    document["promotions"][0]["left"] = {"tier_units": left}
    document["goods"][0]["available"] = available
    assert priced(document)["total_amount"] == total_amount


def test_units_in_the_basket_are_not_given_as_well() -> None:
    document = example("gift")
    spoon, _ = document["goods"]
    line = {**spoon, "quantity": 4}
    del line["available"]
    document["lines"].append(line)
    codes = [row["code"] for row in priced(document)["not_applied"]]
    assert codes == ["gift_out_of_stock", "gift_out_of_stock"]


def test_a_file_without_a_buyer_is_somebody_not_signed_in() -> None:
    document = example("percent-off")
    document["promotions"][0]["conditions"] = {"new_buyers_only": True}
    assert [row["code"] for row in priced(document)["not_applied"]] == ["sign_in"]
    document["buyer"] = {}
    assert priced(document)["not_applied"] == []


def test_hours_are_those_of_the_shops_time_zone() -> None:
    document = example("percent-off")
    hours = [{"weekdays": [4], "from_minute": 720, "to_minute": 721}]
    document["promotions"][0]["conditions"] = {"hours": hours}
    assert priced(document)["not_applied"] == []
    document["shop"]["time_zone"] = "UTC"
    assert [row["code"] for row in priced(document)["not_applied"]] == ["outside_hours"]
