"""The double as a process: `python -m tests.doubles.stripe --port 0 --truth FILE`."""

import argparse
import sys
from pathlib import Path

from tests.doubles.stripe.access import DEFAULT_KEYS, Keyring
from tests.doubles.stripe.app import StripeDouble
from tests.doubles.stripe.server import HOST, listen, make_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.doubles.stripe", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--truth", type=Path, required=True, help="the file of its truth")
    parser.add_argument("--webhook", action="append", default=[], help="where messages go")
    parser.add_argument("--secret", action="append", default=[], help="what signs them")
    parser.add_argument("--key", action="append", default=[], help="an API key it knows")
    told = parser.parse_args()
    keyring = Keyring(told.key or DEFAULT_KEYS)
    double = StripeDouble(told.truth, keyring, told.webhook, told.secret or ["whsec_double"])
    with listen(told.port) as listener:
        sys.stdout.write(f"http://{HOST}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        make_server(double).run([listener])


if __name__ == "__main__":
    main()
