"""Structured logs, one JSON object a line, without secrets or personal data."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.core.context import actor_var, request_id_var

REDACTED = "[redacted]"
_BARE = bool | int | float | None
_SECRET_KEY = re.compile(
    r"password|secret|token|authorization|api_key|cookie|phone|openid|unionid|email|address|code$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    # a password inside a database address; greedy, for one that holds an @ itself
    r"(?P<keep>://[^:/@\s]*:)\S+(?=@)"
    # PostgreSQL quotes the row that broke a rule
    r"|(?P<row>Key \([^)]*\)=|Failing row contains )\([^\n]*\)"
    r"|Bearer\s+\S+"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?:qpk|qpr|qpi|[sr]k_test|[sr]k_live|whsec)_[\w-]+"
    # what lets a buyer's device confirm a payment
    r"|pi_[A-Za-z0-9]+_secret_\w+"
    r"|\b1[3-9]\d{9}\b"
    r"|\b\d{13,19}\b"
    r"|[\w.+-]+@[\w-]+\.[\w.]+"
)


def redact(value: Any, key: str = "") -> Any:
    """The value without what must not be read in a log; strings are searched, mappings walked."""
    if key and _SECRET_KEY.search(key):
        return REDACTED
    if isinstance(value, str):
        return _SECRET_TEXT.sub(lambda m: (m["keep"] or m["row"] or "") + REDACTED, value)
    if isinstance(value, dict):
        return {redact(str(k)): redact(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(v) for v in value]
    # Anything else would be written by its repr, which knows nothing of secrets.
    return value if isinstance(value, _BARE) else redact(repr(value))


def _redacting(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        k: v if k.startswith("_") else redact(v, k if k != "event" else "")
        for k, v in entry.items()
    }


def _context(_logger: Any, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := request_id_var.get():
        entry.setdefault("request_id", request_id)
    actor = actor_var.get()
    if actor.id is not None:
        entry.setdefault("actor", f"{actor.kind}:{actor.id}")
    return entry


def configure_logging(level: str) -> None:
    """Send structlog and the standard library's loggers through one redacting JSON writer."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _context,
        structlog.processors.format_exc_info,
        _redacting,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # At debug it writes statements with their parameters: names, phones, tokens' digests.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    # Our own line per request says more and is redacted.
    logging.getLogger("uvicorn.access").disabled = True


def log_failure(event: str, error: BaseException) -> None:
    """One line about a failure that was answered; the text is redacted like all others."""
    structlog.get_logger("failure").warning(
        event, error=type(error).__name__, detail=str(error)[:500]
    )
