"""The catalogue over HTTP: what members see, what operators do, who is kept out."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from pydantic import BaseModel

from app.catalog import schemas
from app.catalog import service as catalog
from app.catalog.models import ProductKind, ProductStatus
from app.core.http.schema import Wish
from app.core.security import PrincipalKind
from app.identity.rules import PlatformRole, ShopRole
from tests.conftest import rows_in
from tests.factories import Stand, statements

NOWHERE = UUID(int=3)


def _code(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


async def _titles(stand: Stand, shop_id: UUID, **params: Any) -> list[str]:
    answer = await stand.client.get(f"/v1/shops/{shop_id}/products", params=params)
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


async def test_from_an_empty_platform_to_goods_on_sale(stand: Stand) -> None:
    admin = await stand.as_operator(await stand.operator(platform=PlatformRole.ADMIN))
    owner_id = await stand.operator()
    body = {
        "slug": "hill",
        "name": "杨梅山",
        "currency": "CNY",
        "shipping_flat_amount": 800,
        "owner_operator_id": str(owner_id),
    }
    opened = await admin.post("/v1/operator/shops", body)
    assert opened.status_code == 201, opened.text
    assert opened.headers["etag"] == '"1"'
    shop = f"/v1/operator/shops/{opened.json()['id']}"
    owner = await stand.as_operator(owner_id)

    category = await owner.post(f"{shop}/categories", {"name": "水果", "trust_domain": "fruit"})
    assert category.status_code == 201, category.text
    product = await owner.post(
        f"{shop}/products",
        {"title": "东魁杨梅", "category_id": category.json()["id"], "tags": ["fruit", "a"]},
    )
    assert product.status_code == 201, product.text
    assert product.json()["status"] == "draft"
    here = f"{shop}/products/{product.json()['id']}"
    variant = await owner.post(
        f"{here}/variants",
        {
            "sku": "YM-25",
            "title": "2.5kg",
            "list_amount": 9_900,
            "solo_amount": 8_900,
            "cost_amount": 5_000,
            "floor_amount": 4_000,
        },
    )
    assert variant.status_code == 201, variant.text
    stocked = await owner.post(
        f"{shop}/variants/{variant.json()['id']}/stock-adjustments",
        {"quantity": 150, "reason": "第一批"},
    )
    assert stocked.status_code == 201, stocked.text
    assert stocked.json()["available"] == 150
    published = await owner.post(f"{here}/publish")
    assert published.status_code == 200, published.text
    assert (published.json()["status"], published.headers["etag"]) == ("on_sale", '"2"')
    public = f"/v1/shops/{opened.json()['id']}"
    tree = (await stand.client.get(f"{public}/categories")).json()
    assert [c["trust_domain"] for c in tree["items"]] == ["fruit"]
    (item,) = (await stand.client.get(f"{public}/products")).json()["items"]
    assert (item["id"], item["in_stock"]) == (product.json()["id"], True)


async def test_what_members_see_of_it(stand: Stand) -> None:
    shop = await stand.shop(shipping_flat_amount=800)
    tags = frozenset({"fruit", "a"})
    product = await stand.product(
        shop.id, on_sale=False, tags=tags, description="现摘", is_private=True
    )
    variant = await stand.variant(shop.id, product.id, units=150, solo_amount=8_900, cost_amount=1)
    await stand.database.transact(
        lambda db: catalog.move_product(
            db, shop.id, product.id, ProductStatus.ON_SALE, now=stand.now
        )
    )
    shown = (await stand.client.get(f"/v1/products/{product.id}")).json()
    item = {
        "id": str(product.id),
        "shop_id": str(shop.id),
        "category_id": None,
        "title": "东魁杨梅",
        "kind": "goods",
        "is_private": True,
        "tags": ["a", "fruit"],
        "lowest_amount": 9_900,
        "currency": "CNY",
        "in_stock": True,
        "created_at": "2026-06-18T04:00:00Z",
    }
    assert shown == {
        **item,
        "description": "现摘",
        "variants": [
            {
                "id": str(variant.id),
                "sku": variant.sku,
                "title": "2.5kg",
                "list_amount": 9_900,
                "solo_amount": 8_900,
                "is_available": True,
                "available_quantity": 99,
            }
        ],
    }
    listed = (await stand.client.get(f"/v1/shops/{shop.id}/products")).json()
    assert listed == {"items": [item], "next_cursor": None}
    assert (await stand.client.get(f"/v1/shops/{shop.id}")).json() == {
        "id": str(shop.id),
        "slug": "hill",
        "name": "杨梅山",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "status": "open",
        "shipping_flat_amount": 800,
        "refund_policy": "keep",
    }


async def test_members_never_read_cost_or_floor(stand: Stand) -> None:
    shop = await stand.shop()
    await stand.goods(shop.id, units=1, cost_amount=1_234, floor_amount=1_235)
    (item,) = (await stand.client.get(f"/v1/shops/{shop.id}/products")).json()["items"]
    text = (await stand.client.get(f"/v1/products/{item['id']}")).text
    assert "cost" not in text
    assert "floor" not in text
    assert "123" not in text.replace(str(shop.id), "").replace(item["id"], "")


async def test_members_see_only_what_is_on_sale(stand: Stand) -> None:
    shop = await stand.shop()
    draft = await stand.product(shop.id, "draft", on_sale=False)
    await stand.variant(shop.id, draft.id)
    archived = await stand.product(shop.id, "archived")
    await stand.database.transact(
        lambda db: catalog.move_product(
            db, shop.id, archived.id, ProductStatus.ARCHIVED, now=stand.now
        )
    )
    await stand.product(shop.id, "shown")
    assert await _titles(stand, shop.id) == ["shown"]
    for hidden in (draft.id, archived.id, NOWHERE):
        answer = await stand.client.get(f"/v1/products/{hidden}")
        assert _code(answer, 404) == "not_found"
    for path in ("", "/products", "/categories"):
        answer = await stand.client.get(f"/v1/shops/{NOWHERE}{path}")
        assert _code(answer, 404) == "not_found"


async def test_filters(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    root = f"/v1/operator/shops/{shop.id}"
    department = (await owner.post(f"{root}/categories", {"name": "食品"})).json()["id"]
    fruit = (
        await owner.post(f"{root}/categories", {"name": "水果", "parent_id": department})
    ).json()["id"]
    await stand.product(shop.id, "100%杨梅_A", category_id=UUID(fruit), tags=frozenset({"x"}))
    await stand.product(shop.id, "1000杨梅BA", category_id=UUID(department))
    entry = await stand.product(shop.id, "Ticket", on_sale=False, kind=ProductKind.ENTRY)
    await stand.variant(shop.id, entry.id, list_amount=100, units=1)
    await owner.post(f"{root}/products/{entry.id}/publish")

    async def titles(**params: Any) -> set[str]:
        return set(await _titles(stand, shop.id, **params))

    assert await titles(category_id=department) == {"100%杨梅_A", "1000杨梅BA"}
    assert await titles(category_id=fruit) == {"100%杨梅_A"}
    assert await titles(category_id=str(NOWHERE)) == set()
    assert await titles(tag="x") == {"100%杨梅_A"}
    assert await titles(kind="entry") == {"Ticket"}
    assert await titles(in_stock=True) == {"Ticket"}
    assert await titles(price_to_amount=100) == {"Ticket"}
    assert await titles(price_from_amount=101) == {"100%杨梅_A", "1000杨梅BA"}
    assert await titles(price_from_amount=100, price_to_amount=99) == set()
    # The letters that LIKE reads as wild cards are letters here.
    assert await titles(q="0%") == {"100%杨梅_A"}
    assert await titles(q="_A") == {"100%杨梅_A"}
    assert await titles(q="tICK") == {"Ticket"}
    assert await titles(q="' OR 1=1 --") == set()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("newest", "edcba"),
        ("price_asc", "abdce"),
        ("price_desc", "ecdba"),
        ("title", "abcde"),
    ],
)
async def test_sorted_pages_hold_everything_once(stand: Stand, sort: str, expected: str) -> None:
    shop = await stand.shop()
    prices = {"a": 100, "b": 200, "c": 300, "d": 200, "e": 400}
    ids = {}
    for title, amount in prices.items():
        made = await stand.product(shop.id, title, on_sale=False)
        await stand.variant(shop.id, made.id, list_amount=amount)
        await stand.database.transact(
            lambda db, made=made: catalog.move_product(  # type: ignore[misc]
                db, shop.id, made.id, ProductStatus.ON_SALE, now=stand.now
            )
        )
        ids[title] = made.id
    seen: list[str] = []
    params: dict[str, Any] = {"sort": sort, "limit": 2}
    pages = 0
    while True:
        answer = (await stand.client.get(f"/v1/shops/{shop.id}/products", params=params)).json()
        seen += [item["title"] for item in answer["items"]]
        pages += 1
        if answer["next_cursor"] is None:
            break
        params["cursor"] = answer["next_cursor"]
    assert "".join(seen) == expected
    assert pages == 3


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        {"sort": "cheapest"},
        {"kind": "x"},
        {"category_id": "x"},
        {"price_from_amount": -1},
        {"price_to_amount": 10**13},
        {"q": "x" * 121},
        {"q": "a\x00b"},
        {"tag": "a b"},
        {"cursor": "forged"},
    ],
)
async def test_questions_that_make_no_sense(stand: Stand, params: dict[str, Any]) -> None:
    shop = await stand.shop()
    answer = await stand.client.get(f"/v1/shops/{shop.id}/products", params=params)
    assert _code(answer, 422) in {"validation_failed", "invalid_cursor"}


async def test_a_cursor_belongs_to_its_list(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    for _ in range(3):
        await stand.product(shop.id)
    first = await stand.client.get(f"/v1/shops/{shop.id}/products", params={"limit": 2})
    cursor = first.json()["next_cursor"]
    for path, params in (
        (f"/v1/shops/{other.id}/products", {}),
        (f"/v1/shops/{shop.id}/products", {"sort": "title"}),
    ):
        answer = await stand.client.get(path, params={**params, "cursor": cursor})
        assert _code(answer, 422) == "invalid_cursor"


async def test_lists_and_details_ask_as_often_whatever_their_size(stand: Stand) -> None:
    shop = await stand.shop()
    for _ in range(80):
        product = await stand.product(shop.id, tags=frozenset({"a", "b"}))
    owner = await stand.as_owner(shop.id)
    counts = []
    for limit in (20, 80):
        with statements(stand.database) as seen:
            answer = await stand.client.get(
                f"/v1/shops/{shop.id}/products", params={"limit": limit}
            )
        assert len(answer.json()["items"]) == limit
        counts.append(len(seen))
        with statements(stand.database) as seen:
            listed = await owner.get(f"/v1/operator/shops/{shop.id}/products", limit=limit)
        assert len(listed.json()["items"]) == limit
        assert len(seen) == 2
    assert counts == [1, 1]
    for more in (0, 20):
        for _ in range(more):
            await stand.variant(shop.id, product.id, units=1)
        with statements(stand.database) as seen:
            detail = await stand.client.get(f"/v1/products/{product.id}")
        assert len(detail.json()["variants"]) == 1 + more
        assert len(seen) == 2


async def test_edits_name_the_version_they_were_made_on(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id)
    root = f"/v1/operator/shops/{shop.id}"
    for path, body in (
        (root, {"status": "paused"}),
        (f"{root}/products/{product.id}", {"title": "新"}),
        (f"{root}/variants/{variant.id}", {"list_amount": 8_800}),
    ):
        before = await owner.get(path)
        assert before.headers["etag"] == '"1"'
        assert _code(await owner.patch(path, body), 428) == "version_required"
        assert _code(await owner.patch(path, body, 7), 412) == "version_mismatch"
        assert (await owner.get(path)).json() == before.json()
        done = await owner.patch(path, body, 1)
        assert (done.status_code, done.headers["etag"]) == (200, '"2"')
        assert done.json() == {**before.json(), **body, "version": 2}
        assert _code(await owner.patch(path, body, 1), 412) == "version_mismatch"
    prices = (await owner.get(f"{root}/variants/{variant.id}/prices")).json()["items"]
    assert [p["list_amount"] for p in prices] == [8_800, 9_900]
    assert prices[0]["actor_kind"] == "operator"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"status": None}),
        ("", {"slug": "new"}),
        ("", {"currency": "USD"}),
        ("", {"time_zone": "Mars/Olympus"}),
        ("", {"shipping_flat_amount": 1.0}),
        ("", {"shipping_flat_amount": True}),
        ("", {"shop_id": str(NOWHERE)}),
        ("/products/{product}", {"title": ""}),
        ("/products/{product}", {"kind": "entry"}),
        ("/products/{product}", {"tags": ["a b"]}),
        ("/products/{product}", {"lowest_amount": 1}),
        ("/variants/{variant}", {"list_amount": None}),
        ("/variants/{variant}", {"list_amount": -1}),
        ("/variants/{variant}", {"list_amount": 10**12 + 1}),
        ("/variants/{variant}", {"list_amount": "1"}),
        ("/variants/{variant}", {"sku": "NEW"}),
    ],
)
async def test_edits_that_do_not_fit(stand: Stand, path: str, body: Any) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id)
    before = await rows_in(stand.database)
    where = path.format(product=product.id, variant=variant.id)
    answer = await owner.patch(f"/v1/operator/shops/{shop.id}{where}", body, 1)
    assert _code(answer, 422) == "validation_failed"
    assert await rows_in(stand.database) == before


async def test_the_refusals_of_operators_answers(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    root = f"/v1/operator/shops/{shop.id}"
    product = await stand.product(shop.id, on_sale=False)
    variant = await stand.variant(shop.id, product.id, sku="YM", units=5, floor_amount=100)
    new = {"sku": "YM", "title": "x", "list_amount": 100}
    one = f"{root}/variants/{variant.id}"
    before = await rows_in(stand.database)
    cases: list[tuple[str, Any, int, str]] = [
        (f"{root}/products/{product.id}/variants", new, 409, "sku_taken"),
        (
            f"{root}/products/{product.id}/variants",
            {**new, "sku": "B", "floor_amount": 101},
            409,
            "price_below_floor",
        ),
        (f"{root}/products/{NOWHERE}/variants", new, 404, "not_found"),
        (f"{root}/products/{NOWHERE}/publish", None, 404, "not_found"),
        (
            f"{root}/products",
            {"title": "x", "category_id": str(NOWHERE)},
            404,
            "category_not_found",
        ),
        (
            f"{one}/stock-adjustments",
            {"quantity": -6, "reason": "x"},
            409,
            "stock_below_committed",
        ),
        (
            f"{one}/stock-adjustments",
            {"quantity": 0, "reason": "x"},
            422,
            "validation_failed",
        ),
        (f"{root}/categories/{NOWHERE}/archive", None, 404, "not_found"),
    ]
    for path, body, status, code in cases:
        assert _code(await owner.post(path, body), status) == code, path
    answer = await owner.patch(one, {"list_amount": 99}, 1)
    assert _code(answer, 409) == "price_below_floor"
    after = await rows_in(stand.database)
    # A refusal leaves nothing but the kept answer of its key.
    after.pop("idempotency_answers"), before.pop("idempotency_answers")
    assert after == before


async def test_who_may_not_come_in(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    product = await stand.product(shop.id)
    stranger = await stand.as_owner(other.id)
    auditor = await stand.as_operator(await stand.operator(shop.id, role=ShopRole.AUDITOR))
    member = await stand.as_member(await stand.member())
    root = f"/v1/operator/shops/{shop.id}"
    wish = {"title": "x"}
    assert _code(await member.get(root), 403) == "forbidden"
    assert _code(await stranger.get(root), 404) == "not_found"
    assert _code(await stranger.post(f"{root}/products", wish), 404) == "not_found"
    assert _code(await auditor.post(f"{root}/products", wish), 403) == "forbidden"
    assert (await auditor.get(f"{root}/products/{product.id}")).status_code == 200
    assert _code(await stand.client.get(root), 401) == "unauthenticated"
    opening = {"slug": "third", "name": "x", "currency": "CNY"}
    assert _code(await stranger.post("/v1/operator/shops", opening), 403) == "forbidden"
    # Ids of one shop are unknown below another's path.
    foreign = f"/v1/operator/shops/{other.id}/products/{product.id}"
    assert _code(await stranger.get(foreign), 404) == "not_found"
    assert _code(await stranger.patch(foreign, wish, 2), 404) == "not_found"
    assert _code(await stranger.post(f"{foreign}/archive"), 404) == "not_found"


async def test_each_operator_lists_the_shops_it_has_a_role_in(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    owner = await stand.as_owner(shop.id)
    admin = await stand.as_operator(await stand.operator(platform=PlatformRole.ADMIN))
    nobody = await stand.as_operator(await stand.operator())

    async def slugs(caller: Any) -> list[str]:
        answer = await caller.get("/v1/operator/shops")
        return [item["slug"] for item in answer.json()["items"]]

    assert await slugs(owner) == ["hill"]
    assert await slugs(admin) == ["other", "hill"]
    assert await slugs(nobody) == []
    assert other.slug == "other"


async def test_the_same_key_twice_is_one_product(stand: Stand) -> None:
    shop = await stand.shop()
    owner_id = await stand.operator(shop.id)
    headers = await stand.token(PrincipalKind.OPERATOR, owner_id)
    headers["Idempotency-Key"] = uuid4().hex
    path = f"/v1/operator/shops/{shop.id}/products"
    answers = [
        await stand.client.post(path, json={"title": "x"}, headers=headers) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["etag"] == '"1"'
    assert (await rows_in(stand.database))["products"] == 1


def _requests() -> list[type[BaseModel]]:
    shapes = [v for v in vars(schemas).values() if isinstance(v, type)]
    return [s for s in shapes if issubclass(s, Wish)]


@pytest.mark.parametrize("shape", _requests())
def test_every_request_shape_has_an_example_that_fits(shape: type[BaseModel]) -> None:
    (example,) = shape.model_json_schema()["examples"]
    assert shape.model_validate(example).model_dump(exclude_unset=True).keys() == example.keys()
