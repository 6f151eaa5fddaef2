"""Parts of the engine on their own: matching, the fewest promotions, snapshots, purity."""

import ast
import json
import sys
from functools import reduce
from itertools import combinations
from operator import or_
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import money
from app.promotions.pricing import cover, snapshot
from app.promotions.pricing.basket import Basket, BasketLine
from app.promotions.pricing.engine import quote
from app.promotions.pricing.match import LineIndex, Match
from app.promotions.pricing.percent_off import PercentOff
from tests.promotions.pricing import brute_force
from tests.promotions.pricing.builders import NOW, basket, line, percent
from tests.promotions.pricing.strategies import baskets, lines, matches, rules

CANDIDATES = 7
PURE_MODULES = [Path(money.__file__), *sorted(Path(cover.__file__).parent.glob("*.py"))]
ALLOWED_PREFIXES = ("app.core.money", "app.core.errors", "app.promotions.pricing")


@given(matches, lines(1))
def test_a_match_accepts_what_its_fields_say(match: Match, goods: BasketLine) -> None:
    assert match.accepts(goods) == brute_force.accepts(match, goods)


@given(matches, st.tuples(lines(1), lines(2), lines(3)))
def test_an_index_answers_for_every_line_at_once(
    match: Match, goods: tuple[BasketLine, ...]
) -> None:
    expected = [brute_force.accepts(match, row) for row in goods]
    mask = LineIndex(goods).mask(match)
    assert [bool(mask >> position & 1) for position in range(len(goods))] == expected
    assert mask < 1 << len(goods)


needs_lists = st.lists(st.integers(1, (1 << CANDIDATES) - 1), max_size=9)


def fewest_by_trying_all(needs: list[int]) -> int:
    """Combinations come smallest first and, of one size, oldest first."""
    for size in range(CANDIDATES + 1):
        for bits in combinations([1 << position for position in range(CANDIDATES)], size):
            chosen = reduce(or_, bits, 0)
            if all(need & chosen for need in needs):
                return chosen
    raise AssertionError("all candidates together meet every need")


@given(needs_lists)
def test_fewest_is_the_smallest_then_oldest_set(needs: list[int]) -> None:
    assert cover.fewest(needs) == fewest_by_trying_all(needs)


@given(needs_lists)
def test_the_search_alone_needs_no_reductions(needs: list[int]) -> None:
    found = cover._search(needs) if needs else 0
    assert found == fewest_by_trying_all(needs)


def test_the_search_beats_taking_the_busiest_first_until_its_steps_run_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = [0b1110001, 0b0010110, 0b0000111, 0b1101000]
    assert cover.fewest(needs) == cover._search(needs) == 0b0100010
    monkeypatch.setattr(cover, "STEPS_MAX", 2)
    assert cover._search(needs) == 0b0001011


@given(needs_lists)
def test_out_of_steps_every_need_is_still_met(needs: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cover, "STEPS_MAX", 0)
        chosen = cover.fewest(needs)
    assert all(need & chosen for need in needs)


@given(baskets(), rules())
def test_a_snapshot_is_plain_json_and_tells_every_share(
    goods: Basket, offers: list[PercentOff]
) -> None:
    answer = quote(goods, offers, now=NOW)
    told = snapshot.snapshot_of(answer)
    assert json.loads(json.dumps(told)) == told
    assert told["total_amount"] == answer.total_amount
    for row, line_told in zip(answer.lines, told["lines"], strict=True):
        runs = line_told["unit_shares"]
        shares = tuple(run["amount"] for run in runs for _ in range(run["units"]))
        assert shares == row.unit_share_amounts
        assert line_told["variant_id"] == str(row.variant_id)


def test_a_snapshot_stores_equal_shares_as_one_run() -> None:
    stored = snapshot.snapshot_of(quote(basket(line(1, 9999)), [percent(10, 2000)], now=NOW))
    assert stored["lines"][0]["unit_shares"] == [{"amount": 4000, "units": 9999}]


def impurities(source: str) -> list[str]:
    """Floats, true divisions and foreign imports in a module, as short complaints."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found.append(f"float {node.value}")
        if isinstance(node, ast.Name) and node.id == "float":
            found.append("float")
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append("true division")
        found += [f"import {name}" for name in imported(node) if not is_allowed(name)]
    return found


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def is_allowed(name: str) -> bool:
    own = any(name == prefix or name.startswith(f"{prefix}.") for prefix in ALLOWED_PREFIXES)
    return own or name.split(".", maxsplit=1)[0] in sys.stdlib_module_names


@pytest.mark.parametrize("path", PURE_MODULES, ids=lambda path: path.stem)
def test_pricing_has_no_float_no_division_and_no_foreign_import(path: Path) -> None:
    """Prevents a fen lost to rounding, and a price that depends on a database or a clock."""
    assert impurities(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ["a = 0.5", "a = b / c", "a /= 2", "float(a)", "import numpy", "from app.core.db import x"],
)
def test_the_purity_check_sees_what_it_is_for(source: str) -> None:
    assert len(impurities(source)) == 1


def test_the_purity_check_reads_the_whole_package() -> None:
    assert {"money", "engine", "search", "percent_off", "group_price"} <= {
        path.stem for path in PURE_MODULES
    }
