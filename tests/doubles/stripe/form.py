"""Stripe's form encoding: nested names in brackets."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import parse_qsl

from tests.doubles.stripe.errors import RefusalError, required, wrong_integer

_PARTS = re.compile(r"\[([^\]]*)\]")
METADATA_KEYS_MAX = 50
METADATA_KEY_CHARS_MAX = 40
METADATA_VALUE_CHARS_MAX = 500


def pairs_of(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a[b]=1&a[c][]=2` as `{"a": {"b": "1", "c": ["2"]}}`."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        head, _, rest = name.partition("[")
        path = [head, *_PARTS.findall(f"[{rest}")] if rest else [head]
        spot = tree
        for part, following in zip(path, [*path[1:], None], strict=True):
            key = part or str(len(spot))
            if following is None:
                spot[key] = value
            else:
                spot = spot.setdefault(key, {})
                if not isinstance(spot, dict):
                    raise RefusalError(f"Invalid parameter: {name}", param=name)
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(one) for key, one in value.items()}


def fingerprint(method: str, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """What two requests under one idempotency key must have in common."""
    told = json.dumps([method, path, sorted(pairs)])
    return hashlib.sha256(told.encode()).hexdigest()


class Params:
    """What a request says, read one by one with Stripe's complaints."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def only(self, names: Collection[str]) -> None:
        for name in self.values:
            if name not in names and name != "expand":
                raise RefusalError(
                    f"Received unknown parameter: {name}", code="parameter_unknown", param=name
                )

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise RefusalError("Invalid string", param=name)
        if not value:
            raise RefusalError(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt "
                "to unset a parameter; however it cannot be unset.",
                code="parameter_invalid_empty",
                param=name,
            )
        return value

    def needed(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise required(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise wrong_integer(name, value)
        return int(value)

    def flag(self, name: str) -> bool:
        value = self.values.get(name, "false")
        if value not in ("true", "false"):
            raise RefusalError(f"Invalid boolean: {value}", param=name)
        return value == "true"

    def chosen(self, name: str, choices: Collection[str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise RefusalError(f"Invalid {name}: must be one of {', '.join(choices)}", param=name)
        return value

    def items(self, name: str) -> list[str] | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            raise RefusalError("Invalid array", param=name)
        return value

    def tree(self, name: str) -> dict[str, Any]:
        value = self.values.get(name, {})
        if value == "":
            return {}
        if not isinstance(value, dict):
            raise RefusalError("Invalid object", param=name)
        return value

    def metadata(self) -> dict[str, str]:
        """Keys with an empty value are left out, as Stripe does."""
        told = self.tree("metadata")
        if len(told) > METADATA_KEYS_MAX:
            raise RefusalError(
                f"Metadata can have up to {METADATA_KEYS_MAX} keys.", param="metadata"
            )
        for key, value in told.items():
            if not isinstance(value, str):
                raise RefusalError("Metadata values must be strings", param=f"metadata[{key}]")
            if len(key) > METADATA_KEY_CHARS_MAX or len(value) > METADATA_VALUE_CHARS_MAX:
                raise RefusalError(
                    "Metadata keys can have up to 40 characters, values up to 500.",
                    param=f"metadata[{key}]",
                )
        return {key: value for key, value in told.items() if value}
