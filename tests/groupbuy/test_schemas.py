"""The examples of the description are what the service takes and gives."""

import pytest
from pydantic import BaseModel

from app.groupbuy.schemas import board, members, operators

SHAPES = [
    shape
    for module in (members, operators, board)
    for shape in vars(module).values()
    if isinstance(shape, type)
    and issubclass(shape, BaseModel)
    and shape.__module__ == module.__name__
]


def test_the_shapes_are_all_here() -> None:
    """A walk over no shapes would prove nothing."""
    assert len(SHAPES) >= 20


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_has_an_example_that_fits(shape: type[BaseModel]) -> None:
    extra = shape.model_config.get("json_schema_extra")
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    for example in examples:
        assert isinstance(example, dict)
        assert set(example) <= set(shape.model_fields)
        shape.model_validate(example)
