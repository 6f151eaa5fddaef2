"""Fetch a shop's events and hand each to a receiver, as the server itself would send it."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Self

import httpx2

from app.cli.webhooks.remote import PAGE, AwayError, Shop, pause
from app.core.clock import SystemClock
from app.webhooks.rules.signing import signature
from app.webhooks.service.messages import encoded

# More than are stated while the server still tells them again.
SEEN_MAX = 20_000


@dataclass(slots=True)
class Listener:
    """Reads the list of events from `since` on, without end, each event once."""

    shop: Shop
    kinds: Sequence[str]
    since: str
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    @classmethod
    def from_now_on(cls, shop: Shop, kinds: Sequence[str]) -> Self:
        """Begin now, as the server tells it: this machine's clock may be wrong."""
        answer = shop.get("/webhook-events", limit=1, kinds=list(kinds))
        return cls(shop, kinds, parsedate_to_datetime(answer.headers["date"]).isoformat())

    def events(self) -> Iterator[dict[str, Any] | None]:
        """Events as they happen; `None` whenever there are no more for now, or the server rests."""
        place: dict[str, Any] = {"since": self.since}
        while True:
            try:
                page = self.shop.get(
                    "/webhook-events", limit=PAGE, kinds=list(self.kinds), **place
                ).json()
            except AwayError:
                yield None
                continue
            yield from (event for event in page["events"] if self._is_new(event["id"]))
            if page["next_after"] is not None:
                # The minute that is told again may have begun before `since`.
                place["after"] = page["next_after"]
            if not page["has_more"]:
                yield None

    def _is_new(self, event_id: str) -> bool:
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events are handed to, signed as an endpoint's messages are."""

    client: httpx2.Client
    url: str
    secret: str

    def tell(self, event: dict[str, Any]) -> str:
        """Hand over one event; what the receiver made of it, as a word."""
        if not event["test"]:
            event = {name: told for name, told in event.items() if name != "test"}
        body, now = encoded(event), int(SystemClock().now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": event["id"],
            "webhook-timestamp": str(now),
            "webhook-signature": signature([self.secret], event["id"], now, body),
        }
        try:
            return str(self.client.post(self.url, content=body, headers=headers).status_code)
        except httpx2.HTTPError as error:
            return type(error).__name__


def forwarded(listener: Listener, receiver: Receiver) -> Iterator[tuple[dict[str, Any], str]]:
    """Hand over events as they happen; each with what the receiver made of it."""
    for event in listener.events():
        if event is None:
            pause()
        else:
            yield event, receiver.tell(event)
