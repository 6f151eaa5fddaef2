"""Which changes of a published schema would break who relies on it; writes the snapshot anew.

`python -m tests.webhooks.compatibility` adds what is new, and refuses a change within a version.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.webhooks.schemas.published import published
from app.wiring import EVENTS

SNAPSHOT = Path(__file__).with_name("published.json")
# What only says something about a schema.
SILENT = ("title", "description", "examples", "default")


def breaks(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What somebody who reads messages of `before` can no longer rely on."""
    return list(_breaks(before, after, (before, after), ""))


def _breaks(before: Any, after: Any, roots: tuple[Any, Any], at: str) -> Iterator[str]:
    before, after = _resolved(before, roots[0]), _resolved(after, roots[1])
    properties, now = before.get("properties", {}), after.get("properties", {})
    for name, told in properties.items():
        if name not in now:
            yield f"{at}/{name} is gone"
        else:
            yield from _breaks(told, now[name], roots, f"{at}/{name}")
    lost = set(before.get("required", ())) - set(after.get("required", ()))
    yield from (f"{at}/{name} may be missing" for name in sorted(lost))
    if "items" in before and "items" in after:
        yield from _breaks(before["items"], after["items"], roots, f"{at}[]")
    if _rest(before, roots[0]) != _rest(after, roots[1]):
        yield f"{at} is of another kind"


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema


def _rest(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    looked_at = {*SILENT, "properties", "required", "items", "$defs"}
    told = {name: value for name, value in schema.items() if name not in looked_at}
    if "anyOf" in told:
        told["anyOf"] = [_rest(_resolved(way, root), root) for way in told["anyOf"]]
    return told


def main() -> None:
    stored = json.loads(SNAPSHOT.read_text(encoding="utf-8")) if SNAPSHOT.exists() else {}
    now = {f"{kind.kind}@{kind.version}": published(kind) for kind in EVENTS}
    broken = {name: b for name in stored.keys() & now if (b := breaks(stored[name], now[name]))}
    if broken:
        sys.exit(f"these need the next version: {broken}")
    told = json.dumps(stored | now, ensure_ascii=False, indent=1, sort_keys=True)
    SNAPSHOT.write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
