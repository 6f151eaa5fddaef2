"""Refusals in Stripe's words."""

from typing import Any


class RefusalError(Exception):
    """An error answer; `saved` ones are repeated for their idempotency key.

    Stripe keeps an answer once the work has begun, and forgets those about wrong parameters.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        saved: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.saved = saved
        told = {"type": kind, "code": code, "message": message, "param": param, **more}
        self.error = {name: value for name, value in told.items() if value is not None}

    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def missing(kind: str, reference: str, param: str = "id") -> RefusalError:
    """No such object in this mode."""
    return RefusalError(
        f"No such {kind}: '{reference}'", status=404, code="resource_missing", param=param
    )


def required(param: str) -> RefusalError:
    return RefusalError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def wrong_integer(param: str, value: object) -> RefusalError:
    return RefusalError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=param)


def unexpected_state(message: str, intent: dict[str, Any]) -> RefusalError:
    """A payment intent whose status does not allow what was asked."""
    return RefusalError(
        message, code="payment_intent_unexpected_state", saved=True, payment_intent=intent
    )
