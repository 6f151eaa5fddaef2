"""Facts of privacy."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberErased(Event):
    """A member was erased; told to each shop that knew it, so that its systems forget it too."""

    kind: ClassVar[str] = "member.erased"
    aggregate: ClassVar[str] = "member"

    member_id: UUID


EVENTS: tuple[type[Event], ...] = (MemberErased,)
