"""Guards of the shape. Each docstring names the accident its test prevents."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.core.errors import Problem
from app.settings import Settings

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
SOURCES = sorted(p for p in APP.rglob("*.py") if "__pycache__" not in p.parts)
LINES_MAX = 400
# What stands around the features and is laid out as it likes.
SHELL = {"settings", "wiring", "main", "worker", "cli", "demo", "seed", "__main__", "__init__"}
# What a feature may consist of; a large one becomes a folder of the same name.
PARTS = {
    "routes", "jobs", "deps", "adapters", "service", "repository", "schemas", "models", "rules",
    "pricing", "events", "errors", "templates", "static",
}  # fmt: skip
EXTRA_PARTS = {"payments": {"gateway"}}
SQL_VERBS = {"select", "insert", "update", "delete"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def calls_in(path: Path) -> tuple[ast.Call, ...]:
    return tuple(node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def places(hits: Iterator[tuple[Path, int]]) -> list[str]:
    return [f"{name_of(path)}:{line}" for path, line in hits]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, as far as it is made of plain names."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(*, outside: tuple[str, ...] = ()) -> Iterator[tuple[Path, ast.Call]]:
    """Every call in every source that is not under one of the allowed places."""
    for path in SOURCES:
        if not name_of(path).startswith(outside or ("-",)):
            for node in calls_in(path):
                yield path, node


def test_commit_has_one_home() -> None:
    """A stray commit cuts a use case in two: half of it survives the refusal of the rest."""
    hits = (
        (path, node.lineno)
        for path, node in calls(outside=("app/core/db.py",))
        if isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    )
    assert places(hits) == []
    inside = [n for n in ast.walk(tree(APP / "core/db.py")) if dotted(n) == "db.commit"]
    assert len(inside) == 1, "the guard would notice one"


def test_time_is_told_by_one_clock() -> None:
    """A second clock makes deadlines differ between servers, and tests of time impossible."""
    tellers = re.compile(
        r"(datetime\.(now|utcnow|today|fromtimestamp)|date\.today|time\.(time|time_ns|localtime))$"
    )
    hits = (
        (path, node.lineno)
        for path, node in calls(outside=("app/core/clock.py",))
        if tellers.search(dotted(node.func))
    )
    assert places(hits) == []


@cache
def sql_names(path: Path) -> set[str]:
    """Names that mean an SQL verb in this file: `sa.select`, or `select` when imported."""
    names = {
        f"{module}.{verb}" for module in ("sa", "sqlalchemy", "sqlmodel") for verb in SQL_VERBS
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            ("sqlalchemy", "sqlmodel")
        ):
            names |= {a.asname or a.name for a in node.names if a.name in {*SQL_VERBS, "text"}}
    return names | {"sa.text"}


def speaks_sql(path: Path) -> bool:
    parts = path.relative_to(APP).with_suffix("").parts
    return parts[0] in {"core", "audit"} or bool({"repository", "models"} & set(parts))


def test_sql_stands_in_repositories() -> None:
    """A query elsewhere escapes `readable_by` and shows one tenant's rows to another."""
    hits = (
        (path, node.lineno)
        for path, node in calls()
        if not speaks_sql(path) and dotted(node.func) in sql_names(path)
    )
    assert places(hits) == []


def undocumented(path: Path) -> Iterator[tuple[Path, int]]:
    if not ast.get_docstring(tree(path)):
        yield path, 1
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    classes = (n for n in tree(path).body if isinstance(n, ast.ClassDef))
    for holder in (tree(path), *(c for c in classes if not c.name.startswith("_"))):
        for node in holder.body:
            public = isinstance(node, kinds) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                yield path, node.lineno


def test_everything_public_says_what_it_is_for() -> None:
    """A name without a sentence is guessed at, and guessed wrong, by whoever comes next."""
    assert [place for path in SOURCES for place in places(undocumented(path))] == []


def test_money_knows_no_fractions() -> None:
    """A float loses a fen somewhere between 0.1 and 0.2, and the ledger no longer balances."""
    money = (APP / "core/money.py", *sorted((APP / "promotions/pricing").rglob("*.py")))
    hits = [
        f"{name_of(path)}:{node.lineno}"
        for path in money
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id in {"float", "Decimal", "Fraction"})
    ]
    assert hits == []


def env_example() -> dict[str, str]:
    """Keys of `.env.example`, commented-out ones too, with the comment line above each."""
    keys: dict[str, str] = {}
    above = ""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"#?\s?([A-Z][A-Z0-9_]+)=.*", line):
            keys[match[1]] = above
        above = line
    return keys


def test_the_example_environment_names_every_setting() -> None:
    """A setting nobody can find is never set; one that is gone is set in vain."""
    keys = env_example()
    assert {k.lower() for k in keys} == set(Settings.model_fields)
    silent = [k for k, above in keys.items() if not above.startswith("# ") or "=" in above[:40]]
    assert silent == [], "each key has a comment line above it"


def features() -> list[Path]:
    return sorted(
        p for p in APP.iterdir() if p.is_dir() and p.name not in SHELL | {"core", "__pycache__"}
    )


def test_a_feature_consists_of_the_known_parts() -> None:
    """`utils.py` grows until it imports everything and everything imports it."""
    strange = [
        name_of(path)
        for feature in features()
        for path in feature.iterdir()
        if path.stem not in PARTS | EXTRA_PARTS.get(feature.name, set()) | {"__init__"}
        and path.name != "__pycache__"
    ]
    assert strange == []
    assert {p.stem for p in APP.glob("*.py")} <= SHELL


def test_no_file_is_too_long_to_read() -> None:
    """What does not fit a reader's head is changed by trial and error."""
    long = {name_of(p): n for p in SOURCES if (n := len(p.read_text().splitlines())) > LINES_MAX}
    assert long == {}


def every_problem() -> list[type[Problem]]:
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not {parts[1], path.parent.name} & SHELL:
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    waiting, kinds = [Problem], []
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        kinds += [k for k in below if k.__module__.startswith("app.")]
    return kinds


def test_every_refusal_has_a_code_and_titles_of_its_own() -> None:
    """Two refusals of one code cannot be told apart by a program that acts on them."""
    kinds = every_problem()
    assert len(kinds) > 20
    codes = [kind.code for kind in kinds]
    assert sorted({c for c in codes if codes.count(c) > 1}) == []
    for kind in kinds:
        assert re.fullmatch(r"[a-z][a-z0-9_]{2,63}", kind.code), kind
        assert 400 <= int(kind.status) <= 599, kind
        assert kind.title.isascii(), kind
        assert kind.title[0].isupper(), kind
        assert re.search(r"[\u4e00-\u9fff]", kind.title_zh), kind


def test_relationships_are_never_loaded_in_silence() -> None:
    """A lazy load inside a loop is a query per row; in async code it is a crash."""
    hits = (
        (path, node.lineno)
        for path, node in calls()
        if dotted(node.func).lower().endswith("relationship")
        and not any(
            k.arg == "lazy" and isinstance(k.value, ast.Constant) and k.value.value == "raise"
            for k in node.keywords
        )
    )
    assert places(hits) == []


@pytest.mark.parametrize(
    ("code", "guard"),
    [
        ("async def f(db): await db.commit()", test_commit_has_one_home),
        ("import datetime as d\nx = d.datetime.now(d.UTC)", test_time_is_told_by_one_clock),
        ("import sqlalchemy as sa\nx = sa.select(1)", test_sql_stands_in_repositories),
        ("from sqlmodel import update as u\nx = u(1)", test_sql_stands_in_repositories),
        ("x = 1", test_everything_public_says_what_it_is_for),
        ("x = Relationship(back_populates='y')", test_relationships_are_never_loaded_in_silence),
        ("\n" * 401, test_no_file_is_too_long_to_read),
    ],
)
def test_the_guards_notice(
    code: str, guard: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard that cannot fail guards nothing."""
    (tmp_path / "app/orders").mkdir(parents=True)
    wrong = tmp_path / "app/orders/service.py"
    wrong.write_text(code)
    (tmp_path / "app/core").mkdir()
    (tmp_path / "app/core/db.py").write_text("async def f(db): await db.commit()")
    monkeypatch.setattr("tests.test_shape.ROOT", tmp_path)
    monkeypatch.setattr("tests.test_shape.APP", tmp_path / "app")
    monkeypatch.setattr("tests.test_shape.SOURCES", [wrong])
    assert callable(guard)
    with pytest.raises(AssertionError, match=r"service\.py"):
        guard()
