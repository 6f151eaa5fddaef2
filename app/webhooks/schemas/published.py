"""The contract of the messages: a schema of each kind of event, made from its class.

They stand in the `webhooks` section of the OpenAPI document. A stored snapshot of them keeps a
change of an event's class from changing silently what integrators read.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal, get_type_hints
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from app.core.events import Event
from app.webhooks.service.messages import message_of
from app.webhooks.service.samples import EXAMPLE_AT, sample_of

_ID = UUID("0192f0c1-a5e8-7000-a000-000000000002")
_SHOP_ID = UUID("0192f0c1-a5e8-7000-a000-000000000009")
_ENVELOPE = frozenset({"at", "shop_id", "aggregate_id"})
_TEXT = {"type": "string"}
HEADERS: tuple[dict[str, Any], ...] = (
    {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "description": "The event's id, the same whenever it is sent again: do nothing twice.",
        "schema": {**_TEXT, "format": "uuid"},
        "example": str(_ID),
    },
    {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "description": "When this attempt was made, in seconds since 1970; refuse old ones.",
        "schema": {**_TEXT, "pattern": "^[0-9]{1,12}$"},
        "example": str(int(EXAMPLE_AT.timestamp())),
    },
    {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "description": "`v1,` and base64 of HMAC-SHA256 over id, timestamp and body with dots "
        "between; one for each secret that holds, with blanks between.",
        "schema": _TEXT,
        "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
)


def webhooks_of(kinds: Mapping[str, type[Event]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `webhooks` section of these kinds of events, and the components that it names."""
    section, components = {}, {}
    for name, kind in sorted(kinds.items()):
        schema = published(kind)
        components.update(schema.pop("$defs", {}))
        components[schema["title"]] = schema
        section[name] = {"post": _operation(kind, schema["title"])}
    return section, components


def published(kind: type[Event]) -> dict[str, Any]:
    """The JSON schema of a kind of event's messages, its parts under `$defs`."""
    schema = _model_of(kind).model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    sample = sample_of(kind, shop_id=_SHOP_ID, at=EXAMPLE_AT)
    return schema | {"examples": [message_of({**sample, "id": _ID})]}


def _model_of(kind: type[Event]) -> type[BaseModel]:
    hints = get_type_hints(kind)
    own: dict[str, Any] = {
        f.name: (hints[f.name], ...) for f in fields(kind) if f.name not in _ENVELOPE
    }
    data = create_model(f"{kind.__name__}Data", __doc__=f"What `{kind.kind}` tells.", **own)
    told: dict[str, Any] = {
        "type": (Literal[kind.kind], ...),
        "version": (Literal[kind.version], ...),
        "id": (UUID, Field(description="The event's id; the same whenever it is sent again.")),
        "timestamp": (datetime, Field(description="When it happened.")),
        "shop_id": (UUID | None, ...),
        "aggregate": (Literal[kind.aggregate], ...),
        "aggregate_id": (UUID, Field(description="The object it happened to.")),
        "sequence": (int, Field(ge=1, description="Its place among the facts of that object.")),
        "data": (data, ...),
        "truncated": (list[str], Field(description="Members of `data` that were cut short.")),
        "test": (bool, Field(default=False, description="Only test messages have it, as true.")),
    }
    return create_model(f"{kind.__name__}Message", __doc__=kind.__doc__, **told)


def _operation(kind: type[Event], title: str) -> dict[str, Any]:
    told = " ".join((kind.__doc__ or "").split())
    return {
        "tags": ["webhooks"],
        "operationId": f"webhook_{kind.kind.replace('.', '_')}",
        "summary": kind.kind,
        "description": told,
        "parameters": list(HEADERS),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{title}"}}},
        },
        "responses": {
            "2XX": {"description": "Heard. Any other answer, or none in time, is sent again."}
        },
    }
