"""Names of objects replaced by the objects, where a request wishes it."""

import copy
from typing import Any

from tests.doubles.stripe.errors import RefusalError
from tests.doubles.stripe.work import Object, Work

LINKS = {
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "balance_transaction": {"source": ""},
}
DEPTH_MAX = 4


def expanded(work: Work, answer: Object, wishes: Any) -> Object:
    """A copy of the answer with what `expand[]` names put in."""
    answer = copy.deepcopy(answer)
    for wish in wishes or []:
        path = wish.split(".")
        if len(path) > DEPTH_MAX:
            raise RefusalError("You cannot expand more than 4 levels", param="expand")
        _walk(work, answer, path, wish)
    return answer


def _walk(work: Work, spot: Object, path: list[str], wish: str) -> None:
    name, rest = path[0], path[1:]
    if spot.get("object") == "list":
        for one in spot["data"]:
            _walk(work, one, rest, wish)
        return
    if spot.get("object") == "charge" and name == "refunds":
        spot["refunds"] = spot.get("refunds") or _refunds(work, spot)
    elif name not in LINKS.get(spot.get("object", ""), {}):
        raise RefusalError(f"This property cannot be expanded ({wish}).", param="expand")
    elif isinstance(spot.get(name), str):
        spot[name] = copy.deepcopy(work.find(spot[name]))
    if rest and spot.get(name) is not None:
        _walk(work, spot[name], rest, wish)


def _refunds(work: Work, charge: Object) -> Object:
    kept = work.desk.books.of_kind("refund", livemode=charge["livemode"])
    fresh = [one for one in work.touched.values() if one["object"] == "refund"]
    found = {one["id"]: one for one in [*fresh, *kept]}
    data = [copy.deepcopy(one) for one in found.values() if one["charge"] == charge["id"]]
    url = f"/v1/charges/{charge['id']}/refunds"
    return {"object": "list", "data": data, "has_more": False, "url": url}
