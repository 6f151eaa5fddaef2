"""Who may have how many messages in flight, so that nobody's failures are another's delay."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum

WINDOW_MAX = 8
# Who takes longer than this gets one message at a time: a place is held for as long as it takes.
QUICK_SECONDS = 2.0
# How many idle endpoints' windows are remembered; one that is forgotten begins at one again.
REMEMBERED_MAX = 1_024


class Standing(StrEnum):
    """What is known of an endpoint: its last attempt succeeded, there was none, or it failed."""

    STEADY = "steady"
    UNKNOWN = "unknown"
    FAILING = "failing"


@dataclass(slots=True)
class _Lane:
    in_flight: int = 0
    window: int = 1


@dataclass(slots=True)
class Slots:
    """The places of one worker.

    An endpoint has one place, twice as many after each quick success up to eight, and one again
    after a failure or a slow success. All endpoints that are not steady share half of the places:
    however many of them hang until their time is over, the other half is for those that answer. An
    eighth is for them alone, so that a rush of the steady ones does not keep a new one waiting.
    """

    total: int
    _lanes: dict[Hashable, _Lane] = field(default_factory=dict)
    _taken: int = 0
    _doubtful: int = 0

    @property
    def taken(self) -> int:
        """How many messages are in flight."""
        return self._taken

    def room(self, standing: Standing) -> int:
        """How many more messages may be in flight to endpoints of this standing."""
        free = self.total - self._taken
        if standing is Standing.STEADY:
            return free - max(self.total // 8 - self._doubtful, 0)
        return min(free, max(self.total // 2, 1) - self._doubtful)

    def full(self) -> list[Hashable]:
        """The endpoints that have no place left of their own."""
        return [each for each, lane in self._lanes.items() if lane.in_flight >= lane.window]

    def take(self, endpoint: Hashable, standing: Standing) -> int:
        """Give an endpoint all it may have now; how many places that is."""
        lane = self._lanes.get(endpoint) or _Lane()
        count = min(lane.window - lane.in_flight, self.room(standing))
        if count <= 0:
            return 0
        self._lanes[endpoint] = lane
        lane.in_flight += count
        self._count(standing, count)
        return count

    def give_back(self, endpoint: Hashable, standing: Standing, count: int = 1) -> None:
        """Places that were taken and not used, or whose message has ended."""
        lane = self._lanes[endpoint]
        lane.in_flight -= count
        self._count(standing, -count)
        if not lane.in_flight:
            self._remember(endpoint, lane)

    def learn(self, endpoint: Hashable, *, delivered: bool, seconds: float) -> None:
        """Widen or narrow an endpoint by what became of one of its messages, and how soon."""
        lane = self._lanes[endpoint]
        is_quick = delivered and seconds < QUICK_SECONDS
        lane.window = min(lane.window * 2, WINDOW_MAX) if is_quick else 1

    def _count(self, standing: Standing, count: int) -> None:
        self._taken += count
        if standing is not Standing.STEADY:
            self._doubtful += count

    def _remember(self, endpoint: Hashable, lane: _Lane) -> None:
        """Keep an idle endpoint's window behind those that were idle before it."""
        del self._lanes[endpoint]
        if lane.window == 1:
            return
        self._lanes[endpoint] = lane
        if len(self._lanes) > REMEMBERED_MAX + self.total:
            oldest = next(each for each, old in self._lanes.items() if not old.in_flight)
            del self._lanes[oldest]
