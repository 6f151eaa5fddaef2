"""What can go wrong on the wire, chosen beforehand or drawn from a seed."""

import random
import re
import time
from dataclasses import dataclass
from typing import Any

KINDS = (
    "cut_before",  # the connection is cut before anything is done
    "cut_after",  # the work is done and kept, but nobody hears of it
    "error",  # an answer `status` instead of the work; not kept for the key
    "error_after",  # the same after the work; kept for the key
    "hang",  # `seconds` pass before the work, the key is taken meanwhile
    "hang_after",  # `seconds` pass after the work
)


@dataclass
class Fault:
    """`times` None is for ever; `path` is a pattern found in `POST /v1/…`."""

    kind: str
    times: int | None = 1
    probability: float = 1
    path: str = "^POST "
    status: int = 500
    retry_after: int | None = None
    seconds: float = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}")
        re.compile(self.path)


class Faults:
    def __init__(self) -> None:
        self.latency = 0.0
        self._waiting: list[Fault] = []
        self._random = random.Random(0)
        self._out_until = 0.0

    def add(self, values: dict[str, Any]) -> None:
        """Another fault; a `seed` starts the drawing anew."""
        values = dict(values)
        seed = values.pop("seed", None)
        if seed is not None:
            self._random.seed(seed)
        self._waiting.append(Fault(**values))

    def clear(self) -> None:
        self.latency = 0.0
        self._waiting.clear()
        self._out_until = 0.0

    def delay(self, seconds: float) -> None:
        """Every request waits so long before anything else."""
        self.latency = seconds

    def out(self, seconds: float) -> None:
        """Every connection is reset for so long; 0 ends it."""
        self._out_until = time.monotonic() + seconds

    @property
    def is_out(self) -> bool:
        return time.monotonic() < self._out_until

    def take(self, request: str) -> Fault | None:
        """The fault that this request meets, if any."""
        for fault in self._waiting:
            if not re.search(fault.path, request) or self._random.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
            return fault
        return None
