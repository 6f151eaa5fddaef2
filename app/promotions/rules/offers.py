"""What a promotion may not promise of the goods there are: judged at save and at activation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.promotions.errors import BadPromotion
from app.promotions.models import PromotionKind
from app.promotions.rules.shelf import Document, Shelf, offered


@dataclass(frozen=True, slots=True)
class Giving:
    """An add-on or a gift: goods that it asks for, and goods that it gives."""

    id: UUID
    rule: Document
    match: Document


def check_goods(rule: Document, match: Document, shelf: Shelf, given: Shelf) -> None:
    """Refuse a bundle that saves nothing, a gift that is not there, an add-on that is no bargain.

    The shelf has the goods that the promotion touches or asks for, `given` those that it gives.
    """
    check = _CHECKS.get(PromotionKind(rule["kind"]))
    if check is not None:
        check(rule, match, shelf, given)


def _bundle(rule: Document, match: Document, shelf: Shelf, _given: Shelf) -> None:
    fitting = [shelf.chosen(mask) for mask in shelf.parts(rule, match)]
    empty = [place for place, goods in enumerate(fitting) if not goods]
    if empty:
        raise BadPromotion(reason="unknown_goods", parts=empty)
    # Of the dearest that fits each part: at that price or above no set could save anything.
    whole = sum(
        part["quantity"] * max(one.goods.list_amount for one in goods)
        for part, goods in zip(rule["parts"], fitting, strict=True)
    )
    if rule["price_amount"] >= whole:
        raise BadPromotion(reason="bundle_not_below_parts", parts_amount=whole)


def _gift(rule: Document, _match: Document, _shelf: Shelf, given: Shelf) -> None:
    available = sum(one.goods.available for one in given.goods)
    if available < rule.get("quantity", 1):
        raise BadPromotion(
            reason="gift_without_stock", variant_id=rule["variant_id"], available=available
        )


def _add_on(rule: Document, match: Document, shelf: Shelf, given: Shelf) -> None:
    amounts = {one.goods.variant_id: one.goods.list_amount for one in given.goods}
    gone = sorted(offered(rule) - amounts.keys())
    if gone:
        raise BadPromotion(reason="unknown_goods", ids=[str(each) for each in gone])
    dear = [
        variant_id
        for tier in rule["tiers"]
        for variant_id in tier["variant_ids"]
        if tier["price_amount"] >= amounts[UUID(variant_id)]
    ]
    if dear:
        raise BadPromotion(reason="add_on_not_below_price", variant_ids=dear)
    asked = {one.goods.variant_id for one in shelf.chosen(shelf.mask(match))}
    if match and asked and asked <= offered(rule):
        raise BadPromotion(reason="add_on_qualifies_itself")


_CHECKS: Mapping[PromotionKind, Callable[[Document, Document, Shelf, Shelf], None]] = {
    PromotionKind.BUNDLE: _bundle,
    PromotionKind.GIFT: _gift,
    PromotionKind.ADD_ON: _add_on,
}


def check_cycle(fresh: Giving, others: Sequence[Giving], given: Shelf) -> None:
    """Refuse a promotion that gives what another asks for, which gives what the first asks for.

    Only matches that name products or variants count: one that asks for any goods of a category
    or shop can be met without what is given. `given` has the goods that all of them give.
    """
    gifts = {one.id: offered(one.rule) for one in (*others, fresh)}
    asks = {one.id: _asked_by_name(one.match, given) for one in (*others, fresh)}
    reached = {fresh.id}
    waiting: list[tuple[UUID, ...]] = [(fresh.id,)]
    while waiting:
        path = waiting.pop(0)
        unlocked = [each for each in asks if gifts[path[-1]] & asks[each] and each != path[-1]]
        if fresh.id in unlocked:
            raise BadPromotion(reason="cycle", promotion_ids=[str(each) for each in path[1:]])
        waiting += [(*path, each) for each in unlocked if each not in reached]
        reached.update(unlocked)


def _asked_by_name(match: Document, given: Shelf) -> frozenset[UUID]:
    if not (match.get("product_ids") or match.get("variant_ids")):
        return frozenset()
    return frozenset(one.goods.variant_id for one in given.chosen(given.mask(match)))
