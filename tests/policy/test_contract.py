"""The contract as generated clients read it: names, refusals, credentials, examples, money.

That the committed document is the generated one is tested with the command that writes it.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.http.paging import Page
from app.main import create_app
from app.settings import Settings
from tests.policy.contract import (
    FORM,
    JSON,
    PROBLEM,
    Operation,
    document,
    operations,
    schema_of,
)
from tests.policy.schema import faults
from tests.policy.table import POLICY, Kind

OPERATIONS = operations()
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)

# POSTs that may be sent twice without a key, and why.
UNKEYED = {
    "/v1/quotes": "writes nothing",
    "/v1/operator/shops/{shop_id}/promotions/previews": "writes nothing",
    "/v1/operator/shops/{shop_id}/promotion-replays": "writes nothing",
    "/v1/orders/{order_id}/refund-previews": "writes nothing",
    "/v1/operator/shops/{shop_id}/orders/{order_id}/refund-previews": "writes nothing",
    "/v1/auth/wechat": "the kept answer would hold tokens",
    "/v1/auth/refresh": "the kept answer would hold tokens; a token works once",
    "/v1/auth/sign-out": "ending twice is ending once",
    "/v1/hooks/{gateway}": "a message is kept once by its own name",
    "/v1/operator/auth/sign-in": "the kept answer would hold tokens",
    "/v1/operator/auth/password": "the key's row would keep a hash of both passwords",
    "/v1/operator/invitations": "the kept answer would hold the token",
    "/v1/operator/invitations/accept": "an invitation works once; the body holds a password",
    "/v1/operator/shops/{shop_id}/invitations": "the kept answer would hold the token",
    "/v1/operator/shops/{shop_id}/api-keys": "the kept answer would hold the key",
    "/v1/operator/shops/{shop_id}/webhook-endpoints": "the kept answer would hold the secret",
    "/v1/operator/shops/{shop_id}/webhook-endpoints/{endpoint_id}/rotate-secret": "the kept "
    "answer would hold the secret",
}
# Bodies that need not be sent, and why.
OPTIONAL_BODIES = {
    "/v1/operator/shops/{shop_id}/promotions/{promotion_id}/activate": "as a rule nothing has to "
    "be confirmed",
    "/v1/operator/shops/{shop_id}/promotions/{promotion_id}/resume": "as a rule nothing has to "
    "be confirmed",
    "/v1/operator/shops/{shop_id}/campaigns/{campaign_id}/stop": "as a rule groups run on",
}
# Doors of the operations staff; nothing stands behind them that could be busy.
PROBES = {"/healthz", "/metrics"}
# Lists that are short by nature and whole.
WHOLE_LISTS = {"CategoryList", "AddressesShown", "PromotionTemplateList"}
# Times that are called otherwise.
MOMENTS = {"at", "now", "server_now", "since", "timestamp"}
CREDENTIALS = {
    Kind.MEMBER: {"member"},
    Kind.OWN: {"member"},
    Kind.OPERATOR: {"operator"},
    Kind.PLATFORM: {"operator"},
    Kind.SHOP: {"operator", "api_key"},
    Kind.HOLDER: {"member", "operator"},
    Kind.PUBLIC: set(),
}


def test_names_of_operations_are_unique_and_read_tag_verb() -> None:
    """They become the function names of every generated client."""
    names = [o.said["operationId"] for o in OPERATIONS]
    assert sorted({n for n in names if names.count(n) > 1}) == []
    for operation in OPERATIONS:
        [tag] = operation.said["tags"]
        name = operation.said["operationId"]
        assert re.fullmatch(rf"{re.escape(tag)}_[a-z]+(_[a-z]+)*", name), name


@every_operation
def test_it_says_what_it_does(operation: Operation) -> None:
    assert operation.said["summary"]
    description = operation.said["description"]
    assert description[0].isupper()
    assert description.rstrip().endswith("."), description


def refusals_of(operation: Operation) -> set[str]:
    """The statuses that the operation can refuse with, as far as its form tells."""
    kind = POLICY[operation.method, operation.path].kind
    rows: list[tuple[bool, set[str]]] = [
        (operation.path not in PROBES, {"400", "422", "429", "503"}),
        (kind is not Kind.PUBLIC, {"401", "403"}),
        (operation.media is not None, {"413", "415"}),
        (bool(operation.named), {"404"}),
        (operation.has_version, {"412", "428"}),
        ("Idempotency-Key" in operation.parameters("header"), {"409"}),
    ]
    return {status for applies, statuses in rows if applies for status in statuses}


@every_operation
def test_its_refusals_are_documented(operation: Operation) -> None:
    responses = operation.said["responses"]
    assert refusals_of(operation) <= responses.keys()
    for status, response in responses.items():
        if not status.startswith("2"):
            shape = response["content"][PROBLEM]
            assert shape["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert set(response["content"]) == {PROBLEM}
            for code, example in shape["examples"].items():
                assert (example["value"]["code"], str(example["value"]["status"])) == (code, status)


@every_operation
def test_its_credentials_are_named(operation: Operation) -> None:
    kind = POLICY[operation.method, operation.path].kind
    named = {name for way in operation.said.get("security", ()) for name in way}
    assert named == CREDENTIALS[kind]
    assert named <= document()["components"]["securitySchemes"].keys()


def test_every_kind_of_credential_is_used() -> None:
    used = {name for o in OPERATIONS for way in o.said.get("security", ()) for name in way}
    assert used == set(document()["components"]["securitySchemes"])


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.method == "POST"], ids=str)
def test_a_post_takes_a_key_or_says_why_not(operation: Operation) -> None:
    """Without one a lost answer is sent again, and bought again."""
    headers = (
        [p for p in operation.said["parameters"] if p["in"] == "header"]
        if ("parameters" in operation.said)
        else []
    )
    takes_key = any(p["name"] == "Idempotency-Key" and p["required"] for p in headers)
    assert takes_key is (operation.path not in UNKEYED)


def test_the_list_of_unkeyed_posts_is_no_longer_than_needed() -> None:
    assert UNKEYED.keys() <= {o.path for o in OPERATIONS if o.method == "POST"}


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.media], ids=str)
def test_its_body_has_examples_that_validate(operation: Operation) -> None:
    assert operation.media in {JSON, FORM}
    is_required = operation.said["requestBody"].get("required", False)
    assert is_required is (operation.path not in OPTIONAL_BODIES)
    examples = operation.body_schema["examples"]
    assert examples
    for example in examples:
        assert faults(example, operation.body_schema) == []


SCHEMAS = document()["components"]["schemas"]
EXAMPLED = [(n, e) for n, schema in SCHEMAS.items() for e in schema.get("examples", ())]


@pytest.mark.parametrize(("name", "example"), EXAMPLED, ids=[n for n, _ in EXAMPLED])
def test_every_example_validates(name: str, example: Any) -> None:
    assert faults(example, SCHEMAS[name]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 1},
        {"variant_id": "no uuid", "quantity": 1},
        {"variant_id": "0192f0c1-a5e8-7000-a000-000000000001", "quantity": 0},
        {"variant_id": "0192f0c1-a5e8-7000-a000-000000000001", "quantity": True},
        {"variant_id": "0192f0c1-a5e8-7000-a000-000000000001", "quantity": 1, "price": 1},
        [],
    ],
)
def test_an_example_that_does_not_fit_would_be_noticed(wrong: Any) -> None:
    assert faults(wrong, SCHEMAS["LineWish"]) != []


def answers() -> Iterator[tuple[Operation, dict[str, Any]]]:
    """The shapes of all JSON answers that are no refusals."""
    for operation in OPERATIONS:
        for status, response in operation.said["responses"].items():
            shape = response.get("content", {}).get(JSON)
            if status.startswith("2") and shape is not None and shape["schema"]:
                yield operation, schema_of(shape["schema"])


def test_every_answer_has_an_example() -> None:
    """Whoever reads the contract sees what an answer looks like, not only what it may be."""
    bare = {schema["title"] for _, schema in answers() if not schema.get("examples")}
    assert bare == set()


def test_lists_have_one_shape() -> None:
    for operation, schema in answers():
        names = set(schema["properties"])
        if "items" in names and schema["title"] not in WHOLE_LISTS:
            assert names == set(Page.model_fields), operation
            assert {"limit", "cursor"} <= operation.parameters("query"), operation
        elif "cursor" in operation.parameters("query"):
            pytest.fail(f"{operation} takes a cursor and answers no page")


def amounts(schema: dict[str, Any]) -> list[str]:
    return [n for n in schema.get("properties", ()) if n == "amount" or n.endswith("_amount")]


def test_money_is_an_integer_in_minor_units() -> None:
    seen = 0
    for name, schema in SCHEMAS.items():
        for field in amounts(schema):
            told = schema["properties"][field]
            kinds = {part.get("type") for part in told.get("anyOf", [told])}
            assert "integer" in kinds, (name, field)
            assert kinds <= {"integer", "null"}, (name, field)
            seen += 1
    assert seen > 40


def test_nothing_in_the_contract_is_a_fraction() -> None:
    assert '"number"' not in str(document()).replace("'", '"')


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The components that a schema is made of."""
    for told in schema.get("properties", {}).values():
        for way in (told, told.get("items", {}), *told.get("anyOf", ())):
            if "$ref" in way:
                yield schema_of(way)


def without_currency(schema: dict[str, Any], *, covered: bool = False) -> Iterator[str]:
    """Shapes that state amounts where neither they nor what they stand in names a currency."""
    covered = covered or "currency" in schema["properties"]
    if amounts(schema) and not covered:
        yield schema["title"]
    for part in parts(schema):
        if "properties" in part:
            yield from without_currency(part, covered=covered)


def test_sums_of_money_stand_beside_their_currency() -> None:
    """An amount without a currency is added to one in another."""
    seen = 0
    for operation, schema in answers():
        if re.search(r"/(orders|quotes|payments|refunds)\b", operation.path):
            assert list(without_currency(schema)) == [], operation
            seen += 1
    assert seen >= 10


def test_times_are_date_times_and_end_in_at() -> None:
    for name, schema in SCHEMAS.items():
        for field, told in schema.get("properties", {}).items():
            ways = told.get("anyOf", [told])
            is_time = any(way.get("format") == "date-time" for way in ways)
            stamped = field.endswith(("_at", "_since")) or field in MOMENTS
            if is_time or field.endswith("_at"):
                assert is_time, (name, field)
                assert stamped, (name, field)


def test_names_are_snake_case_and_shapes_have_plain_names() -> None:
    """`app__orders__AddressWish` in a client is two shapes of one name here."""
    for name, schema in SCHEMAS.items():
        assert "__" not in name, name
        assert not name.endswith(("-Input", "-Output")), name
        for field in schema.get("properties", ()):
            assert re.fullmatch(r"[a-z][a-z0-9_]*", field), (name, field)


def test_there_is_one_shape_of_refusals() -> None:
    assert not {"HTTPValidationError", "ValidationError"} & SCHEMAS.keys()
    assert {"code", "status", "title", "type", "errors", "request_id"} <= set(
        SCHEMAS["Problem"]["properties"]
    )


def test_every_list_says_that_its_cursor_may_be_refused() -> None:
    for path, methods in document()["paths"].items():
        for method, said in methods.items():
            if any(one["name"] == "cursor" for one in said.get("parameters", ())):
                assert "invalid_cursor" in str(said["responses"].get("422")), (method, path)


def test_development_has_no_routes_of_tests() -> None:
    told = create_app(Settings.model_construct()).openapi()["paths"].keys()
    tested = document()["paths"].keys()
    assert tested - told == {"/v1/test/clock"}
    assert told <= tested
