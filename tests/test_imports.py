"""Imports go down only, doors stay private, pure code stays pure; and each rule is seen to catch.

The accident these prevent: features that grow into one knot, where nothing can be changed alone.
"""

import tomllib
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

configure()

ROOT = Path(__file__).parents[1]
CONTRACTS = {"layers": LayersContract, "forbidden": ForbiddenContract}

FEATURES = (
    "identity", "ledger", "catalog", "community", "promotions", "groupbuy", "payments", "orders",
    "webhooks", "privacy", "audit",
)  # fmt: skip
# Which kinds of file of the same feature a kind of file may not import.
CLOSED: dict[str, frozenset[str]] = {
    "models": frozenset({"repository", "service", "schemas", "routes", "jobs", "deps"}),
    "errors": frozenset({"models", "repository", "service", "schemas", "routes", "jobs", "deps"}),
    "events": frozenset({"repository", "service", "schemas", "routes", "jobs", "deps"}),
    "rules": frozenset({"repository", "service", "schemas", "routes", "jobs", "deps"}),
    "repository": frozenset({"service", "schemas", "routes", "jobs", "deps"}),
    "service": frozenset({"schemas", "routes", "jobs"}),
    "routes": frozenset({"repository"}),
}


def options() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        told: dict[str, Any] = tomllib.load(file)["tool"]["importlinter"]
    return told


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", cache_dir=None)


def holds(contract: dict[str, Any], graph: grimp.ImportGraph) -> bool:
    session = {k: v for k, v in options().items() if k != "contracts"}
    session["root_packages"] = [session["root_package"]]
    # The linter's own reader hands every option over as text.
    own = {
        k: str(v) if isinstance(v, bool) else v
        for k, v in contract.items()
        if k not in {"name", "type"}
    }
    made = CONTRACTS[contract["type"]](contract["name"], session, own)
    kept: bool = made.check(deepcopy(graph), verbose=False).kept
    return kept


def with_import(graph: grimp.ImportGraph, importer: str, imported: str) -> grimp.ImportGraph:
    broken = deepcopy(graph)
    broken.add_import(importer=importer, imported=imported, line_number=1, line_contents="seeded")
    return broken


@pytest.mark.parametrize("contract", options()["contracts"], ids=lambda c: c["name"])
def test_contracts_hold(graph: grimp.ImportGraph, contract: dict[str, Any]) -> None:
    assert holds(contract, graph)


def layers() -> list[list[str]]:
    told: list[str] = options()["contracts"][0]["layers"]
    return [[f"app.{name.strip()}" for name in row.split("|")] for row in told]


def test_an_import_upwards_is_caught_at_every_layer(graph: grimp.ImportGraph) -> None:
    contract = options()["contracts"][0]
    rows = layers()
    for above, below in pairwise(rows):
        for upper in above:
            for lower in below:
                assert not holds(contract, with_import(graph, lower, upper)), (lower, upper)


def test_siblings_that_meet_are_caught(graph: grimp.ImportGraph) -> None:
    contract = options()["contracts"][0]
    for row in layers():
        for one in row:
            for other in row:
                if one != other:
                    assert not holds(contract, with_import(graph, one, other)), (one, other)


def test_impure_imports_are_caught(graph: grimp.ImportGraph) -> None:
    contract = options()["contracts"][1]
    for pure in contract["source_modules"]:
        for impure in contract["forbidden_modules"]:
            assert not holds(contract, with_import(graph, pure, impure)), (pure, impure)


def parts(module: str) -> tuple[str, str]:
    """Feature and kind of file of `app.feature.kind…`."""
    _, *rest = module.split(".")
    return (rest[0], rest[1]) if len(rest) > 1 else (rest[0] if rest else "", "")


def offences(graph: grimp.ImportGraph) -> Iterator[str]:
    for importer in graph.modules:
        feature, kind = parts(importer)
        if feature not in FEATURES:
            continue
        for imported in graph.find_modules_directly_imported_by(importer):
            other, door = parts(imported)
            foreign = other in FEATURES and other != feature
            if foreign and door == "repository":
                yield f"{importer} opens the repository of {other}"
            if other == feature and door in CLOSED.get(kind, ()):
                yield f"{importer} imports {imported}"


def test_a_repository_is_private_and_files_import_by_their_kind(graph: grimp.ImportGraph) -> None:
    assert sorted(offences(graph)) == []


def test_a_foreign_repository_is_caught(graph: grimp.ImportGraph) -> None:
    broken = with_import(graph, "app.orders.service", "app.payments.repository")
    assert list(offences(broken)) == ["app.orders.service opens the repository of payments"]


@pytest.mark.parametrize("kind", CLOSED)
def test_an_import_of_the_wrong_kind_is_caught(graph: grimp.ImportGraph, kind: str) -> None:
    for door in CLOSED[kind]:
        broken = with_import(graph, f"app.orders.{kind}", f"app.orders.{door}")
        assert list(offences(broken)), door
