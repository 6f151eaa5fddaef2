"""The counter's guard: wrong coupon codes are counted by caller, so that nobody guesses them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.core.http.limits import RateLimits
from app.identity.deps import MaybeMember

_DOOR = "coupon_codes"


@dataclass(frozen=True, slots=True)
class Guesses:
    """The wrong codes of one caller; right ones are never counted."""

    limits: RateLimits
    caller: str

    async def check(self) -> None:
        """Look at no more codes of a caller that has tried too many wrong ones.

        Right ones are refused too: otherwise the refusal would tell them from the wrong.
        """
        await self.limits.check_guesses(_DOOR, self.caller)

    async def count(self, wrong: int) -> None:
        """Count wrong codes; beyond the limit the caller is not told that they are wrong."""
        await self.limits.count_guesses(_DOOR, self.caller, wrong)


async def _guesses(request: Request, caller: MaybeMember) -> Guesses:
    limits: RateLimits = request.app.state.limits
    return Guesses(limits, str(caller.id) if caller else limits.address(request))


CodeGuesses = Annotated[Guesses, Depends(_guesses)]
