"""Payment intents, from their making to the money or the end."""

from typing import Any

from tests.doubles.stripe import charges, methods, shapes
from tests.doubles.stripe.disputes import open_dispute
from tests.doubles.stripe.errors import RefusalError, required, unexpected_state
from tests.doubles.stripe.form import Params
from tests.doubles.stripe.work import Object, Work

CREATE = frozenset({
    "amount", "automatic_payment_methods", "capture_method", "confirm", "confirmation_method",
    "currency", "customer", "description", "error_on_requires_action", "metadata", "off_session",
    "payment_method", "payment_method_data", "payment_method_options", "payment_method_types",
    "receipt_email", "return_url", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "use_stripe_sdk",
})  # fmt: skip
CONFIRM = frozenset({
    "client_secret", "error_on_requires_action", "off_session", "payment_method",
    "payment_method_data", "payment_method_options", "payment_method_types", "receipt_email",
    "return_url", "shipping", "use_stripe_sdk",
})  # fmt: skip
UPDATE = frozenset({"amount", "currency", "description", "metadata", "payment_method_types"})
CANCEL = frozenset({"cancellation_reason"})
REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
OPEN = frozenset({
    "requires_payment_method", "requires_confirmation", "requires_action", "requires_capture",
})  # fmt: skip
REFUSED_BY_BUYER = (
    "payment_intent_payment_attempt_failed",
    "The payment attempt failed: the buyer did not pay in the app.",
)


def create(work: Work, params: Params) -> Object:
    params.only(CREATE)
    amount, currency = params.integer("amount"), params.needed("currency")
    if amount is None:
        raise required("amount")
    methods.check_amount(amount, currency)
    if params.chosen("capture_method", ("automatic", "automatic_async", "manual")) == "manual":
        raise RefusalError("This double does not do manual capture.", param="capture_method")
    kinds = methods.kinds_for(params, currency)
    intent = shapes.payment_intent(
        work.now, livemode=work.caller.livemode, amount=amount, currency=currency
    )
    intent.update(
        automatic_payment_methods=_automatic(params),
        capture_method=params.text("capture_method") or "automatic_async",
        description=params.text("description"),
        metadata=params.metadata(),
        payment_method_options=_options(params),
        payment_method_types=kinds,
        receipt_email=params.text("receipt_email"),
    )
    method = methods.resolve(work, intent, params)
    if method is not None:
        _attach(intent, method)
    confirms = params.flag("confirm")
    if confirms:
        # What is wrong with the request is said before anything is made.
        _check_confirm(intent, method, params)
    work.put(intent)
    work.event("payment_intent.created", intent)
    return _go(work, intent, method, params) if confirms and method else intent


def _automatic(params: Params) -> Object | None:
    told = params.tree("automatic_payment_methods")
    named = params.items("payment_method_types") is not None
    if told and named:
        raise RefusalError(
            "You may only specify one of these parameters: automatic_payment_methods, "
            "payment_method_types.",
            code="parameters_exclusive",
        )
    if named:
        return None
    return {"allow_redirects": told.get("allow_redirects", "always"), "enabled": True}


def _options(params: Params) -> Object:
    told = params.tree("payment_method_options")
    client = told.get("wechat_pay", {}).get("client")
    if client not in (None, "web", "ios", "android"):
        raise RefusalError(
            "Invalid payment_method_options[wechat_pay][client]: must be one of android, ios, "
            "or web",
            param="payment_method_options[wechat_pay][client]",
        )
    return told


def _attach(intent: Object, method: Object) -> None:
    if method["type"] not in intent["payment_method_types"]:
        raise RefusalError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")


def retrieve(work: Work, reference: str) -> Object:
    intent = work.get("payment_intent", reference, "intent")
    if work.caller.is_public and work.caller.client_secret != intent["client_secret"]:
        raise RefusalError(
            "The client_secret provided does not match the client_secret associated with the "
            "PaymentIntent.",
            code="payment_intent_invalid_parameter",
            param="client_secret",
        )
    return intent


def update(work: Work, params: Params, reference: str) -> Object:
    params.only(UPDATE)
    intent = retrieve(work, reference)
    if intent["status"] not in OPEN and set(params.values) - {"metadata", "expand", "description"}:
        raise unexpected_state(
            "This PaymentIntent could not be updated because it has a status of "
            f"{intent['status']}.", intent,
        )  # fmt: skip
    currency = params.text("currency") or intent["currency"]
    amount = params.integer("amount")
    amount = intent["amount"] if amount is None else amount
    methods.check_amount(amount, currency)
    if params.items("payment_method_types") is not None:
        intent["payment_method_types"] = methods.kinds_for(params, currency)
    intent.update(amount=amount, currency=currency)
    intent["metadata"].update(params.metadata())
    return work.put(intent)


def confirm(work: Work, params: Params, reference: str) -> Object:
    """What a frontend does, with the client secret; or a server."""
    params.only(CONFIRM)
    intent = retrieve(work, reference)
    if intent["status"] not in OPEN:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it has already "
            f"{intent['status']} after being previously confirmed.", intent,
        )  # fmt: skip
    intent["payment_method_options"] |= _options(params)
    method = methods.resolve(work, intent, params)
    _check_confirm(intent, method, params)
    assert method is not None
    return _go(work, intent, method, params)


def _go(work: Work, intent: Object, method: Object, params: Params) -> Object:
    _attach(intent, method)
    token = method["card"]["fingerprint"] if method["type"] == "card" else ""
    if method["type"] in methods.WALLETS or token == "pm_card_authenticationRequired":
        action = methods.next_action(intent, params, method["type"])
        intent.update(status="requires_action", next_action=action, last_payment_error=None)
        work.put(intent)
        work.event("payment_intent.requires_action", intent)
    elif token in charges.DECLINES:
        raise charges.decline(work, intent, method, charges.DECLINES[token])
    else:
        charge = charges.capture(work, intent, method)
        if token == "pm_card_createDispute":
            _later(work, lambda later: open_dispute(later, charge["id"]))
    return intent


def _check_confirm(intent: Object, method: Object | None, params: Params) -> None:
    if method is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. "
            "Update the PaymentIntent with a payment method and then confirm it again.", intent,
        )  # fmt: skip
    if method["type"] in methods.WALLETS:
        methods.next_action(intent, params, method["type"])


def _later(work: Work, act: Any) -> None:
    work.desk.later(charges.AFTERWARDS, act, livemode=work.caller.livemode)


def cancel(work: Work, params: Params, reference: str) -> Object:
    params.only(CANCEL)
    intent = retrieve(work, reference)
    if intent["status"] not in OPEN:
        raise unexpected_state(
            "You cannot cancel this PaymentIntent because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be "
            "canceled: requires_payment_method, requires_capture, requires_confirmation, "
            "requires_action, processing.", intent,
        )  # fmt: skip
    intent.update(
        canceled_at=work.now,
        cancellation_reason=params.chosen("cancellation_reason", REASONS),
        next_action=None,
        status="canceled",
    )
    work.put(intent)
    work.event("payment_intent.canceled", intent)
    return intent


def _waiting(work: Work, reference: str) -> Object:
    intent = work.get("payment_intent", reference)
    if intent["status"] not in ("requires_action", "processing"):
        raise RefusalError(f"The buyer has nothing to do: {intent['status']}", status=409)
    return intent


def pay(work: Work, reference: str, after: float = 0) -> Object:
    """The buyer pays in the app; with `after`, the bank takes so long until the money is there."""
    intent = _waiting(work, reference)
    if after:
        intent.update(status="processing", next_action=None, processing={"type": "card"})
        work.put(intent)
        work.event("payment_intent.processing", intent)
        work.desk.later(after, lambda later: pay(later, reference), livemode=intent["livemode"])
        return intent
    charges.capture(work, intent, work.get("payment_method", intent["payment_method"]))
    return intent


def refuse(work: Work, reference: str) -> Object:
    """The buyer gives up in the app, or their bank says no."""
    intent = _waiting(work, reference)
    code, message = REFUSED_BY_BUYER
    method = work.get("payment_method", intent["payment_method"])
    error = {"code": code, "message": message, "payment_method": method}
    charges.fail(work, intent, {**error, "type": "invalid_request_error"})
    return intent
