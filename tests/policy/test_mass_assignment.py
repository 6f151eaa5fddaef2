"""Fields that nobody asked for: refused by name wherever a body has an object, never swallowed.

The accident this prevents: a shape that lets `price_amount`, `role` or `status` slip through to a
row because somebody dumped the whole body into it.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.policy.contract import Operation, objects_in, operations
from tests.policy.table import POLICY, Kind, Who
from tests.policy.test_policy import request_of
from tests.policy.world import World, send

pytestmark = pytest.mark.one_database

SMUGGLED: dict[str, Any] = {
    "price": 1,
    "amount": 1,
    "price_amount": 1,
    "total_amount": 1,
    "status": "paid",
    "shop_id": "01980c5e-7a40-7c4e-9d0f-2f1f5a5cf7a1",
    "member_id": "01980c5e-7a40-7c4e-9d0f-2f1f5a5cf7a1",
    "tenant_id": "01980c5e-7a40-7c4e-9d0f-2f1f5a5cf7a1",
    "role": "owner",
    "scopes": ["platform.write"],
    "platform_role": "admin",
    "taken": 0,
    "is_admin": True,
    "created_at": "2020-01-01T00:00:00Z",
    "version": 99,
}
WITH_BODY = [o for o in operations() if o.media]
# Whose call would go through, were it not for the field.
WHO = {
    Kind.PUBLIC: Who.NOBODY,
    Kind.MEMBER: Who.BUYER,
    Kind.OWN: Who.BUYER,
    Kind.OPERATOR: Who.OWNER,
    Kind.SHOP: Who.OWNER,
    Kind.PLATFORM: Who.ADMIN,
}


def fields_of(operation: Operation) -> set[str]:
    """What the outermost object of the body may say."""
    return set(operation.body_schema["properties"])


def smuggling(operation: Operation, body: dict[str, Any]) -> Iterator[tuple[str, set[str], Any]]:
    """The body once for each object in it, with all fields in there that it does not know."""
    for pointer, inside in objects_in(body):
        known = set(inside) if pointer else fields_of(operation)
        more = {name: value for name, value in SMUGGLED.items() if name not in known}
        wrong = deepcopy(body)
        next(part for found, part in objects_in(wrong) if found == pointer).update(more)
        yield pointer, set(more), wrong


def test_every_body_refuses_what_it_does_not_know() -> None:
    loose = [str(o) for o in WITH_BODY if o.body_schema.get("additionalProperties") is not False]
    assert loose == []
    assert len(WITH_BODY) > 20


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_field_too_many_is_refused_by_name(world: World, operation: Operation) -> None:
    who = WHO[POLICY[operation.method, operation.path].kind]
    right = POLICY[operation.method, operation.path].right
    before = await world.contents()
    url = operation.url(world.ids)
    for pointer, names, wrong in smuggling(operation, operation.example(world.ids)):
        assert len(names) > 5
        more = request_of(operation, world.ids, wrong)
        if operation.has_version:
            more["headers"] = {"If-Match": '"1"'}
        answer = await send(world.caller(who, right), operation.method, url, **more)
        assert answer.status_code == 422, (pointer, answer.status_code, answer.text)
        document = answer.json()
        assert document["code"] == "validation_failed"
        refused = {f["pointer"] for f in document["errors"] if f["code"] == "extra_forbidden"}
        assert {place.rpartition("/")[2] for place in refused} >= names, (pointer, refused)
    assert await world.contents() == before
