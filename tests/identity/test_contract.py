"""The contract of identity: examples that validate, and refusals that are documented."""

import inspect
from typing import Any

import pytest
from pydantic import BaseModel

from app.identity import errors
from app.identity.schemas import access, common, members, operators
from tests.policy.contract import document

SHAPES = [
    shape
    for module in (access, common, members, operators)
    for _, shape in inspect.getmembers(module, inspect.isclass)
    if issubclass(shape, BaseModel) and shape.__module__ == module.__name__
]
WITHOUT_EXAMPLE = {"Change", "ApiKeyShown", "AddressesShown", "ShopRoleShown"}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.__name__)
def test_examples_validate(shape: type[BaseModel]) -> None:
    extra = shape.model_config.get("json_schema_extra") or {}
    assert isinstance(extra, dict)
    examples: Any = extra.get("examples", [])
    assert (shape.__name__ in WITHOUT_EXAMPLE) == (not examples)
    for example in examples:
        told = shape.model_validate(example).model_dump(exclude_unset=True)
        assert set(example) == set(told)


def test_every_refusal_is_documented_somewhere() -> None:
    paths = document()["paths"]
    documented = {
        code
        for path in paths.values()
        for operation in path.values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for code in content.get("examples", {})
    }
    own = {
        kind.code
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__
    }
    assert own <= documented
