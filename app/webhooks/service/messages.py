"""What an endpoint is told of a fact: one JSON object, rendered from the fact's row when sent."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

BODY_BYTES_MAX = 20_000
# The members of a fact that a test message brings along, as it has no row in the outbox.
SAMPLED = ("version", "aggregate", "aggregate_id", "sequence", "at", "payload")


def body_of(fact: Mapping[Any, Any]) -> bytes:
    """The body that is signed and sent: compact JSON in UTF-8, always under 20 kB."""
    return encoded(message_of(fact))


def message_of(fact: Mapping[Any, Any]) -> dict[str, Any]:
    """The message of a row of the outbox, or of `test_fact`.

    Members of `data` that would make it too long are cut short, the longest first, and named in
    `truncated`.
    """
    message = {
        "type": fact["kind"],
        "version": fact["version"],
        "id": str(fact["id"]),
        "timestamp": _moment(fact["at"]),
        "shop_id": _text(fact["shop_id"]),
        "aggregate": fact["aggregate"],
        "aggregate_id": str(fact["aggregate_id"]),
        "sequence": fact["sequence"],
        "data": dict(fact["payload"]),
        "truncated": [],
    }
    if fact.get("is_test"):
        message["test"] = True
    while (excess := len(encoded(message)) - BODY_BYTES_MAX) >= 0:
        _shorten(message, excess)
    return message


def test_fact(delivery: Mapping[Any, Any]) -> dict[str, Any]:
    """What a test message tells, in the shape of a fact; its id is the delivery's own."""
    told = {name: delivery["sample"][name] for name in SAMPLED}
    return told | {
        "id": delivery["id"],
        "kind": delivery["kind"],
        "shop_id": delivery["shop_id"],
        "is_test": True,
    }


def encoded(message: Mapping[str, Any]) -> bytes:
    """Compact JSON; what UTF-8 cannot say is a question mark."""
    told = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return told.encode("utf-8", "replace")


def _shorten(message: dict[str, Any], excess: int) -> None:
    """Cut the longest member of `data` by so many bytes, but by half at once at most.

    So of two long ones neither is cut to nothing for the other.
    """
    sizes = {name: len(encoded({"": value})) for name, value in message["data"].items()}
    name = max(sizes, key=sizes.__getitem__)
    # Its own name in `truncated` takes room too.
    wanted = min(excess + len(name) + 3, sizes[name] // 2)
    message["data"][name] = _cut(message["data"][name], wanted)
    if name not in message["truncated"]:
        message["truncated"].append(name)


def _cut(value: Any, excess: int) -> Any:
    """The longest beginning of a list, an object or a text that is so many bytes shorter."""
    if isinstance(value, dict):
        return dict(_cut(list(value.items()), excess))
    if not isinstance(value, list | str):
        return None
    kept, gone = len(value), 0
    while kept and gone < excess:
        kept -= 1
        gone += len(encoded({"": value[kept]})) - len(b'{"":}') - isinstance(value, str)
    return value[:kept]


def _moment(at: datetime | str) -> str:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(told: UUID | str | None) -> str | None:
    return None if told is None else str(told)
