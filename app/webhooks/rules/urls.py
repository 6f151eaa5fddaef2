"""Which URLs a message may be sent to, decided by their text alone.

A URL is read once, by one strict grammar, and what it has read is what is dialled: two readers that
differ about where a host ends are how a guard is passed by.
"""

import re
from dataclasses import dataclass

URL_CHARACTERS_MAX = 500
HOST_CHARACTERS_MAX = 253
PORTS = frozenset({443, 8443})
DEFAULT_PORTS = {"https": 443, "http": 80}

_PRINTABLE = re.compile(r"[!-~]+")
_NON_ASCII_HOST = re.compile(r"[A-Za-z]+://[^/?#]*[^\x00-\x7f]")
# The characters that RFC 3986 lets stand in a path or a query; a backslash is none of them.
_SHAPE = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)"
    r"(?P<query>(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)"
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Also decimal, hexadecimal and octal spellings, which some resolvers take for addresses.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOOPBACK = re.compile(r"localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|\[::1\]")
# Names that mean something inside a network only.
INSIDE = frozenset(
    {
        "localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home",
        "lan", "arpa", "onion", "invalid",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes: what is resolved, dialled, and asked for."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The host as a resolver wants it."""
        return self.host.strip("[]")

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        is_usual = self.port == DEFAULT_PORTS[self.scheme]
        return self.host if is_usual else f"{self.host}:{self.port}"


def url_fault(url: str, *, allow_loopback: bool) -> str | None:
    """Why no message is sent to this URL, as a stable word; `None` where it may stand.

    `too_long`, `host_not_ascii`, `characters`, `fragment`, `form`, `scheme`, `user_info`, `port`,
    `address` (an IP address in any spelling), `host`, `host_inside` (a name of no public network).
    """
    found = read_url(url, allow_loopback=allow_loopback)
    return found if isinstance(found, str) else None


def read_url(url: str, *, allow_loopback: bool) -> Target | str:
    """The target a URL names, or why it is refused."""
    if (fault := _text_fault(url)) is not None:
        return fault
    shape = _SHAPE.fullmatch(url)
    if shape is None:
        return "form"
    scheme = shape["scheme"].lower()
    if scheme != "https" and not (allow_loopback and scheme == "http"):
        return "scheme"
    place = _place(shape["authority"], scheme, allow_loopback=allow_loopback)
    if isinstance(place, str):
        return place
    return Target(scheme, *place, (shape["path"] or "/") + shape["query"])


def _text_fault(url: str) -> str | None:
    if len(url) > URL_CHARACTERS_MAX:
        return "too_long"
    if _NON_ASCII_HOST.match(url):
        return "host_not_ascii"
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        return "characters"
    return "fragment" if "#" in url else None


def _place(authority: str, scheme: str, *, allow_loopback: bool) -> tuple[str, int] | str:
    """Host and port, or why one of them is refused."""
    if "@" in authority:
        return "user_info"
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        return "form"
    host = parts["host"].lower()
    port = int(parts["port"]) if parts["port"] else DEFAULT_PORTS[scheme]
    if not (0 < port < 65_536 if allow_loopback else port in PORTS):
        return "port"
    if allow_loopback and _LOOPBACK.fullmatch(host):
        return host, port
    return _host_fault(host) or (host, port)


def _host_fault(host: str) -> str | None:
    labels = host.split(".")
    # Whatever ends in a number is an address to some resolver; so WHATWG's URL standard has it.
    last = labels[-1] or labels[-2:][0]
    if host.startswith("[") or _NUMBER.fullmatch(last):
        return "address"
    if len(host) > HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        return "host"
    if labels[-1] in INSIDE:
        return "host_inside"
    return "host" if len(labels) < 2 else None
