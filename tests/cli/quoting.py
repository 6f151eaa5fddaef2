"""The command that prices files, the guide's examples, and the guide itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from app.cli.commands import cli

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/examples/promotions"
GUIDE = (ROOT / "docs/promotions.md").read_text(encoding="utf-8")
Document = dict[str, Any]


def run(*words: str, told: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["promotions", "quote", *words], input=told)


def priced(document: Document) -> Document:
    result = run("-", told=json.dumps(document))
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    found: Document = json.loads(result.stdout)
    return found


def elsewhere(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own in an empty folder, on an environment with nothing of ours in it."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def codes_under(heading: str) -> list[str]:
    """The codes in the first column of the table that a line of the guide heads."""
    table = GUIDE.split(heading)[1].split("| code |")[1].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def example(name: str) -> Document:
    found: Document = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
    return found
