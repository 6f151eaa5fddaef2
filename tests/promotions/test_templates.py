"""Templates are promotions that a shop can create and activate as they are."""

from typing import Any
from uuid import UUID

from app.promotions.models import PromotionKind
from tests.factories import Caller, Stand

TAGS = frozenset({"fruit", "snack", "cosmetics", "tissues", "juicer"})


def at(body: Any, pointer: str) -> Any:
    """What a JSON pointer names; KeyError or IndexError where there is nothing."""
    for step in pointer.removeprefix("/").split("/"):
        body = body[int(step)] if isinstance(body, list) else body[step]
    return body


def filled(template: dict[str, Any], variant_id: UUID) -> dict[str, Any]:
    body: dict[str, Any] = template["body"]
    for field in template["fields"]:
        if field["must_fill"]:
            head, _, last = field["pointer"].rpartition("/")
            holder = at(body, head)
            holder[last] = [str(variant_id)] if isinstance(holder[last], list) else str(variant_id)
    return body


async def templates(owner: Caller) -> list[dict[str, Any]]:
    answer = await owner.get("/v1/operator/promotion-templates")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_each_is_created_and_activated_once_its_goods_are_named(stand: Stand) -> None:
    shop = await stand.shop(shipping_flat_amount=800)
    owner = await stand.as_owner(shop.id)
    for tag in sorted(TAGS):
        await stand.product(shop.id, tags=frozenset({tag}))
    cup = await stand.goods(shop.id, units=600)
    path = f"/v1/operator/shops/{shop.id}/promotions"
    for template in await templates(owner):
        made = await owner.post(path, filled(template, cup.id))
        assert made.status_code == 201, (template["key"], made.text)
        shown = made.json()
        assert (shown["kind"], shown["status"]) == (template["kind"], "draft")
        codes = {warning["code"] for warning in shown["warnings"]}
        assert codes <= {"overlap"}, (template["key"], shown["warnings"])
        live = await owner.post(f"{path}/{shown['id']}/activate")
        assert live.status_code == 200, (template["key"], live.text)
        assert live.json()["status"] == "running"


async def test_every_mechanic_has_one_in_both_languages(stand: Stand) -> None:
    shop = await stand.shop()
    found = await templates(await stand.as_owner(shop.id))
    assert {template["kind"] for template in found} == {kind.value for kind in PromotionKind}
    keys = [template["key"] for template in found]
    assert len(keys) == len(set(keys))
    for template in found:
        assert template["summary_zh"] != template["summary_en"]
        for field in template["fields"]:
            at(template["body"], field["pointer"])
            assert field["en"].isascii(), field
            assert not field["zh"].isascii(), field


async def test_a_stand_in_that_is_left_names_no_goods(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    for template in await templates(owner):
        if any(field["must_fill"] for field in template["fields"]):
            path = f"/v1/operator/shops/{shop.id}/promotions"
            answer = await owner.post(path, template["body"])
            assert answer.json()["params"]["reason"] == "unknown_goods", template["key"]
