"""A small reading of JSON Schema, as much of it as the contract uses: does this value fit?"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.policy.contract import schema_of

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
# What says something about a schema, or is checked by whoever reads it.
SILENT = {"title", "description", "default", "examples", "discriminator", "writeOnly"}
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
    "minItems": lambda value, bound: len(value) >= bound,
    "maxItems": lambda value, bound: len(value) <= bound,
    "uniqueItems": lambda value, _: len(set(map(repr, value))) == len(value),
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
    "enum": lambda value, known: value in known,
    "const": lambda value, known: value == known,
}
FORMATS: dict[str, Callable[[str], object]] = {
    "uuid": UUID,
    "date-time": datetime.fromisoformat,
    "password": str,
}
STRUCTURE = {"type", "properties", "required", "additionalProperties", "items", "format"}


def faults(value: Any, schema: dict[str, Any], at: str = "") -> list[str]:
    """What does not fit, and where; empty where all of it does."""
    return list(_faults(value, schema, at))


def _faults(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = schema_of(schema)
    ways = schema.get("anyOf") or schema.get("oneOf")
    if ways:
        if all(faults(value, way, at) for way in ways):
            yield f"{at}: {value!r} is none of the ways"
        return
    unread = schema.keys() - BOUNDS.keys() - STRUCTURE - SILENT
    if unread:
        yield f"{at}: {sorted(unread)} is not understood here"
    kind = TYPES.get(schema.get("type", ""), object)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"{at}: {value!r} is no {schema['type']}"
        return
    yield from _bounds(value, schema, at)
    yield from _inside(value, schema, at)


def _bounds(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    for name in BOUNDS.keys() & schema.keys():
        if not BOUNDS[name](value, schema[name]):
            yield f"{at}: {value!r} against {name} {schema[name]}"
    if "format" in schema:
        try:
            FORMATS[schema["format"]](value)
        except ValueError:
            yield f"{at}: {value!r} is no {schema['format']}"


def _inside(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    if isinstance(value, list) and "items" in schema:
        for index, part in enumerate(value):
            yield from _faults(part, schema["items"], f"{at}/{index}")
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    yield from (
        f"{at}/{name} is missing" for name in schema.get("required", ()) if name not in value
    )
    for name, part in value.items():
        more = schema.get("additionalProperties", True)
        if name in properties:
            yield from _faults(part, properties[name], f"{at}/{name}")
        elif isinstance(more, dict):
            yield from _faults(part, more, f"{at}/{name}")
        elif more is False or properties:
            yield f"{at}/{name} is unknown"
