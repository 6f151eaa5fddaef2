"""What is known about the request or job at hand wherever its code is: its id and who acts."""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: a member, an operator, an API key or the system itself."""

    kind: str
    id: UUID | None


SYSTEM = Actor("system", None)

request_id_var: ContextVar[str] = ContextVar("request_id", default="")
actor_var: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)
