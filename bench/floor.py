"""The floor: the very statements of an operation, replayed by pgbench on the same data."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import event

from app.core.db import Database

_PLACE = re.compile(r"\$(\d+)")


@dataclass
class Captured:
    """What one operation has sent to the database."""

    statements: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    # BEGIN and COMMIT, which the driver sends.
    brackets: int = 0

    @property
    def count(self) -> int:
        """Statements, savepoints included."""
        return len(self.statements)

    def script(self) -> str:
        """The statements with their values, as one transaction that leaves nothing behind."""
        lines = [
            _PLACE.sub(lambda m, v=v: _literal(v[int(m[1]) - 1]), s) for s, v in self.statements
        ]
        return "\n".join(f"{' '.join(x.split())};" for x in ("BEGIN", *lines, "ROLLBACK")) + "\n"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value).lower()
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    # pgbench takes a colon before a name for a variable of its own, in quotes too.
    for plain, escaped in (("\\", "\\\\"), ("'", "''"), (":", "\\x3a"), (" ", "\\x20")):
        text = text.replace(plain, escaped)
    return f"E'{text}'"


@contextmanager
def capturing(database: Database) -> Iterator[Captured]:
    """Everything that both pools send meanwhile."""
    captured = Captured()

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        rows = values if isinstance(values, list) else [values]
        captured.statements.extend((statement, tuple(row or ())) for row in rows)

    def bracket(_connection: Any) -> None:
        captured.brackets += 1

    writer, reader = database.writer.sync_engine, database.reader.sync_engine
    hooks = [(engine, "before_cursor_execute", note) for engine in (writer, reader)]
    hooks += [(writer, name, bracket) for name in ("begin", "commit", "rollback")]
    for target, name, hook in hooks:
        event.listen(target, name, hook)
    try:
        yield captured
    finally:
        for target, name, hook in hooks:
            event.remove(target, name, hook)


@dataclass(frozen=True, slots=True)
class Floor:
    """What the statements alone cost for one operation, in milliseconds."""

    wall_ms: float
    client_ms: float
    backend_ms: float

    @property
    def cpu_ms(self) -> float:
        """CPU on both ends."""
        return self.client_ms + self.backend_ms


def replay(captured: Captured, url: str, folder: Path, *, times: int) -> Floor:
    """Run the statements so many times on one connection, prepared."""
    program = shutil.which("pgbench")
    assert program, "pgbench is not installed"
    script = folder / "floor.sql"
    script.write_text(captured.script())
    command = [program, "-n", "-M", "prepared", "-c", "1", "-t", str(times), "-f", str(script), url]
    log = folder / "floor.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, "PGAPPNAME": "floor"}
        )
        backend_seconds = _follow(psutil.Process(child.pid))
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    told = log.read_text()
    assert child.returncode == 0, told
    assert f"{times}/{times}" in told, told
    latency = re.search(r"latency average = ([\d.]+) ms", told)
    assert latency, told
    client_seconds = usage.ru_utime + usage.ru_stime
    return Floor(float(latency[1]), client_seconds * 1_000 / times, backend_seconds * 1_000 / times)


def _follow(client: psutil.Process) -> float:
    """CPU time of the client's backend until the client ends."""
    backend: psutil.Process | None = None
    seconds = 0.0
    while client.status() != psutil.STATUS_ZOMBIE:
        backend = backend or _backend_of(client)
        if backend is not None:
            try:
                spent = backend.cpu_times()
            except psutil.NoSuchProcess:
                break
            seconds = max(seconds, spent.user + spent.system)
        time.sleep(0.01)
    return seconds


def _backend_of(client: psutil.Process) -> psutil.Process | None:
    """The server process at the other end of the client's connection."""
    try:
        mine = {c.laddr.port for c in client.net_connections("tcp") if c.status == "ESTABLISHED"}
    except psutil.Error:
        return None
    for process in psutil.process_iter(["name", "cmdline"]):
        told = " ".join(process.info["cmdline"] or ())
        if process.info["name"] == "postgres" and any(f"({port})" in told for port in mine):
            return process
    return None
