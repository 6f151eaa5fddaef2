"""A server of one's own as a process: started on a free port, stopped at the end."""

import json
import select
import subprocess
import sys
from types import TracebackType

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 12


class ServerStartError(Exception):
    """The server did not come up, or did not say where it is."""


class OwnServer:
    """`quanpu serve` with the environment of this process; enters as its base address."""

    def __enter__(self) -> str:
        """Start it and wait until it can be asked."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", "0", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            return self._address()
        except BaseException:
            self._stop()
            raise

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self._stop()

    def _address(self) -> str:
        told = self._process.stdout
        assert told is not None
        ready, _, _ = select.select([told], [], [], START_SECONDS_MAX)
        line = told.readline() if ready else b""
        try:
            return str(json.loads(line)["url"])
        except (ValueError, KeyError) as error:
            raise ServerStartError("the server did not start") from error

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
