"""The double's controls, for tests and lanes: what buyers, banks and the wire do."""

from types import TracebackType
from typing import Any, Self

import httpx2

Object = dict[str, Any]


class Remote:
    """Blocking calls to a double; see `Modes` and `Fault` for what can be set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx2.Client(base_url=url, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def pay(self, intent_id: str, *, after: float = 0) -> Object:
        """The buyer pays in the app; `after` so many seconds of processing."""
        return self._post(f"pay/{intent_id}", after=after)

    def decline(self, intent_id: str) -> Object:
        """The buyer gives up in the app."""
        return self._post(f"refuse/{intent_id}")

    def settle_charge(self, charge_id: str) -> Object:
        """A charge reaches the balance, less its fee; for the mode `fee_known_after=None`."""
        return self._post(f"settle_charge/{charge_id}")

    def settle_refund(self, refund_id: str) -> Object:
        """A pending refund reaches the buyer."""
        return self._post(f"settle_refund/{refund_id}")

    def fail_refund(self, refund_id: str, reason: str = "expired_or_canceled_card") -> Object:
        """A refund, even one that had succeeded, comes back."""
        return self._post(f"fail_refund/{refund_id}", reason=reason)

    def dispute(
        self, charge_or_intent_id: str, amount: int | None = None, reason: str = "fraudulent"
    ) -> Object:
        return self._post(f"dispute/{charge_or_intent_id}", amount=amount, reason=reason)

    def win(self, dispute_id: str, *, keeps_fee: bool = False) -> Object:
        return self._post(f"win/{dispute_id}", keeps_fee=keeps_fee)

    def lose(self, dispute_id: str) -> Object:
        return self._post(f"lose/{dispute_id}")

    def modes(self, **values: Any) -> None:
        """Change how messages are sent and how money behaves; the rest stays as it was."""
        self._post("modes", **values)

    def reset(self) -> None:
        """No modes, faults, latency or outage any more; what was to happen later happens now."""
        self._post("reset")

    def fault(self, kind: str, /, **values: Any) -> None:
        """What the next request that fits meets; see `faults.KINDS` and `faults.Fault`."""
        self._post("faults", kind=kind, **values)

    def hanging(self) -> int:
        """How many requests hang now."""
        return self._get("hanging")

    def release(self) -> None:
        """Requests that hang go on."""
        self._post("release")

    def hurry(self) -> None:
        """What banks and buyers were to do later is done now."""
        self._post("hurry")

    def outage(self, seconds: float) -> None:
        """Connections are reset for so long; these controls still answer. 0 ends it."""
        self._post("outage", seconds=seconds)

    def latency(self, seconds: float) -> None:
        self._post("latency", seconds=seconds)

    def hooks(self, urls: list[str] | None = None, secrets: list[str] | None = None) -> None:
        """Where messages go, and what signs them; several secrets while one is rolled."""
        told = {"urls": urls, "secrets": secrets}
        self._post("hooks", **{name: value for name, value in told.items() if value is not None})

    def again(self, event_id: str) -> None:
        """Send an event once more."""
        self._post(f"again/{event_id}")

    def clock(self, now: int | None, *, frozen: bool = False) -> None:
        """Set the double's time, in seconds; None goes back to real time."""
        self._post("clock", now=now, frozen=frozen)

    def truth(self) -> Object:
        """`currencies` and `payment_intents`: captured, refunded, refunds_failed, disputed, …"""
        return self._get("truth")

    def deliveries(self) -> list[Object]:
        """Every try to send a message: event, type, url, status, try."""
        return self._get("deliveries")

    def idle(self, seconds: float = 5) -> None:
        """Wait until every message has been taken."""
        assert self._post("idle", seconds=seconds), "messages are still under way"

    def _get(self, path: str) -> Any:
        answer = self._client.get(f"/_double/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _post(self, path: str, /, **values: Any) -> Any:
        answer = self._client.post(f"/_double/{path}", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()
