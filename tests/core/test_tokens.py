"""What is signed cannot be changed, and what was signed for one purpose serves no other."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from app.core.errors import Unauthenticated
from app.core.i18n import language_of
from app.core.security import (
    AUDIENCE,
    Claims,
    PrincipalKind,
    Tokens,
    fingerprint,
    new_secret,
)
from tests.conftest import TOKEN_SECRET, make_settings
from tests.fakes import FrozenClock

CLOCK = FrozenClock()
NOW = CLOCK.now()
TOKENS = Tokens(make_settings("sqlite://"))
CLAIMS = Claims(subject=uuid4(), session_id=uuid4(), kind=PrincipalKind.MEMBER)
KEY = hmac.digest(TOKEN_SECRET.encode(), b"quanpu:access", "sha256")
SECOND = int(NOW.timestamp())


def payload(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "iss": "quanpu", "aud": AUDIENCE, "sub": str(CLAIMS.subject),
        "sid": str(CLAIMS.session_id), "knd": "member", "typ": "access",
        "iat": SECOND, "exp": SECOND + 900,
    }  # fmt: skip
    return {k: v for k, v in {**told, **changes}.items() if v is not ...}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(header: dict[str, Any], body: str, key: bytes = KEY) -> str:
    """A token signed by hand, for what the library would not sign."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(body.encode())}"
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), 'sha256'))}"


def hand_signed(**changes: Any) -> str:
    return raw({"alg": "HS256", "typ": "JWT"}, json.dumps(payload(**changes)))


def test_a_token_says_again_what_it_was_made_of() -> None:
    token = TOKENS.access(CLAIMS, now=NOW)
    assert TOKENS.read_access(token, now=NOW) == CLAIMS
    assert TOKENS.read_access(token, now=NOW + timedelta(seconds=899)) == CLAIMS
    assert TOKENS.read_access(hand_signed(), now=NOW) == CLAIMS
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(token, now=NOW + timedelta(seconds=900))


BROKEN = {
    "empty": "",
    "no token": "abc",
    "not ascii": "é.é.é",
    "alg none": raw({"alg": "none"}, json.dumps(payload())).rsplit(".", 1)[0] + ".",
    "alg None signed": raw({"alg": "None"}, json.dumps(payload())),
    "alg HS512": jwt.encode(payload(), KEY + KEY, algorithm="HS512"),
    "alg missing": raw({"typ": "JWT"}, json.dumps(payload())),
    "kid path": raw({"alg": "HS256", "kid": "../../dev/null"}, json.dumps(payload()), b""),
    "jwk header": raw(
        {"alg": "HS256", "jwk": {"kty": "oct", "k": b64(b"x" * 32)}},
        json.dumps(payload()),
        b"x" * 32,
    ),
    "wrong key": raw({"alg": "HS256"}, json.dumps(payload()), b"x" * 32),
    "bare secret": raw({"alg": "HS256"}, json.dumps(payload()), TOKEN_SECRET.encode()),
    "wrong audience": hand_signed(aud="other"),
    "no audience": hand_signed(aud=...),
    "wrong issuer": hand_signed(iss="other"),
    "no issuer": hand_signed(iss=...),
    "refresh type": hand_signed(typ="refresh"),
    "no type": hand_signed(typ=...),
    "expired": hand_signed(exp=SECOND),
    "no expiry": hand_signed(exp=...),
    "expiry as text": hand_signed(exp=str(SECOND + 900)),
    "expiry as float": hand_signed(exp=SECOND + 900.5),
    "expiry as true": hand_signed(exp=True),
    "expiry NaN": raw({"alg": "HS256"}, json.dumps(payload(exp=float("nan")))),
    "expiry infinite": raw(
        {"alg": "HS256"}, json.dumps(payload()).replace(str(SECOND + 900), "1e400")
    ),
    "expiry null": hand_signed(exp=None),
    "issued later": hand_signed(iat=SECOND + 120),
    "issued as text": hand_signed(iat="now"),
    "no issue time": hand_signed(iat=...),
    "not before": hand_signed(nbf=SECOND + 60),
    "subject no id": hand_signed(sub="1 OR 1=1"),
    "subject a number": hand_signed(sub=5),
    "no subject": hand_signed(sub=...),
    "session a number": hand_signed(sid=5),
    "no session": hand_signed(sid=...),
    "kind unknown": hand_signed(knd="root"),
    "payload a list": raw({"alg": "HS256"}, "[1]"),
    "payload no json": raw({"alg": "HS256"}, "x"),
    "payload deep": raw({"alg": "HS256"}, "[" * 50_000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_token_that_is_not_ours_is_refused(name: str) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(BROKEN[name], now=NOW)


def test_every_changed_letter_of_a_token_is_noticed() -> None:
    token = TOKENS.access(CLAIMS, now=NOW)
    for place in range(0, len(token) - 1, 7):
        letter = "A" if token[place] != "A" else "B"
        with pytest.raises(Unauthenticated):
            TOKENS.read_access(token[:place] + letter + token[place + 1 :], now=NOW)


def test_another_installation_s_token_is_refused() -> None:
    other = Tokens(make_settings("sqlite://", token_secret="another secret of thirty-two bytes!"))
    with pytest.raises(Unauthenticated):
        TOKENS.read_access(other.access(CLAIMS, now=NOW), now=NOW)


@pytest.mark.parametrize("value", [{"a": [1, "圈"]}, [], None, 2**63, "x" * 3_000])
def test_what_is_sealed_comes_back(value: Any) -> None:
    sealed = TOKENS.seal("quote", value)
    assert TOKENS.unseal("quote", sealed) == value
    assert sealed == TOKENS.seal("quote", value)


def test_what_is_sealed_cannot_be_changed_or_used_elsewhere() -> None:
    sealed = TOKENS.seal("quote", {"total_amount": 9900})
    for purpose in ("cursor", "quote:", "access", ""):
        with pytest.raises(ValueError, match="not sealed here"):
            TOKENS.unseal(purpose, sealed)
    for place in range(len(sealed) - 1):
        letter = "A" if sealed[place] != "A" else "B"
        with pytest.raises(ValueError, match=r"."):
            TOKENS.unseal("quote", sealed[:place] + letter + sealed[place + 1 :])
    for wrong in ("", "A", "é", sealed[:-4], sealed + "AAAA", "=" * 50):
        with pytest.raises(ValueError, match=r"."):
            TOKENS.unseal("quote", wrong)


def test_secrets_are_long_fresh_and_recognised() -> None:
    first, second = new_secret("qpk"), new_secret("qpk")
    assert first != second
    assert first.startswith("qpk_")
    assert len(first) >= 4 + 43
    assert fingerprint(first) == hashlib.sha256(first.encode()).hexdigest()
    assert fingerprint("\ud800") != fingerprint("?")


@pytest.mark.parametrize(
    ("told", "language"),
    [
        (None, "zh-CN"),
        ("", "zh-CN"),
        ("en", "en"),
        ("EN-us", "en"),
        ("zh", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("fr, de", "zh-CN"),
        ("fr, en;q=0.1", "en"),
        ("en;q=0.8, zh;q=0.9", "zh-CN"),
        ("zh;q=0.25, en;q=0.3", "en"),
        ("zh;q=0, en", "en"),
        ("en;q=0", "zh-CN"),
        ("en;q=0, zh;q=0", "zh-CN"),
        ("en; q=0.5 , zh ;q=0.4", "en"),
        ("en;q=abc", "en"),
        ("*", "zh-CN"),
        (";;;,,,q=", "zh-CN"),
        ("en;q=٣", "en"),
        ("x," * 10_000 + "en", "zh-CN"),
    ],
)
def test_the_language_best_liked(told: str | None, language: str) -> None:
    assert language_of(told) == language
