"""The parts of the demonstration that need no server; with one it plays in `tests/lanes`."""

import socket

import pytest

from app.cli.serving import listen
from app.demo import story
from app.demo.telling import Teller, yuan

CREDENTIALS = ("teller@quanpu.example", "quiet lake at dawn")


def test_a_story_that_breaks_off_does_not_hold() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    said: list[str] = []
    teller = Teller("en", said.append)
    story.play_story(address, CREDENTIALS, teller)
    assert not teller.holds
    assert said[0].startswith("✗ the story broke off: ConnectError")


@pytest.mark.parametrize(
    ("amount", "written"), [(9_900, "¥99.00 (9900)"), (5, "¥0.05 (5)"), (-150, "¥-1.50 (-150)")]
)
def test_amounts_are_written_without_a_float(amount: int, written: str) -> None:
    assert yuan(amount) == written


def test_a_taken_port_is_refused_or_exchanged() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", port)
        with listen("127.0.0.1", port, or_any=True) as other:
            assert other.getsockname()[1] != port
