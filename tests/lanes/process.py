"""Servers and workers as processes of their own, each the leader of its process group."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS_MAX = 12
READY_SECONDS_MAX = 40
HOST = "127.0.0.1"
# Below those that Linux and others hand out by themselves.
PORTS = (20_000, 29_999)
# What runs as the service; a lane that seeds a fault in its code runs that.
MODULE = "app"
# What a process says when something went wrong in it; none of it may be said in a lane.
COMPLAINTS = ("Traceback", "request_failed", "handler_failed", "job_failed", "delivery_failed")


def free_port() -> int:
    """A port that nobody listens on now, and that no outgoing connection is given by itself.

    Otherwise a client could take the port of a server that is down for a moment.
    """
    while True:
        port = random.randint(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


class Process:
    """One child: started in its own session, so that its whole group can be ended."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.command = list(command)
        # The checkout's own .env must not leak in, so the child works in the lane's folder.
        self.env = {**_bare_env(), "PYTHONPATH": str(ROOT), **env}
        self.folder = folder
        self.log_path = folder / f"{name}.log"
        self.port: int | None = None
        self._child: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int:
        """The child's number, once it has been started."""
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Start the child; its output is appended to its log."""
        output = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.env,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)

    async def ready(self) -> float:
        """Wait until a server answers; how long that took, in seconds."""
        began_at = time.monotonic()
        async with httpx2.AsyncClient(timeout=2) as client:
            while time.monotonic() - began_at < READY_SECONDS_MAX:
                assert self.is_running, f"{self.name} ended:\n{self.log()[-3_000:]}"
                try:
                    answer = await client.get(f"http://{HOST}:{self.port}/readyz")
                    if answer.status_code == 200:
                        return time.monotonic() - began_at
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise TimeoutError(f"{self.name} is not ready:\n{self.log()[-3_000:]}")

    async def done(self, codes: Collection[int] = (0,)) -> None:
        """Wait until a command has come to one of these ends."""
        assert self._child is not None
        code = await asyncio.wait_for(self._child.wait(), READY_SECONDS_MAX)
        assert code in codes, f"{self.name} ended with {code}:\n{self.log()[-3_000:]}"

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Signal the whole group and, for SIGKILL, wait until it is gone."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        os.killpg(child.pid, how)
        if how is signal.SIGKILL:
            await child.wait()

    async def stop(self) -> None:
        """End the child in good order, or by force when it does not."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        await self.kill(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"{self.name} did not end on SIGTERM") from None

    def log(self) -> str:
        """Everything the child has said over all its lives."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def complaints(self) -> list[str]:
        """What the log has that no healthy process writes, in short."""
        return [
            f"{self.name}: {_in_short(line)}"
            for line in self.log().splitlines()
            if any(word in line for word in COMPLAINTS)
        ]


def _in_short(line: str) -> str:
    """The event and the end of its exception; other lines as they are."""
    if not line.startswith("{"):
        return line[:500]
    told = json.loads(line)
    where = told.get("path") or told.get("job") or told.get("handler") or ""
    return f"{told['event']} {where}: {told.get('exception', '')[-500:]}"


def _bare_env() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def command(*words: str) -> list[str]:
    """The service's own command line, as an operator would use it."""
    return [sys.executable, "-m", MODULE, *words]


def server_command(port: int) -> list[str]:
    """An API server on a port of the loopback."""
    return command("serve", "--host", HOST, "--port", str(port))
