"""What shapes of identity share: examples, addresses of mail, passwords, tokens."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, StringConstraints

from app.core.http.schema import Email, Shown, Wish
from app.identity.rules import normalised_email

EXAMPLE_ID = "01980c5e-7a40-7c4e-9d0f-2f1f5a5cf7a1"
EXAMPLE_AT = "2026-06-18T04:00:00Z"
EXAMPLE_TOKENS = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.bm8",
    "refresh_token": "qpr_8KzKQm3mO0J0lW6m0m7H1bq2YJmR3xkQ5f7wS1uV9cA",
    "token_type": "bearer",
    "expires_in_seconds": 900,
}
EMAIL_CHARS_MAX = 254


def example(**values: Any) -> ConfigDict:
    """The configuration of a shape with one example, which a test validates."""
    return ConfigDict(json_schema_extra={"examples": [values]})


def _mailbox(email: str) -> str:
    mailbox = normalised_email(email)
    # Lower-casing makes a few letters longer.
    if len(mailbox) > EMAIL_CHARS_MAX:
        raise ValueError("the address is too long")
    return mailbox


Mailbox = Annotated[Email, AfterValidator(_mailbox)]
Code = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,256}$")]


def _encodable(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None
    return secret


Password = Annotated[SecretStr, Field(min_length=1, max_length=128), AfterValidator(_encodable)]
WantedPassword = Annotated[
    SecretStr, Field(min_length=10, max_length=128), AfterValidator(_encodable)
]


class Refresh(Wish):
    """The refresh token got last."""

    model_config = example(refresh_token=EXAMPLE_TOKENS["refresh_token"])

    refresh_token: Code


class TokensShown(Shown):
    """Tokens to act with; `refresh_token` works once and is answered with its successor."""

    model_config = example(**EXAMPLE_TOKENS)

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a kind of token
    expires_in_seconds: int
