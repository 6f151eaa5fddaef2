"""Ids that are made again: the same for the same, and of the form that all others have."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import derived_id, new_id


@given(st.builds(new_id), st.text())
def test_a_derived_id_has_the_form_and_the_time_of_its_origin(origin: UUID, name: str) -> None:
    made = derived_id(origin, name)
    assert made == derived_id(origin, name)
    assert (made.version, made.variant) == (7, origin.variant)
    assert made.int >> 80 == origin.int >> 80


def test_other_names_and_origins_make_other_ids() -> None:
    origins = [new_id() for _ in range(100)]
    made = {derived_id(origin, name) for origin in origins for name in ("a", "b", "ab", "")}
    assert len(made) == 400
