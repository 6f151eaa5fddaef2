"""Which address does what."""

import re
from collections.abc import Callable

from tests.doubles.stripe import intents, methods, refunds
from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.form import Params
from tests.doubles.stripe.lists import page
from tests.doubles.stripe.work import Caller, Object, Work

Act = Callable[[Work, Params], Object]
LISTS = {
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "balance_transactions": "balance_transaction",
    "events": "event",
    "payment_methods": "payment_method",
}
MAKERS: dict[str, Act] = {
    "payment_intents": intents.create,
    "refunds": refunds.create,
    "payment_methods": methods.make,
}
VERBS: dict[tuple[str, str], Callable[[Work, Params, str], Object]] = {
    ("payment_intents", ""): intents.update,
    ("payment_intents", "confirm"): intents.confirm,
    ("payment_intents", "cancel"): intents.cancel,
}
# What a frontend may do with the publishable key.
PUBLIC = {
    ("GET", "payment_intents", ""),
    ("POST", "payment_intents", "confirm"),
    ("POST", "payment_methods", ""),
}
_PATH = re.compile(r"/v1/([a-z_]+)(?:/([A-Za-z0-9_]+))?(?:/([a-z_]+))?")


def route(method: str, path: str, caller: Caller) -> Act:
    """What a request asks for."""
    found = _PATH.fullmatch(path)
    name, reference, verb = found.groups() if found else (None, None, None)
    act = _act(method, name or "", reference, verb or "")
    if act is None:
        raise RefusalError(f"Unrecognized request URL ({method}: {path}).", status=404)
    if caller.is_public and (method, name, verb or "") not in PUBLIC:
        raise RefusalError(
            "This API call cannot be made with a publishable API key. Please use a secret API key.",
            status=401,
            code="secret_key_required",
        )
    return act


def _act(method: str, name: str, reference: str | None, verb: str) -> Act | None:
    if method == "GET" and name in LISTS and not verb:
        return _reader(name, reference)
    if method != "POST":
        return None
    if reference is None:
        return MAKERS.get(name)
    does = VERBS.get((name, verb))
    if does is None:
        return None
    return lambda work, params: does(work, params, reference)


def _reader(name: str, reference: str | None) -> Act | None:
    kind = LISTS[name]
    if reference is None:
        if kind == "payment_method":
            return None
        return lambda work, params: page(work, params, kind, f"/v1/{name}")

    def read(work: Work, params: Params) -> Object:
        params.only({"client_secret"})
        if kind == "payment_intent":
            return intents.retrieve(work, reference)
        return work.get(kind, reference)

    return read
