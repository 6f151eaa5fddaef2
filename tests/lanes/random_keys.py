"""The service with one fault in it: each call to Stripe has a key of its own, drawn at random.

A call whose answer was lost is then a second effect when it is made again.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from stripe import PaymentIntentService, RefundService

from app.cli import main


def forgetful(make: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, under another key each time."""

    async def made(self: Any, params: Any = None, options: Any = None) -> Any:
        return await make(self, params, {**(options or {}), "idempotency_key": uuid4().hex})

    return made


if __name__ == "__main__":
    for service in (PaymentIntentService, RefundService):
        service.create_async = forgetful(service.create_async)  # type: ignore[method-assign]
    main()
