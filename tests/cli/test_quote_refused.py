"""What `quanpu promotions quote` refuses: one clear line for each fault, and nothing on stdout."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.cli.quoting.checks import _REASONS
from app.cli.quoting.files import FILE_BYTES_MAX
from tests.cli.quoting import GUIDE, ROOT, Document, codes_under, example, run

Change = Callable[[Document], object]
FIRST, OTHER = "0192f0c1-a5e8-7000-a000-000000000011", "0192f0c1-a5e8-7000-a000-000000000099"
LINE = {"variant_id": FIRST, "product_id": OTHER, "quantity": 1, "list_amount": 100}
TIERS = [{"threshold_amount": 200, "off_amount": 20}, {"threshold_amount": 200, "off_amount": 40}]
ADD_ON_TIERS = [
    {"price_amount": 100, "variant_ids": [OTHER]},
    {"threshold_amount": 200, "price_amount": 100, "variant_ids": [OTHER]},
]


def put(path: str, value: Any) -> Change:
    """Set what a JSON pointer means."""

    def change(document: Document) -> None:
        *way, last = (int(name) if name.isdigit() else name for name in path.split("/")[1:])
        inside: Any = document
        for name in way:
            inside = inside[name]
        inside[last] = value

    return change


def rule(**fields: Any) -> Change:
    return put("/promotions/0/rule", fields)


REFUSED: list[tuple[str, Change, str, str]] = [
    ("percent-off", put("/now", "yesterday"), "/now", "datetime_from_date_parsing"),
    ("percent-off", put("/now", "2026-06-18T12:00:00"), "/now", "timezone_aware"),
    ("percent-off", lambda d: d.pop("shop"), "/shop", "missing"),
    ("percent-off", put("/lines/0/coulour", "red"), "/lines/0/coulour", "extra_forbidden"),
    ("percent-off", put("/promotions/0/off_bp", 1), "/promotions/0/off_bp", "extra_forbidden"),
    ("percent-off", put("/lines", []), "/lines", "too_short"),
    ("percent-off", put("/lines", [{}] * 101), "/lines", "too_long"),
    ("percent-off", put("/lines/0/quantity", 0), "/lines/0/quantity", "greater_than_equal"),
    ("percent-off", put("/lines/0/quantity", 1.0), "/lines/0/quantity", "int_type"),
    ("percent-off", put("/lines/0/list_amount", -1), "/lines/0/list_amount", "greater_than_equal"),
    ("percent-off", put("/lines/0/list_amount", False), "/lines/0/list_amount", "int_type"),
    ("percent-off", put("/lines/0/variant_id", "juicer"), "/lines/0/variant_id", "uuid_parsing"),
    ("percent-off", put("/shop/time_zone", "Mars/Olympus"), "/shop/time_zone", "value_error"),
    (
        "percent-off",
        put("/shop/discount_cap_bp", 10_001),
        "/shop/discount_cap_bp",
        "less_than_equal",
    ),
    (
        "percent-off",
        put("/shop/promotion_denials", [{"one": {}, "other": {"kind": "gift"}}]),
        "/shop/promotion_denials/0/one",
        "value_error",
    ),
    ("conditions", put("/buyer/roles", {FIRST: "king"}), f"/buyer/roles/{FIRST}", "enum"),
    ("conditions", put("/buyer/roles", {"x": "member"}), "/buyer/roles/x", "uuid_parsing"),
    (
        "percent-off",
        rule(kind="percent_off", off_bp=10_001),
        "/promotions/0/rule/off_bp",
        "less_than_equal",
    ),
    ("percent-off", rule(kind="free_lunch"), "/promotions/0/rule", "union_tag_invalid"),
    ("percent-off", rule(kind="percent_off"), "/promotions/0/rule", "bad_promotion"),
    (
        "percent-off",
        rule(kind="spend_threshold", tiers=TIERS),
        "/promotions/0/rule",
        "bad_promotion",
    ),
    ("percent-off", rule(kind="add_on", tiers=ADD_ON_TIERS), "/promotions/0/rule", "bad_promotion"),
    (
        "percent-off",
        put("/promotions/0/currency", "USD"),
        "/promotions/0/currency",
        "bad_promotion",
    ),
    (
        "percent-off",
        put("/promotions/0/match", {"tags_any": ["fruit"], "tags_none": ["fruit"]}),
        "/promotions/0/match",
        "bad_promotion",
    ),
    (
        "percent-off",
        put("/promotions/0/conditions", {"new_buyers_only": True, "nth_order": 2}),
        "/promotions/0/conditions",
        "bad_promotion",
    ),
    (
        "percent-off",
        lambda d: d["promotions"][0].update(
            starts_at="2026-06-18T00:00:00Z", ends_at="2026-06-18T00:00:00Z"
        ),
        "/promotions/0/ends_at",
        "bad_promotion",
    ),
    (
        "percent-off",
        put("/promotions/0/left", {"uses": -1}),
        "/promotions/0/left/uses",
        "greater_than_equal",
    ),
    (
        "percent-off",
        put("/promotions/0/left", {"tier_units": [1]}),
        "/promotions/0/left/tier_units",
        "too_long",
    ),
    (
        "stacking",
        lambda d: d["promotions"].append(d["promotions"][0]),
        "/promotions/5/id",
        "duplicate_id",
    ),
    ("stacking", put("/lines/1/key", "serum"), "/lines/1/key", "duplicate_key"),
    ("add-on", lambda d: d["add_ons"].append(d["add_ons"][0]), "/add_ons/1", "duplicate_key"),
    ("add-on", lambda d: d["goods"].append(d["goods"][0]), "/goods/1/variant_id", "duplicate_id"),
    ("add-on", put("/goods", []), "/add_ons/0/variant_id", "unknown_goods"),
    (
        "add-on",
        put("/add_ons/0/variant_id", FIRST),
        "/add_ons/0/promotion_id",
        "add_on_not_offered",
    ),
    (
        "add-on",
        put("/add_ons/0/promotion_id", OTHER),
        "/add_ons/0/promotion_id",
        "add_on_not_offered",
    ),
    ("add-on", lambda d: d.update(lines=d["lines"] * 100), "/", "value_error"),
    ("add-on", put("/goods/0/variant_id", FIRST), "/goods/0/list_amount", "goods_differ"),
    ("percent-off", lambda d: d["lines"].append(LINE), "/lines/1/list_amount", "goods_differ"),
    ("member-price", put("/lines/1/solo_amount", 1), "/lines/1/solo_amount", "two_price_settings"),
    (
        "group-price",
        put("/group_price/amounts", {OTHER: 9_900}),
        "/group_price/ladder",
        "bad_group_price",
    ),
    (
        "group-price-leader",
        lambda d: d["group_price"].update(ladder=[], amounts={OTHER: 1}),
        "/group_price/amounts",
        "unpriced_variant",
    ),
    (
        "group-price",
        put("/group_price/ladder/0/size", 1),
        "/group_price/ladder/0/size",
        "greater_than_equal",
    ),
    (
        "group-price",
        put("/group_price/ladder/1/amounts", {FIRST: 9_901}),
        "/group_price/ladder",
        "bad_group_price",
    ),
    (
        "group-price",
        put("/coupons", [{"id": OTHER, "promotion_id": FIRST}]),
        "/coupons",
        "coupon_with_group",
    ),
    (
        "coupon",
        put("/coupons/0/promotion_id", OTHER),
        "/coupons/0/promotion_id",
        "unknown_promotion",
    ),
    ("coupon", lambda d: d["coupons"].append(d["coupons"][0]), "/coupons/3/id", "duplicate_id"),
    ("coupon", put("/coupons/2/starts_at", "2026-06-19T00:00:00Z"), "/coupons/2", "value_error"),
    ("points", put("/points/share_max_bp", 10_001), "/points/share_max_bp", "less_than_equal"),
]


@pytest.mark.parametrize(
    ("name", "change", "pointer", "code"), REFUSED, ids=[f"{p} {c}" for _, _, p, c in REFUSED]
)
def test_a_contradiction_is_one_line(name: str, change: Change, pointer: str, code: str) -> None:
    document = deepcopy(example(name))
    change(document)
    result = run("-", told=json.dumps(document))
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert any(line.startswith(f"{code} {pointer}: ") for line in lines), result.stderr
    assert not list(Path.cwd().iterdir())


UNREADABLE = [
    (b"", "json_invalid"),
    (b'{"now": ', "json_invalid"),
    (b'{"now": 1, "now": 2}', "duplicate_member"),
    (b"[" * 100_000, "too_deep"),
    (b'{"channel": "\\u0000"}', "text_not_storable"),
    (b"\xff", "json_invalid"),
    (b"[]", "model_type"),
    (b" " * (FILE_BYTES_MAX + 1), "file_too_large"),
]


@pytest.mark.parametrize(("told", "code"), UNREADABLE, ids=[code for _, code in UNREADABLE])
def test_what_cannot_be_read_is_one_line(told: bytes, code: str) -> None:
    result = run("-", told=told)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(rf"{code} /\w*: .+\n", result.stderr)


@pytest.mark.parametrize("path", ["nowhere.json", "."])
def test_a_file_that_is_not_there_is_one_line(path: str) -> None:
    result = run(path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(rf"unreadable /: {re.escape(path)}: .+\n", result.stderr)


def test_broken_json_is_pointed_at() -> None:
    assert "at line 2, column 9" in run("-", told='{"a": 1,\n "now": }').stderr


@pytest.mark.parametrize("filling", [{}, LINE, 0], ids=["empty", "good", "numbers"])
def test_a_million_lines_are_refused_before_they_are_looked_at(filling: Any) -> None:
    count = 1_000_000 if filling != LINE else FILE_BYTES_MAX // 200
    lines = ",".join([json.dumps(filling)] * count)
    result = run("-", told=f'{{"lines": [{lines}]}}')
    assert result.exit_code == 2
    about_lines = [line for line in result.stderr.splitlines() if "/lines" in line]
    (told,) = about_lines
    assert told.startswith("too_long /lines: ")


def test_all_faults_are_told_at_once_and_as_json() -> None:
    document = example("percent-off")
    document["promotions"] = [
        {**document["promotions"][0], "currency": "USD"},
        {**document["promotions"][0], "rule": {"kind": "percent_off"}},
    ]
    result = run("-", "--json", told=json.dumps(document))
    assert result.exit_code == 2
    faults = [json.loads(line) for line in result.stderr.splitlines()]
    assert [fault["pointer"] for fault in faults] == [
        "/promotions/0/currency",
        "/promotions/1/rule",
    ]
    assert faults[0] == {
        "pointer": "/promotions/0/currency",
        "code": "bad_promotion",
        "detail": "currency: the shop's is CNY",
    }


def test_the_guides_faults_are_told_like_this() -> None:
    document = example("spend-threshold")
    first, tiers = document["promotions"][0], document["promotions"][0]["rule"]["tiers"]
    percent = {**first, "rule": {"kind": "percent_off", "off_bp": 20_000}}
    over = {**first, "rule": {"kind": "spend_threshold", "tiers": [{**tiers[0], "off_bp": 20_000}]}}
    falling = {**first, "rule": {"kind": "spend_threshold", "tiers": tiers[::-1]}}
    foreign = {**first, "currency": "USD"}
    for name, promotions in (("bad", [percent, over]), ("worse", [falling, foreign])):
        shown = re.findall(rf"quote {name}\.json.*\n((?:\w+ /.+\n)+)", GUIDE)
        assert shown == [run("-", told=json.dumps({**document, "promotions": promotions})).stderr]


def test_what_was_sent_is_not_repeated() -> None:
    document = example("percent-off")
    document["promotions"][0]["rule"]["kind"] = "canary"
    assert "canary" not in run("-", told=json.dumps(document)).stderr


def test_the_guide_names_the_codes_that_are_told_here() -> None:
    provoked = {code for _, _, _, code in REFUSED} | {code for _, code in UNREADABLE}
    named = set(codes_under("Faults are told as"))
    assert named <= provoked | {"unreadable"}
    own = {code for code in provoked if "_type" not in code and "pars" not in code}
    assert {code for code in own if f"`{code}`" not in GUIDE} <= {
        "too_short", "value_error", "enum", "timezone_aware", "union_tag_invalid",
    }  # fmt: skip


def reasons_of_wishes() -> Iterator[str]:
    source = (ROOT / "app/promotions/rules/wishes.py").read_text("utf-8")
    yield from re.findall(r'BadPromotion\(reason="(\w+)"', source)


def test_every_contradiction_of_a_promotion_has_a_place() -> None:
    """Names are never blank in a file, and whether orders may be free is no affair of it."""
    assert set(reasons_of_wishes()) - {"name_missing", "free_orders"} == _REASONS.keys()
