"""Messages: what they say, that they are never too long, and that their schemas tell the truth."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.events import Event, event_from_row, payload_of
from app.groupbuy.events import GroupFailed, GroupSucceeded, PaidBack
from app.main import create_app
from app.webhooks.schemas.published import HEADERS, published, webhooks_of
from app.webhooks.service import messages
from app.webhooks.service.messages import BODY_BYTES_MAX, body_of, message_of
from app.webhooks.service.samples import sample_of
from app.wiring import EVENTS, WIRING
from tests.conftest import make_settings
from tests.policy.schema import faults
from tests.webhooks.compatibility import breaks
from tests.webhooks.switchboard import Switchboard, outbox

AT = datetime(2026, 6, 18, 4, 0, 0, 123456, tzinfo=UTC)
SNAPSHOT = Path(__file__).with_name("published.json")
every_kind = pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.kind)
SCHEMAS = create_app(make_settings("sqlite:///not-opened.db")).openapi()["components"]["schemas"]


def fact(event: Event, sequence: int = 7) -> dict[str, Any]:
    """The row of the outbox that this fact would be."""
    return {
        "id": uuid4(),
        "kind": event.kind,
        "version": event.version,
        "shop_id": event.shop_id,
        "aggregate": event.aggregate,
        "aggregate_id": event.aggregate_id,
        "sequence": sequence,
        "at": event.at,
        "payload": payload_of(event),
    }


def sampled(kind: type[Event]) -> dict[str, Any]:
    return {**sample_of(kind, shop_id=uuid4(), at=AT), "id": uuid4()}


def schema_of(kind: type[Event]) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMAS[f"{kind.__name__}Message"]
    return found


@every_kind
def test_every_kinds_message_fits_its_schema(kind: type[Event]) -> None:
    told = json.loads(body_of(sampled(kind)))
    assert faults(told, schema_of(kind)) == []
    assert told["type"] == kind.kind
    assert (told["version"], told["aggregate"]) == (kind.version, kind.aggregate)
    own = {f.name for f in fields(kind)} - {"at", "shop_id", "aggregate_id"}
    assert told["data"].keys() == own
    assert "test" not in told


@every_kind
def test_a_message_that_does_not_fit_would_be_noticed(kind: type[Event]) -> None:
    told = json.loads(body_of(sampled(kind)))
    schema = schema_of(kind)
    assert faults({**told, "type": "other"}, schema) != []
    assert faults({**told, "sequence": 0}, schema) != []
    for name in told["data"]:
        less = {k: v for k, v in told["data"].items() if k != name}
        assert faults({**told, "data": less}, schema) != [], name
        assert faults({**told, "data": {**told["data"], name: {"a": 1}}}, schema) != [], name


@every_kind
def test_a_sample_can_be_read_back_as_the_fact(kind: type[Event]) -> None:
    """What integrators see in a test is what the class itself would say."""
    sample = sample_of(kind, shop_id=uuid4(), at=AT)
    assert json.loads(json.dumps(sample)) == sample
    row = {**sample, "at": AT, "shop_id": uuid4(), "aggregate_id": UUID(sample["aggregate_id"])}
    revived = event_from_row(kind, row)  # type: ignore[arg-type]
    assert payload_of(revived) == sample["payload"]


def test_a_message_says_who_what_when_and_which() -> None:
    [kind] = [k for k in EVENTS if k.kind == "order.received"]
    order_id, member_id, shop_id = uuid4(), uuid4(), uuid4()
    row = fact(
        kind(at=AT, shop_id=shop_id, aggregate_id=order_id, order_id=order_id, member_id=member_id)  # type: ignore[call-arg]
    )
    assert message_of(row) == {
        "type": "order.received",
        "version": 1,
        "id": str(row["id"]),
        "timestamp": "2026-06-18T04:00:00.123456Z",
        "shop_id": str(shop_id),
        "aggregate": "order",
        "aggregate_id": str(order_id),
        "sequence": 7,
        "data": {"order_id": str(order_id), "member_id": str(member_id)},
        "truncated": [],
    }


def test_a_test_message_says_so_and_has_the_id_of_its_delivery() -> None:
    [kind] = [k for k in EVENTS if k.kind == "order.paid"]
    delivery_id, shop_id = uuid4(), uuid4()
    sample = json.loads(json.dumps(sample_of(kind, shop_id=shop_id, at=AT)))
    row = {"id": delivery_id, "kind": kind.kind, "shop_id": shop_id, "sample": sample}
    told = message_of(messages.test_fact(row))
    assert (told["id"], told["test"], told["type"]) == (str(delivery_id), True, "order.paid")
    assert faults(told, schema_of(kind)) == []


def group(seats: int) -> GroupSucceeded:
    group_id = uuid4()
    orders = tuple(uuid4() for _ in range(seats))
    back = tuple(PaidBack(order_id=o, unit_amount=10**12, reward_amount=10**12) for o in orders)
    return GroupSucceeded(
        at=AT,
        shop_id=uuid4(),
        aggregate_id=group_id,
        group_id=group_id,
        campaign_id=uuid4(),
        order_ids=orders,
        paid=seats,
        is_short=False,
        paid_back=back,
    )


@pytest.mark.parametrize("seats", [2, 100, 110, 120, 130, 200, 400, 1_000, 20_000])
def test_a_group_of_any_size_is_told_in_under_20_kb(seats: int) -> None:
    event = group(seats)
    row = fact(event)
    body = body_of(row)
    assert len(body) < BODY_BYTES_MAX == 20_000
    told = json.loads(body)
    assert faults(told, schema_of(GroupSucceeded)) == []
    assert told["data"]["paid"] == seats
    whole = row["payload"]
    cut = [name for name in ("order_ids", "paid_back") if told["data"][name] != whole[name]]
    assert sorted(told["truncated"]) == cut
    for name in ("order_ids", "paid_back"):
        kept = told["data"][name]
        assert kept == whole[name][: len(kept)], "a beginning, in the same order"
    if cut:
        assert len(body) > 19_000, "not more is cut than has to be"
    assert len(whole["order_ids"]) == seats, "the fact itself stays whole"


def test_two_long_lists_are_both_cut() -> None:
    group_id = uuid4()
    many = tuple(uuid4() for _ in range(2_000))
    event = GroupFailed(
        at=AT,
        shop_id=uuid4(),
        aggregate_id=group_id,
        group_id=group_id,
        campaign_id=uuid4(),
        cause="too_few",
        paid_order_ids=many,
        unpaid_order_ids=many,
        units=4_000,
    )
    told = json.loads(body_of(fact(event)))
    assert sorted(told["truncated"]) == ["paid_order_ids", "unpaid_order_ids"]
    assert len(body_of(fact(event))) < BODY_BYTES_MAX


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(lambda t: t * 400)
_LISTS = st.lists(_TEXTS | st.integers() | st.lists(_TEXTS, max_size=3), max_size=30)
_MAPS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), _TEXTS)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,20}", fullmatch=True), _TEXTS | _LISTS | _MAPS, max_size=8
    )
)
def test_any_data_is_cut_to_size_and_what_is_cut_is_named(data: Mapping[str, Any]) -> None:
    row = {**sampled(GroupSucceeded), "payload": data}
    body = body_of(row)
    assert len(body) < BODY_BYTES_MAX
    told = json.loads(body)
    changed = {name for name in data if told["data"][name] != data[name]}
    assert changed == set(told["truncated"])
    assert told["data"].keys() == data.keys()


async def test_a_message_is_the_same_whenever_it_is_rendered(board: Switchboard) -> None:
    """From the row as the database gives it back, also in another order of its members."""
    ann = await board.buyer("ann")
    await board.pay(ann, await board.place(ann))
    rows = await board.rows(outbox)
    assert len(rows) >= 3
    for row in rows:
        once, again = message_of(row), message_of(row)
        assert once == again == json.loads(body_of(row))
        assert faults(once, schema_of(WIRING.kinds[row["kind"]])) == []
    assert rows == await board.rows(outbox), "rendering writes nothing"


def test_the_section_has_every_kind_with_its_signature_headers() -> None:
    document = create_app(make_settings("sqlite:///not-opened.db")).openapi()
    assert document["openapi"].startswith("3.1")
    assert document["webhooks"].keys() == {kind.kind for kind in EVENTS}
    for name, path in document["webhooks"].items():
        said = path["post"]
        names = [p["name"] for p in said["parameters"]]
        assert names == ["webhook-id", "webhook-timestamp", "webhook-signature"]
        reference = said["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rsplit("/", 1)[-1]]
        [example] = schema["examples"]
        assert example["type"] == name
        assert faults(example, schema) == []
        assert list(said["responses"]) == ["2XX"]
        assert said["description"]
    assert len(HEADERS) == 3


def current() -> dict[str, Any]:
    """What is published now, by kind and version."""
    return {f"{kind.kind}@{kind.version}": published(kind) for kind in EVENTS}


def test_published_schemas_are_those_of_the_snapshot() -> None:
    """A change of an event's class is a change of a contract: it is made on purpose.

    What an integrator may rely on (a member, its type) must not change within a version: give the
    event's class the next `version`. What is only added may be, by `python -m
    tests.webhooks.compatibility`, which writes the snapshot anew and refuses all else.
    """
    stored = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    now = current()
    assert sorted(now.keys() - stored.keys()) == []
    assert [name for name in now if now[name] != stored[name]] == []


def _with(schema: dict[str, Any], **data: Any) -> dict[str, Any]:
    """The schema with members of `data` changed, or left out where they are None."""
    changed: dict[str, Any] = json.loads(json.dumps(schema))
    [name] = [n for n in changed["$defs"] if n.endswith("Data")]
    properties = changed["$defs"][name]["properties"]
    for member, told in data.items():
        if told is None:
            del properties[member]
            changed["$defs"][name]["required"].remove(member)
        else:
            properties[member] = told
    return changed


def test_what_would_break_an_integrator_is_told_from_what_is_only_added() -> None:
    stored = current()["order.paid@1"]
    assert breaks(stored, stored) == []
    assert breaks(stored, _with(stored, tip_amount={"type": "integer"})) == []
    assert breaks(stored, _with(stored, total_amount=None)) != []
    assert breaks(stored, _with(stored, total_amount={"type": "string"})) != []
    assert breaks(stored, _with(stored, order_id={"type": "string"})) != []
    nullable = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert breaks(stored, _with(stored, total_amount=nullable)) != []


def test_two_shapes_of_one_name_are_refused() -> None:
    from app.core.http.openapi import _merge

    _, components = webhooks_of(WIRING.kinds)
    _merge({}, components)
    with pytest.raises(ValueError, match="PaidBack"):
        _merge({"PaidBack": {"type": "string"}}, components)
