"""The contract as the tests walk it: every operation, and a body for it out of its examples."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from app.main import create_app
from tests.conftest import make_settings

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"
# Fields of bodies that name an object, and the path parameter that names the same.
NAMES = {
    "shop_id": "shop_id",
    "product_id": "product_id",
    "variant_id": "variant_id",
    "category_id": "category_id",
    "promotion_id": "promotion_id",
    "batch_id": "batch_id",
    "open": "campaign_id",
    "join": "group_id",
    "owner_operator_id": "operator_id",
    "brand_id": "brand_id",
    "member_ids": "member_id",
    "community_ids": "community_id",
    "audience_ids": "audience_id",
}
UNIQUE = {"sku", "slug", "reference", "email"}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, with the routes that only tests have."""
    return create_app(make_settings("sqlite:///not-opened.db")).openapi()


def schema_of(reference: Mapping[str, Any]) -> dict[str, Any]:
    """The component that a `$ref` names."""
    found: dict[str, Any] = document()["components"]["schemas"][
        reference["$ref"].rsplit("/", 1)[-1]
    ]
    return found


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = document()["paths"][self.path][self.method.lower()]
        return found

    @property
    def media(self) -> str | None:
        """The media type of its body, if it reads one."""
        content: dict[str, Any] = self.said.get("requestBody", {}).get("content", {})
        return next(iter(content), None)

    @property
    def body_schema(self) -> dict[str, Any]:
        content: dict[str, Any] = self.said["requestBody"]["content"]
        return schema_of(next(iter(content.values()))["schema"])

    def parameters(self, place: str) -> set[str]:
        return {p["name"] for p in self.said.get("parameters", ()) if p["in"] == place}

    @property
    def named(self) -> list[str]:
        """The path parameters, outermost first."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def has_version(self) -> bool:
        return "if-match" in {name.lower() for name in self.parameters("header")}

    def url(self, ids: Mapping[str, UUID]) -> str:
        url = self.path.format_map({name: str(value) for name, value in ids.items()})
        return f"{url}?shop_id={ids['shop_id']}" if "shop_id" in self.parameters("query") else url

    def example(self, ids: Mapping[str, UUID]) -> Any:
        """The first example of its body, about these objects."""
        return about(deepcopy(self.body_schema["examples"][0]), ids)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def about(value: Any, ids: Mapping[str, UUID], name: str = "") -> Any:
    """The example with the ids of real objects in it, and unlike any sent before."""
    if isinstance(value, dict):
        return {key: about(part, ids, key) for key, part in value.items()}
    if isinstance(value, list):
        return [about(part, ids, name) for part in value]
    if name in NAMES and value is not None:
        return str(ids[NAMES[name]])
    if name in UNIQUE:
        return f"{uuid4().hex}@shop.example" if name == "email" else f"s-{uuid4().hex[:12]}"
    return value


def operations() -> list[Operation]:
    """Every operation of the contract."""
    return [
        Operation(method.upper(), path)
        for path, methods in document()["paths"].items()
        for method in methods
    ]


def objects_in(value: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object inside a body with its JSON pointer, the body itself first."""
    if isinstance(value, dict):
        yield pointer, value
        for name, part in value.items():
            yield from objects_in(part, f"{pointer}/{name}")
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from objects_in(part, f"{pointer}/{index}")
