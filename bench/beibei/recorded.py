"""The recorded group buys, and the waves in which they can be lived again."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path("shared/data/affinity/beibei/groups_train.parquet")
SMALLEST_SIZE = 2
BATCH_ROWS = 5_000


class NoRecordsError(Exception):
    """The records cannot be read here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One group buy as it happened."""

    group_id: int
    initiator_id: int
    product_id: int
    succeeded: bool
    participant_ids: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many it took; nobody knows how many a failed one wanted, so it wanted one more."""
        return 1 + len(self.participant_ids) if self.succeeded else SMALLEST_SIZE

    @property
    def offer(self) -> tuple[int, int]:
        """Which campaign it needs: that of the product for groups of its size."""
        return self.product_id, self.size

    @property
    def member_ids(self) -> tuple[int, ...]:
        """Everybody who pays."""
        return self.initiator_id, *self.participant_ids


def default_path() -> Path:
    """Where the records lie unless told: BEIBEI_DATA, or `shared/` beside the repository."""
    told = os.environ.get("BEIBEI_DATA")
    return Path(told) if told else ROOT.parent / SHARED


def read(path: Path, count: int) -> list[Recorded]:
    """The first groups of the file."""
    found = list(islice((recorded(row) for row in _rows(path)), count))
    if len(found) < count:
        raise NoRecordsError(f"{path} has {len(found)} groups, not {count}")
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise NoRecordsError(
            f"no recorded group buys at {path}; say where groups_train.parquet lies with --data "
            "or BEIBEI_DATA"
        )
    try:
        from pyarrow import parquet
    except ImportError:
        raise NoRecordsError(
            "reading parquet needs pyarrow: pip install -e '.[bench]' -c constraints.txt"
        ) from None
    for batch in parquet.ParquetFile(path).iter_batches(BATCH_ROWS):
        yield from batch.to_pylist()


def recorded(row: dict[str, Any]) -> Recorded:
    """One row of the file; what cannot have been a group is refused."""
    told = Recorded(
        group_id=row["group_id"],
        initiator_id=row["initiator_id"],
        product_id=row["product_id"],
        succeeded=bool(row["success"]),
        participant_ids=tuple(int(one) for one in (row["participants"] or "").split("|") if one),
    )
    if len(set(told.member_ids)) != len(told.member_ids):
        raise NoRecordsError(f"group {told.group_id} names a member twice")
    if told.succeeded != bool(told.participant_ids):
        raise NoRecordsError(f"group {told.group_id}: who succeeded had company, who failed none")
    return told


def waves(groups: Iterable[Recorded]) -> list[list[Recorded]]:
    """The groups in order, each in the first wave where none of its members repeats a product.

    A member sits in one gathering group of a campaign at a time, and a failed group gathers until
    its deadline, so what one member did twice with one product cannot happen on one day.
    """
    made: list[list[Recorded]] = []
    free_from: defaultdict[tuple[int, int], int] = defaultdict(int)
    for group in groups:
        pairs = [(member_id, group.product_id) for member_id in group.member_ids]
        number = max(free_from[pair] for pair in pairs)
        if number == len(made):
            made.append([])
        made[number].append(group)
        for pair in pairs:
            free_from[pair] = number + 1
    return made


def units_of(groups: Sequence[Recorded]) -> dict[int, int]:
    """How many units each product needs so that every group finds its own."""
    units: defaultdict[int, int] = defaultdict(int)
    for group in groups:
        units[group.product_id] += len(group.member_ids)
    return dict(units)
