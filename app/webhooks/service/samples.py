"""An example of each kind of event: for test messages, and for whoever reads the contract."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from app.core.events import Event, payload_of

_ID = UUID("0192f0c1-a5e8-7000-a000-000000000001")
EXAMPLE_AT = datetime(2026, 6, 18, 4, tzinfo=UTC)
_AMOUNT = 9_900
_WORDS = {
    "carrier": "SF",
    "cause": "too_few",
    "currency": "CNY",
    "reason": "changed_mind",
    "state": "accepted",
    "tracking_number": "SF1234567890",
}


def sample_of(kind: type[Event], *, shop_id: UUID, at: datetime) -> dict[str, Any]:
    """An example in the shape of a row of the outbox, but for its id, as JSON could hold it."""
    own = _made(kind, at) | {"at": at, "shop_id": shop_id, "aggregate_id": _ID}
    return {
        "kind": kind.kind,
        "version": kind.version,
        "shop_id": str(shop_id),
        "aggregate": kind.aggregate,
        "aggregate_id": str(_ID),
        "sequence": 1,
        "at": at.isoformat(),
        "payload": payload_of(kind(**own)),
    }


def _made(kind: Any, at: datetime) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: _value(f.name, hints[f.name], at) for f in fields(kind)}


def _value(name: str, hint: Any, at: datetime) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return _value(name, next(a for a in arguments if a is not type(None)), at)
    if origin is not None:
        return _many(name, origin, arguments, at)
    if is_dataclass(hint):
        build: Any = hint
        return build(**_made(hint, at))
    if issubclass(hint, StrEnum):
        return next(iter(hint))
    return _plain(name, hint, at)


def _many(name: str, origin: Any, arguments: tuple[Any, ...], at: datetime) -> Any:
    if issubclass(origin, Mapping):
        of_key, of_value = arguments
        return {_value(name, of_key, at): _value(name, of_value, at)}
    return origin([_value(name, arguments[0], at)])


def _plain(name: str, hint: type, at: datetime) -> Any:
    samples: dict[type, Any] = {
        UUID: _ID,
        datetime: at + timedelta(hours=1),
        date: at.date(),
        bool: False,
        int: _AMOUNT if name.endswith("amount") else 1,
        str: _WORDS.get(name, name),
    }
    return samples[hint]
