"""Who belongs to the seeded community: sixty members with nicknames and what they declare."""

from collections.abc import Sequence
from dataclasses import dataclass

MEMBERS = 60
_FAMILY = "林陈李王周吴徐孙胡朱"
_GIVEN = ("小禾", "梅子", "阿涛", "静静", "老六", "木木")
_TAGS = (
    ("fruit", "parenting"),
    ("finance",),
    ("skincare",),
    ("running", "fruit"),
    ("finance", "parenting"),
    (),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to sign in as with the code `sandbox-<name>`."""

    name: str
    nickname: str
    tags: frozenset[str]

    @property
    def code(self) -> str:
        """The sandbox sign-in code."""
        return f"sandbox-{self.name}"


def people() -> Sequence[Person]:
    """All sixty, always the same."""
    return [
        Person(
            name=f"demo-{number:02}",
            nickname=_FAMILY[number % len(_FAMILY)] + _GIVEN[number // len(_FAMILY)],
            tags=frozenset(_TAGS[number % len(_TAGS)]),
        )
        for number in range(MEMBERS)
    ]
