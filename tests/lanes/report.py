"""What a lane has found: expectations that failed, and figures for people to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lanes.world import Net, say


@dataclass
class Report:
    """One backend's run. Figures inform; only failures decide."""

    lane: str
    backend: str
    # Where processes die, the service may say 503; never any other 5xx.
    may_be_away: bool = False
    failures: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)

    def expect(self, holds: object, otherwise: str) -> None:
        """Note a failure unless it holds."""
        if not holds:
            self.failures.append(otherwise)
            say(f"   FAILED {otherwise[:900]}")

    def same(self, what: str, found: Any, wanted: Any) -> None:
        """Note a failure unless both are equal."""
        self.expect(found == wanted, f"{what}: {found}, not {wanted}")

    def line(self, name: str, figures: str) -> None:
        """A line of the table."""
        self.lines.append((name, figures))
        say(f"   {name}: {figures}")

    def broken(self, found: dict[str, list[Any]], when: str) -> None:
        """Note every invariant that does not hold."""
        for name, rows in found.items():
            self.expect(False, f"{when}: {name}: {rows}")

    def table(self, net: Net) -> None:
        """Print everything at once."""
        say(f"\n== {self.lane} on {self.backend}")
        width = max((len(name) for name, _ in self.lines), default=0)
        for name, figures in self.lines:
            say(f"  {name:<{width}}  {figures}")
        for verb, seconds in sorted(net.seconds.items()):
            say(f"  {verb:<{width}}  {latencies(seconds)}")
        say("  answers: " + ", ".join(f"{k} x{n}" for k, n in sorted(net.statuses.items())))
        for failure in self.failures:
            say(f"  FAILED {failure[:300]}")
        say(f"== {self.lane} on {self.backend}: {'FAILED' if self.failures else 'passed'}")


def latencies(seconds: Sequence[float]) -> str:
    """Count, median, 99th percentile and worst."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]
    return f"n={len(ordered)} p50={_ms(p50)} p99={_ms(p99)} max={_ms(ordered[-1])}"


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1_000)}ms"
