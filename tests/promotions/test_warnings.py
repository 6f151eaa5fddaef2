"""What an operator is warned about, and what not."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.catalog.rules import Stocked
from app.core.ids import new_id
from app.promotions.rules.shelf import Shelf
from app.promotions.rules.warnings import Rival, Scene, below_cost, warnings_of
from tests.factories import Stand
from tests.promotions.ground import desk
from tests.promotions.shelves import ALL, CREAM, CUP, TISSUES, goods, scene


def codes(told: Scene) -> list[str]:
    return [one.code for one in warnings_of(told)]


def percent(off_bp: int, **more: Any) -> dict[str, Any]:
    return {"kind": "percent_off", "off_bp": off_bp, **more}


def amount(off_amount: int, per: str = "unit") -> dict[str, Any]:
    return {"kind": "amount_off", "per": per, "off_amount": off_amount}


def bundle(price: int) -> dict[str, Any]:
    parts = [
        {"match": {"variant_ids": [str(CREAM)]}, "quantity": 1},
        {"match": {"variant_ids": [str(TISSUES)]}, "quantity": 2},
    ]
    return {"kind": "bundle", "parts": parts, "price_amount": price}


@pytest.mark.parametrize(
    ("rule", "more", "is_below"),
    [
        (percent(2_000), {}, False),
        (percent(2_010), {}, True),
        (percent(2_010), {"floor_amount": 800}, False),
        (percent(2_010), {"cost_amount": None}, False),
        (percent(1_000), {"solo_amount": 850}, True),
        (percent(9_000, line_off_max_amount=200), {}, False),
        (percent(9_000, off_max_amount=201), {}, True),
        (
            percent(0, ladder=[{"units": 2, "off_bp": 1_000}, {"units": 3, "off_bp": 3_000}]),
            {},
            True,
        ),
        (amount(200), {}, False),
        (amount(201), {}, True),
        (amount(201, "line"), {}, True),
    ],
)
def test_a_unit_below_its_cost(rule: dict[str, Any], more: dict[str, Any], is_below: bool) -> None:
    assert below_cost(scene(rule, goods(**more))) == ([CREAM] if is_below else [])


@pytest.mark.parametrize(("price", "found"), [(1_400, []), (1_399, [CREAM, TISSUES])])
def test_a_set_below_the_cost_of_its_units(price: int, found: list[UUID]) -> None:
    stocked = (goods(), goods(TISSUES, list_amount=500, cost_amount=300))
    assert below_cost(scene(bundle(price), *stocked)) == found


@pytest.mark.parametrize(("price", "found"), [(800, []), (799, [CUP])])
def test_an_add_on_below_its_cost(price: int, found: list[UUID]) -> None:
    rule = {
        "kind": "add_on",
        "tiers": [{"price_amount": price, "variant_ids": [str(CUP)]}],
    }
    assert below_cost(scene(rule, goods(), given=Shelf([goods(CUP)]))) == found


@pytest.mark.parametrize(
    ("rule", "more", "shipping"),
    [
        (percent(1_000), {"floor_amount": 1_000}, 0),
        (percent(4), {}, 0),
        (amount(100), {"floor_amount": 1_000}, 0),
        (amount(100, "order"), {"floor_amount": 1_000}, 0),
        ({"kind": "buy_n_get_m", "buy": 1, "get": 1}, {"list_amount": 0}, 0),
        ({"kind": "free_shipping"}, {}, 0),
        ({"kind": "shipping_off", "off_amount": 5}, {}, 0),
    ],
)
def test_a_rule_that_saves_nothing(
    rule: dict[str, Any], more: dict[str, Any], shipping: int
) -> None:
    more = {"cost_amount": None, **more}
    assert codes(scene(rule, goods(**more), shipping_amount=shipping)) == ["no_saving"]
    cup = goods(CUP, cost_amount=None)
    assert codes(scene(rule, goods(**more), cup, shipping_amount=800)) == (
        ["no_saving"] if rule == percent(4) else []
    )


@pytest.mark.parametrize(("price", "told"), [(1_999, []), (2_000, ["no_saving"])])
def test_a_set_that_saves_nothing_alone(price: int, told: list[str]) -> None:
    """What is bought alone costs its solo price, which a bundle has to beat too."""
    stocked = (
        goods(list_amount=1_500, solo_amount=1_000, cost_amount=None),
        goods(TISSUES, list_amount=500, cost_amount=None),
    )
    assert codes(scene(bundle(price), *stocked)) == told


@pytest.mark.parametrize(
    ("rule", "stocked"),
    [
        (percent(1_000), ()),
        (percent(1_000), (goods(is_on_sale=False),)),
        (bundle(900), (goods(cost_amount=None),)),
    ],
)
def test_nothing_on_sale_that_it_touches(
    rule: dict[str, Any], stocked: tuple[Stocked, ...]
) -> None:
    assert codes(scene(rule, *stocked)) == ["no_goods"]


def test_rivals_on_the_same_goods_are_named() -> None:
    care, cups = {"tags_any": ["care"]}, {"tags_any": ["cup"]}
    rivals = [
        Rival(new_id(), rule, match)
        for rule, match in (
            (percent(1_000), ALL),
            (percent(1_000), cups),
            (bundle(900), ALL),
            ({"kind": "free_shipping"}, ALL),
            ({"kind": "spend_threshold", "tiers": []}, care),
        )
    ]
    told = scene(percent(500), goods(), match=care, rivals=rivals)
    [warning] = warnings_of(told)
    assert warning.code == "overlap"
    assert warning.params == {"promotion_ids": [str(rivals[n].id) for n in (0, 2, 4)]}


async def test_warnings_come_with_every_answer_about_one_promotion(stand: Stand) -> None:
    office = await desk(stand)
    owner = await stand.as_owner(office.shop_id)
    path = f"/v1/operator/shops/{office.shop_id}/promotions"
    body = {"name_zh": "八折", "name_en": "20% off", "rule": percent(2_000)}
    made = (await owner.post(path, body)).json()
    assert made["warnings"] == [{"code": "no_goods", "params": {}}]
    one = f"{path}/{made['id']}"
    await stand.product(office.shop_id)
    assert (await owner.get(one)).json()["warnings"] == []
    rival = await office.live()
    over = await office.live(ends_at=stand.now + timedelta(hours=1))
    stand.clock.advance(hours=1)
    owner = await stand.as_owner(office.shop_id)
    overlap = [{"code": "overlap", "params": {"promotion_ids": [str(rival["id"])]}}]
    assert (await owner.patch(one, {"priority": 1}, version=1)).json()["warnings"] == overlap
    assert (await owner.post(one + "/activate")).json()["warnings"] == overlap
    assert "overlap" in await office.warnings(over)
    listed = (await owner.get(path)).json()["items"]
    assert all("warnings" not in item for item in listed)
