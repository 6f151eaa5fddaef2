"""The demonstration, as a visitor meets it: the story over HTTP, the open shop, Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from app.cli.commands import cli
from app.demo import story
from app.demo.server import OwnServer
from app.demo.telling import Teller
from tests.conftest import TOKEN_SECRET

ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS = ("teller@quanpu.example", "quiet lake at dawn")
STOP_WITHIN_SECONDS = 20


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    environment = {
        "APP_ENV": "test",
        "DATABASE_URL": f"sqlite:///{tmp_path}/story.db",
        "TOKEN_SECRET": TOKEN_SECRET,
        "WORKER_EMBEDDED": "true",
        "LOG_LEVEL": "error",
        "ACCESS_TOKEN_TTL_SECONDS": "86400",
        "QUANPU_OPERATOR_PASSWORD": CREDENTIALS[1],
        "PYTHONPATH": str(ROOT),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    operator = ["operator", "create", "--email", CREDENTIALS[0], "--admin"]
    for words in (["migrate"], operator):
        assert CliRunner().invoke(cli, words).exit_code == 0
    with OwnServer() as url:
        yield url


def test_the_story_holds_and_notices_when_it_does_not(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Teller("en", None)
    story.play_story(server, CREDENTIALS, right)
    assert right.faults == []
    assert right.holds
    told = [step["step"] for step in right.steps]
    assert told.count("paid") == 5
    assert told.count("refunded") == 4, "two members, looked at twice"
    assert {s["refunded_amount"] for s in right.steps if s["step"] == "refunded"} == {9_900}

    monkeypatch.setattr(story, "SOLO_AMOUNT", 15_901)
    wrong = Teller("en", None)
    story.play_story(server, CREDENTIALS, wrong)
    assert wrong.faults == ["the price alone: got 15900, wanted 15901"]
    assert not wrong.holds


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed lines call curl")
def test_the_open_shop_lets_a_visitor_join_by_the_printed_lines(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    shop = subprocess.Popen(
        [sys.executable, "-m", "app", "demo", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert shop.stdout is not None
        printed = []
        for line in shop.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        lines = "".join(printed)
        snippet = lines[lines.index("API=") : lines.index("停止 stop")]
        answers = subprocess.run(
            ["bash", "-c", snippet], capture_output=True, text=True, check=True, timeout=60
        ).stdout.splitlines()
        paid, group = json.loads(answers[-2]), json.loads(answers[-1])
        assert (paid["payment"]["state"], paid["payment"]["amount"]) == ("captured", 9_900)
        assert (group["status"], group["paid"], group["seats_left"]) == ("succeeded", 3, 0)
        docs = lines.split("docs          ")[1].split()[0]
        assert httpx2.get(docs).status_code == 200
        assert (tmp_path / "demo.db").exists()
    finally:
        shop.send_signal(signal.SIGINT)
        assert shop.wait(STOP_WITHIN_SECONDS) == 0, "Ctrl-C is an ordinary end"
        shop.stdout.close()
