"""Examples for the shapes that bring none, put together from their parts: each answer has one."""

from collections.abc import Mapping
from typing import Any

_ID = "0192f0c1-a5e8-7000-a000-000000000001"
_FORMATS = {"uuid": _ID, "date-time": "2026-06-18T04:00:00Z"}
_WORDS = {
    "code": "validation_failed",
    "currency": "CNY",
    "description": "现摘现发",
    "detail": "Field required",
    "key": "qpk_8KzKQm3mO0J0",
    "name": "杨梅山",
    "pointer": "/lines/0/quantity",
    "prefix": "qpk_8KzKQm",
    "reason": "第一批到货",
    "sku": "YM-25",
    "slug": "bayberry-hill",
    "status": "ok",
    "tags": "fruit",
    "time_zone": "Asia/Shanghai",
    "title": "东魁杨梅",
    "type": "urn:quanpu:problem:validation_failed",
}
_AMOUNT = 9_900

Schema = dict[str, Any]


def complete(schemas: dict[str, Schema]) -> None:
    """Give each object among the components an example, and each example its nulls back.

    The framework drops members that are null from whatever it is told, also from examples, where
    they mean something: a required member that may be null.
    """
    for schema in schemas.values():
        if schema.get("type") == "object":
            schema["examples"] = _examples(schema, schemas)


def _examples(schema: Schema, schemas: Mapping[str, Schema]) -> list[Any]:
    told = schema.get("examples")
    if told:
        return [_with_nulls(example, schema, schemas) for example in told]
    properties = schema.get("properties", {})
    return [{name: _value(name, part, schemas) for name, part in properties.items()}]


def _value(name: str, schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    if "anyOf" in schema:
        return None
    schema = _resolved(schema, schemas)
    if schema.get("type") == "object":
        return _examples(schema, schemas)[0]
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    for known in ("examples", "enum"):
        if known in schema:
            return schema[known][0]
    return _plain(name, schema, schemas)


def _plain(name: str, schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    match schema.get("type"):
        case "array":
            return [_value(name, schema["items"], schemas)] * max(schema.get("minItems", 1), 1)
        case "integer":
            return _AMOUNT if name.endswith("amount") else schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return _FORMATS.get(schema.get("format", ""), _WORDS.get(name, name))


def _with_nulls(value: Any, schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    schema = _resolved(schema, schemas)
    if isinstance(value, list):
        return [_with_nulls(part, schema.get("items", {}), schemas) for part in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    nulls = dict.fromkeys(name for name in schema.get("required", ()) if name not in value)
    return {n: _with_nulls(v, properties.get(n, {}), schemas) for n, v in value.items()} | nulls


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The component itself, also of one that may be null."""
    schema = next((way for way in schema.get("anyOf", ()) if "$ref" in way), schema)
    if "$ref" not in schema:
        return schema
    return schemas[schema["$ref"].rsplit("/", 1)[-1]]
