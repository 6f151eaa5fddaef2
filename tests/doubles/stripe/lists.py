"""Pages of objects, the newest first."""

from tests.doubles.stripe.errors import RefusalError, missing, wrong_integer
from tests.doubles.stripe.form import Params
from tests.doubles.stripe.work import Object, Work

LIMIT_DEFAULT, LIMIT_MAX = 10, 100
PAGING = frozenset({"created", "ending_before", "limit", "starting_after"})
# What each list may be narrowed by, beside when its objects were made.
FILTERS = {
    "payment_intent": {"customer"},
    "charge": {"customer", "payment_intent"},
    "refund": {"charge", "payment_intent"},
    "dispute": {"charge", "payment_intent"},
    "balance_transaction": {"currency", "source", "type"},
    "event": {"type", "types"},
}


def page(work: Work, params: Params, kind: str, url: str) -> Object:
    params.only(PAGING | FILTERS[kind])
    limit = params.integer("limit")
    limit = LIMIT_DEFAULT if limit is None else limit
    if not 1 <= limit <= LIMIT_MAX:
        raise RefusalError(
            f"Invalid limit: must be between 1 and {LIMIT_MAX}",
            code="parameter_invalid_integer",
            param="limit",
        )
    found = work.desk.books.of_kind(kind, livemode=work.caller.livemode)
    data = [one for one in found if _made(params, one) and _meant(params, kind, one)]
    after, before = params.text("starting_after"), params.text("ending_before")
    if after is not None:
        data = data[_place(data, kind, after, "starting_after") + 1 :]
    if before is not None:
        data = data[: _place(data, kind, before, "ending_before")][-limit:]
    return {
        "object": "list",
        "data": data[:limit],
        "has_more": len(data) > limit,
        "url": url,
    }


def _place(data: list[Object], kind: str, reference: str, param: str) -> int:
    for number, one in enumerate(data):
        if one["id"] == reference:
            return number
    raise missing(kind, reference, param)


def _made(params: Params, one: Object) -> bool:
    created = params.values.get("created")
    if created is None:
        return True
    bounds = {"": created} if isinstance(created, str) else created
    tests = {
        "": one["created"].__eq__,
        "gt": one["created"].__gt__,
        "gte": one["created"].__ge__,
        "lt": one["created"].__lt__,
        "lte": one["created"].__le__,
    }
    for name, value in bounds.items():
        if name not in tests or not value.isdecimal():
            raise wrong_integer(f"created[{name}]", value)
    return all(tests[name](int(value)) for name, value in bounds.items())


def _meant(params: Params, kind: str, one: Object) -> bool:
    types = params.items("types") if kind == "event" else None
    if types is not None and one["type"] not in types:
        return False
    names = FILTERS[kind] - {"types"}
    wished = {name: params.text(name) for name in names}
    return all(value is None or one[name] == value for name, value in wished.items())
