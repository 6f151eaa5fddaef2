"""What the double knows, and the append-only file it is rebuilt from.

Each line is one JSON object; `is` says what: `fact` (money that moved), `object` (one of Stripe's
objects as it stands now), `answer` (kept for an idempotency key), `sent` (a message that needs no
more sending), `end` (everything above it holds). The lines of one piece of work are written at
once and are on disk before anybody is answered.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Lines = list[dict[str, Any]]
TOTALS = {
    "charge_captured": "captured",
    "refund_made": "refunded",
    "refund_failed": "refunds_failed",
    "dispute_withdrawn": "disputed",
    "dispute_reinstated": "reinstated",
    "fee": "fees",
    "fee_returned": "fees_returned",
}
SIGNS = {
    "captured": 1, "refunded": -1, "refunds_failed": 1, "disputed": -1, "reinstated": 1,
    "fees": -1, "fees_returned": 1,
}  # fmt: skip


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of finished work; what a kill cut off is left out."""
    held: Lines = []
    if not path.exists():
        return
    for raw in path.read_bytes().split(b"\n"):
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if line["is"] == "end":
            yield from held
            held = []
        else:
            held.append(line)


def facts_in(path: Path) -> Lines:
    """The money that moved, in order, read from a double's file."""
    return [line for line in read_lines(path) if line["is"] == "fact"]


def totals_of(facts: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Sums of facts in one currency; `net` is what is left with the merchant."""
    sums = dict.fromkeys(SIGNS, 0)
    for fact in facts:
        sums[TOTALS[fact["fact"]]] += fact["amount"]
    return {**sums, "net": sum(sign * sums[name] for name, sign in SIGNS.items())}


class Books:
    """Objects by id and by kind, facts, and answers by idempotency key."""

    def __init__(self, path: Path) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, list[str]] = defaultdict(list)
        self.facts: Lines = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.unsent: dict[str, None] = {}
        self._live: dict[str, bool] = {}
        for line in read_lines(path):
            self._take(line)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # A line that was cut off would swallow the next one.
        os.write(self._file, b"\n")

    def close(self) -> None:
        os.close(self._file)

    def write(self, lines: Lines) -> None:
        """Take the lines and keep them on disk."""
        if not lines:
            return
        for line in lines:
            self._take(line)
        self._append([*lines, {"is": "end"}])
        os.fsync(self._file)

    def sent(self, event_id: str, *, dropped: bool = False) -> None:
        """No more sending of this message; losing the note in a crash does no harm."""
        line = {"is": "sent", "event": event_id, "dropped": dropped}
        self._take(line)
        self._append([line, {"is": "end"}])

    def of_kind(self, kind: str, *, livemode: bool) -> list[dict[str, Any]]:
        """The newest first."""
        ids = reversed(self.kinds[kind])
        return [self.objects[key] for key in ids if self._live[key] == livemode]

    def is_live(self, reference: str) -> bool:
        """Some of Stripe's objects do not say their mode themselves."""
        return self._live[reference]

    def _append(self, lines: Lines) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        data = text.encode()
        written = os.write(self._file, data)
        assert written == len(data), "the disk is full"

    def _take(self, line: dict[str, Any]) -> None:
        match line["is"]:
            case "fact":
                self.facts.append(line)
            case "object":
                self._take_object(line["object"], livemode=line["livemode"])
            case "answer":
                self.answers[line["key"]] = line
            case "sent":
                self.unsent.pop(line["event"], None)

    def _take_object(self, found: dict[str, Any], *, livemode: bool) -> None:
        self._live[found["id"]] = livemode
        if found["id"] not in self.objects:
            self.kinds[found["object"]].append(found["id"])
            if found["object"] == "event":
                self.unsent[found["id"]] = None
        self.objects[found["id"]] = found
