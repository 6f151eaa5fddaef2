"""A PostgreSQL of a lane's own, which may be stopped as roughly as by a power cut.

Run as a module it says in one word whether this machine can have one.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg

from tests.lanes.process import HOST, free_port

NEEDED = ("initdb", "pg_ctl", "postgres")
# The server refuses to run as root; this user comes with every package of it.
SERVANT = "postgres"
PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - where the servant may enter
COMMAND_SECONDS_MAX = 60
READY_SECONDS_MAX = 30
# What the server must never say: of lost data, or of transactions that waited for one another.
ALARMS = ("PANIC", "deadlock detected", "invalid page", "could not access status of transaction")


def programs() -> Path | None:
    """The folder with the server's programs, of the newest version that is installed."""
    told = shutil.which("pg_config")
    ask = partial(subprocess.run, check=False, capture_output=True, text=True)
    asked = ask([told, "--bindir"]) if told else None
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if asked is not None and asked.returncode == 0:
        found.append(Path(asked.stdout.strip()))
    if beside := shutil.which("initdb"):
        found.append(Path(beside).resolve().parent)
    return next((f for f in found if all((f / name).exists() for name in NEEDED)), None)


def _version(folder: Path) -> float:
    name = folder.parent.name
    return float(name) if name.replace(".", "", 1).isdecimal() else 0.0


def why_not() -> str:
    """Why this machine cannot have a PostgreSQL of the lane's own; empty where it can."""
    if programs() is None:
        return "no PostgreSQL programs were found"
    if os.geteuid() != 0:
        return ""
    if shutil.which("runuser") is None or not _has_servant():
        return f"root may not run PostgreSQL, and there is no runuser or no user {SERVANT}"
    return ""


def _has_servant() -> bool:
    try:
        pwd.getpwnam(SERVANT)
    except KeyError:
        return False
    return True


def _as_servant(*command: str) -> list[str]:
    by = ["runuser", "-u", SERVANT, "--"] if os.geteuid() == 0 else []
    return [*by, *command]


def _folder() -> Path:
    """A new folder that the server's user may enter and write."""
    for place in (tempfile.gettempdir(), *PLACES):
        if not Path(place).is_dir():
            continue
        made = Path(tempfile.mkdtemp(prefix="quanpu-pg-", dir=place))
        if os.geteuid() == 0:
            shutil.chown(made, SERVANT)
        if subprocess.run(_as_servant("test", "-w", str(made)), check=False).returncode == 0:
            return made
        made.rmdir()
    raise AssertionError(f"no folder that {SERVANT} may enter")


class Cluster:
    """One server process tree; it is a victim like any other process of a lane."""

    name = "database"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgresql://postgres@{HOST}:{self.port}/postgres"
        self.log_path = folder / "server.log"
        self.is_running = False

    async def make(self, **settings: str) -> None:
        """Write the files of an empty server; `settings` go into its configuration."""
        how = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        await self._do("initdb", "-D", str(self.data), *how)
        told = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            **settings,
        }
        lines = "".join(f"{name} = '{value}'\n" for name, value in told.items())
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(lines)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def start(self) -> None:
        """Start the server and wait until it has recovered what it had promised."""
        await self._do(*self._control("start"), "-t", str(READY_SECONDS_MAX))
        self.is_running = True

    async def ready(self) -> float:
        """Wait until the server takes connections; how long that took, in seconds."""
        began_at = time.monotonic()
        while True:
            try:
                connection = await asyncpg.connect(self.url, timeout=2)
            except (OSError, asyncpg.PostgresError):
                assert time.monotonic() - began_at < READY_SECONDS_MAX, self.log()[-3_000:]
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return time.monotonic() - began_at

    async def checkpoint(self) -> None:
        """Have everything that is there now on disk."""
        connection = await asyncpg.connect(self.url)
        await connection.execute("CHECKPOINT")
        await connection.close()

    async def kill(self) -> None:
        """Stop at once: nothing is written down that was not written before."""
        if self.is_running:
            self.is_running = False
            await self._do(*self._control("stop"), "-m", "immediate")

    async def close(self) -> None:
        """End the server and remove its files."""
        await self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Everything the server has said over all its lives."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def alarms(self) -> list[str]:
        """What no sound server says."""
        return [line for line in self.log().splitlines() if any(word in line for word in ALARMS)]

    def _control(self, verb: str) -> tuple[str, ...]:
        return ("pg_ctl", verb, "-D", str(self.data), "-l", str(self.log_path), "-w", "-s")

    async def _do(self, program: str, *words: str) -> None:
        """Run one of the server's programs to its good end."""
        folder = programs()
        assert folder is not None
        said = self.folder / "commands.log"
        # The server outlives the command, so the output goes to a file: a pipe would stay open.
        with said.open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *_as_servant(str(folder / program), *words),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            code = await asyncio.wait_for(child.wait(), COMMAND_SECONDS_MAX)
        told = f"{said.read_text(errors='replace')[-1_000:]}\n{self.log()[-2_000:]}"
        assert code == 0, f"{program} {' '.join(words[:1])} ended with {code}:\n{told}"


@asynccontextmanager
async def own_cluster(settings: Mapping[str, str] | None = None) -> AsyncIterator[Cluster]:
    """A fresh server that runs, gone afterwards with all its files."""
    cluster = Cluster(_folder())
    try:
        await cluster.make(**(settings or {}))
        await cluster.start()
        yield cluster
    finally:
        await cluster.close()


if __name__ == "__main__":
    sys.stdout.write(f"{'no: ' if why_not() else 'yes'}{why_not()}\n")
