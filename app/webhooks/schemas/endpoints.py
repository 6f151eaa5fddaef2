"""Shapes of endpoints and their secrets."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints

from app.core.http.schema import EachOnce, Moment, Shown, Wish
from app.identity.schemas.common import example
from app.webhooks.models import DisabledReason, EndpointState
from app.webhooks.service import EndpointView, NewEndpoint, Rotation

KEEP_SECONDS_DEFAULT = 86_400
KEEP_SECONDS_MAX = 7 * 86_400
KINDS_MAX = 100
_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_URL = "https://erp.example.com/quanpu"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - an example

_ENDPOINT: dict[str, Any] = {
    "endpoint_id": f"{_ID}1",
    "url": _URL,
    "description": "ERP",
    "kinds": ["order.paid", "order.refunded"],
    "state": "enabled",
    "disabled_reason": None,
    "disabled_at": None,
    "enabled_at": "2026-06-18T04:00:00Z",
    "failing_since": None,
    "last_success_at": "2026-06-18T04:00:00Z",
    "created_at": "2026-06-18T04:00:00Z",
    "version": 1,
    "secrets": [
        {
            "secret_id": f"{_ID}2",
            "created_at": "2026-06-18T04:00:00Z",
            "expires_at": None,
        }
    ],
}

# Its form is a rule of the feature, which names what is wrong with it.
Url = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
EventKind = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z_]*(\.[a-z][a-z_]*)+)$")]
EventKinds = Annotated[
    list[EventKind],
    EachOnce,
    Field(
        max_length=KINDS_MAX,
        description="Kinds of events; `*` is every kind, also one that is yet to come.",
    ),
]
Place = Annotated[str, StringConstraints(max_length=300, pattern=r"^[A-Za-z0-9_-]+$")]
Secret = Annotated[
    SecretStr,
    Field(max_length=120, description="`whsec_` and base64 of 24 to 64 random bytes."),
]


class AddWebhookEndpoint(Wish):
    """Where to send, and what; without a secret a fresh one is made and told once."""

    model_config = example(url=_URL, description="ERP", kinds=["order.paid", "order.refunded"])

    url: Url
    description: Description = ""
    kinds: EventKinds = Field(min_length=1)
    secret: Secret | None = None

    def wanted(self) -> NewEndpoint:
        """As the use case takes it."""
        return NewEndpoint(self.url, self.description, self.kinds, _plain(self.secret))


class EditWebhookEndpoint(Wish):
    """What shall change; only what is sent is changed, and `kinds` replaces all kinds."""

    model_config = example(kinds=["*"])

    url: Url = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    kinds: EventKinds = Field(default_factory=list, min_length=1)

    def changes(self) -> dict[str, Any]:
        """What was sent."""
        return self.model_dump(exclude_unset=True)


class RotateWebhookSecret(Wish):
    """How long the old secret holds too; a secret of one's own makes a retry safe."""

    model_config = example(keep_previous_seconds=KEEP_SECONDS_DEFAULT)

    secret: Secret | None = None
    keep_previous_seconds: Annotated[
        int,
        Field(
            strict=True,
            ge=0,
            le=KEEP_SECONDS_MAX,
            description="0 ends every earlier secret at once.",
        ),
    ] = KEEP_SECONDS_DEFAULT

    def wanted(self) -> Rotation:
        """As the use case takes it."""
        return Rotation(_plain(self.secret), self.keep_previous_seconds)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


class WebhookSecretShown(Shown):
    """A secret that holds, as far as it can be told; without an end it is the current one."""

    model_config = example(secret_id=f"{_ID}2", created_at="2026-06-18T04:00:00Z", expires_at=None)

    secret_id: UUID
    created_at: datetime
    expires_at: datetime | None


class WebhookEndpointShown(Shown):
    """An endpoint; `failing_since` is its first failure after its last success."""

    model_config = example(**_ENDPOINT)

    endpoint_id: UUID
    url: str
    description: str
    kinds: list[str]
    state: EndpointState
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    enabled_at: datetime
    failing_since: datetime | None
    last_success_at: datetime | None
    created_at: datetime
    version: int
    secrets: list[WebhookSecretShown]

    @classmethod
    def of(cls, view: EndpointView) -> Self:
        """As an operator sees it."""
        secrets = [WebhookSecretShown(secret_id=row["id"], **row) for row in view.secrets]
        return cls(endpoint_id=view.row["id"], kinds=list(view.kinds), secrets=secrets, **view.row)


class WebhookEndpointMade(WebhookEndpointShown):
    """A new endpoint with the secret its messages are signed with, shown here and never again."""

    model_config = example(**_ENDPOINT, secret=_SECRET)

    secret: str

    @classmethod
    def made(cls, view: EndpointView, secret: str) -> Self:
        """As it is shown once."""
        return cls(**WebhookEndpointShown.of(view).model_dump(), secret=secret)


class WebhookSecretMade(Shown):
    """The new secret, shown here and never again."""

    model_config = example(secret=_SECRET)

    secret: str


class TestWebhook(Wish):
    """Which kind of event to send an example of."""

    __test__ = False
    model_config = example(kind="order.paid")

    kind: EventKind


class ReplayWebhooks(Wish):
    """Since when; which kinds, if not those the endpoint wants; and where an answer left off."""

    model_config = example(since="2026-06-18T00:00:00Z")

    since: Moment
    kinds: EventKinds = Field(default_factory=list)
    after: Place | None = None


class ReplayedShown(Shown):
    """How many messages are on their way again; `next_after` begins the rest, null when none is."""

    model_config = example(count=12, next_after=None)

    count: int
    next_after: str | None
