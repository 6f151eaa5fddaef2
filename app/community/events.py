"""Facts of communities: who came and who went."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined(Event):
    """A member entered a community, for the first time or again."""

    kind: ClassVar[str] = "community.member_joined"
    aggregate: ClassVar[str] = "community"

    member_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeft(Event):
    """A member left a community."""

    kind: ClassVar[str] = "community.member_left"
    aggregate: ClassVar[str] = "community"

    member_id: UUID


EVENTS: tuple[type[Event], ...] = (MemberJoined, MemberLeft)
