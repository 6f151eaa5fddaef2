"""Keys, signatures and who the caller is; passwords and sign-in live in identity."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import jwt
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.core.errors import Unauthenticated
from app.settings import SECRET_BYTES_MIN, Settings

ALGORITHMS = ["HS256"]
AUDIENCE = "quanpu-api"


class PrincipalKind(StrEnum):
    """What kind of caller stands behind a request."""

    MEMBER = "member"
    OPERATOR = "operator"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, as far as it was proven: who, and what it may do in which shop.

    `shop_roles` maps a shop to the role held there; `platform_role` spans all shops; `scopes` is
    filled for API keys only.
    """

    kind: PrincipalKind
    id: UUID
    session_id: UUID | None = None
    platform_role: str | None = None
    shop_roles: Mapping[UUID, str] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()


class Authenticator(Protocol):
    """Finds the caller: `None` without credentials, `Unauthenticated` with bad ones."""

    async def __call__(self, request: Request, db: AsyncSession) -> Principal | None:
        """Look at the request's credentials."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says."""

    subject: UUID
    session_id: UUID
    kind: PrincipalKind


class Tokens:
    """Signs and verifies; one key each for access tokens, cursors and quotes, from one secret."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.token_secret.get_secret_value().encode()
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError("the token secret is too short")
        self._secret = secret
        self._access_key = self._key("access")
        self._issuer = settings.token_issuer
        self._access_ttl = timedelta(seconds=settings.access_token_ttl_seconds)

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self._secret, b"quanpu:" + purpose.encode(), "sha256")

    def access(self, claims: Claims, *, now: datetime) -> str:
        """A signed access token; short-lived, bound to its session."""
        return jwt.encode(
            {
                "iss": self._issuer,
                "aud": AUDIENCE,
                "sub": str(claims.subject),
                "sid": str(claims.session_id),
                "knd": claims.kind.value,
                "typ": "access",
                "iat": int(now.timestamp()),
                "exp": int((now + self._access_ttl).timestamp()),
            },
            self._access_key,
            algorithm=ALGORITHMS[0],
        )

    def read_access(self, token: str, *, now: datetime) -> Claims:
        """The claims of a token that holds now; `Unauthenticated` for any other."""
        try:
            told = jwt.decode(
                token,
                self._access_key,
                algorithms=ALGORITHMS,
                audience=AUDIENCE,
                issuer=self._issuer,
                # The one clock decides about time, below; the library would ask the machine's.
                options={
                    "require": ["exp", "iat", "sub", "aud", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            return _claims(told, now)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unauthenticated from error

    def seal(self, purpose: str, value: Any) -> str:
        """A value the client carries and cannot change; readable, so never a secret."""
        body = json.dumps(value, separators=(",", ":"), sort_keys=True, default=str).encode()
        mark = hmac.digest(self._key(purpose), body, "sha256")[:16]
        return base64.urlsafe_b64encode(mark + body).rstrip(b"=").decode()

    def unseal(self, purpose: str, sealed: str) -> Any:
        """The value again; `ValueError` for anything this server did not seal for this purpose."""
        raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        mark, body = raw[:16], raw[16:]
        if not hmac.compare_digest(mark, hmac.digest(self._key(purpose), body, "sha256")[:16]):
            raise ValueError("not sealed here")
        return json.loads(body)


def _claims(told: Mapping[str, Any], now: datetime) -> Claims:
    expires, issued = told["exp"], told["iat"]
    if type(expires) is not int or type(issued) is not int:
        raise ValueError("times are integers")
    moment = int(now.timestamp())
    if expires <= moment or issued > moment + 60 or told.get("nbf", 0) != 0:
        raise ValueError("outside its time")
    if told.get("typ") != "access":
        raise ValueError("not an access token")
    return Claims(
        subject=UUID(told["sub"]),
        session_id=UUID(told["sid"]),
        kind=PrincipalKind(told["knd"]),
    )


def new_secret(prefix: str) -> str:
    """A fresh high-entropy secret (256 bits) with a prefix that tells what it opens."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def fingerprint(secret: str) -> str:
    """SHA-256 of a high-entropy secret: enough to recognise it, useless to use it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
