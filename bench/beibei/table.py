"""The figures of all sizes beside one another, each with how it grew from the size before."""

from collections.abc import Iterator, Sequence

from bench.beibei.run import Figures

STEPS = (
    "quote",
    "open",
    "pay, opening",
    "join",
    "pay, joining",
    "fail",
    "refund",
    "quote, solo",
    "place, solo",
    "pay, solo",
)
SHARES = {"p50": 50, "p99": 99}
NAME_WIDTH, CELL_WIDTH = 34, 18


def side_by_side(found: Sequence[Figures]) -> Iterator[str]:
    """One line a figure, one column a size."""
    yield _line("groups", [str(figures.groups) for figures in found])
    yield _line("orders", [str(figures.orders) for figures in found])
    rows = [_all(figures) for figures in found]
    for name in dict.fromkeys(name for row in rows for name in row):
        yield _line(name, list(_cells([row.get(name) for row in rows])))


def _all(figures: Figures) -> dict[str, float]:
    """Everything that has a number, in the order in which it is printed."""
    latencies = {
        f"{step}, {share} ms": percentile(figures.seconds[step], of) * 1_000
        for step in STEPS
        if figures.seconds.get(step)
        for share, of in SHARES.items()
    }
    return {**figures.figures, **latencies}


def percentile(values: Sequence[float], of: int) -> float:
    """The value that so many of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * of // 100, len(ordered) - 1)]


def _cells(values: Sequence[float | None]) -> Iterator[str]:
    before: float | None = None
    for value in values:
        if value is None:
            yield "-"
        else:
            yield f"{value:.2f}" + (f" (x{value / before:.2f})" if before else "")
        before = value


def _line(name: str, cells: Sequence[str]) -> str:
    return (f"{name:<{NAME_WIDTH}}" + "".join(f"{c:>{CELL_WIDTH}}" for c in cells)).rstrip()
