"""Prometheus metrics; labels are bounded (route templates, never raw paths or ids)."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("quanpu_requests_total", "Answered requests.", ("method", "route", "status"))
REQUEST_SECONDS = Histogram(
    "quanpu_request_seconds",
    "Time to answer.",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
OUTBOX_DELIVERED = Counter("quanpu_outbox_delivered_total", "Handler runs.", ("handler", "outcome"))
OUTBOX_PENDING = Gauge("quanpu_outbox_pending", "Facts not yet heard by all handlers.")
JOB_RUNS = Counter("quanpu_job_runs_total", "Runs of worker jobs.", ("job", "outcome"))
JOB_ROWS = Counter("quanpu_job_rows_total", "Rows a job has moved on.", ("job",))
HOOK_EVENTS = Counter(
    "quanpu_hook_events_total", "Messages of payment providers.", ("gateway", "outcome")
)
WEBHOOK_MESSAGES = Counter(
    "quanpu_webhook_messages_total", "Attempts to send a webhook message.", ("outcome",)
)
WEBHOOK_LAG_SECONDS = Histogram(
    "quanpu_webhook_lag_seconds",
    "How long after it was due an attempt began.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600),
)
WEBHOOK_PENDING = Gauge("quanpu_webhook_pending", "Webhook messages that wait to be sent.")
WEBHOOK_ENDPOINTS_DISABLED = Counter(
    "quanpu_webhook_endpoints_disabled_total", "Endpoints of webhooks switched off.", ("reason",)
)
REFUND_FAILURES = Counter(
    "quanpu_refund_failures_total",
    "Refunds a provider refused, or whose money bounced after it had arrived.",
    ("outcome",),
)
INVARIANT_VIOLATIONS = Gauge(
    "quanpu_invariant_violations", "Rows that break an invariant; 0 is right.", ("invariant",)
)
INVARIANT_CHECKED_AT = Gauge(
    "quanpu_invariant_checked_timestamp_seconds",
    "When an invariant was last checked to the end.",
    ("invariant",),
)
INVARIANT_SECONDS = Gauge(
    "quanpu_invariant_seconds", "How long the last check of an invariant took.", ("invariant",)
)
INVARIANT_FAILURES = Counter(
    "quanpu_invariant_failures_total",
    "Checks that came to no end; what the invariant says is then not known.",
    ("invariant",),
)
PROVIDER_DIFFERENCES = Gauge(
    "quanpu_provider_differences",
    "Differences between our books and a payment provider's that were not mended; 0 is right.",
    ("gateway", "kind"),
)
RECONCILED_AT = Gauge(
    "quanpu_reconciled_timestamp_seconds", "When a provider's books were last read.", ("gateway",)
)
BROKEN_PROMOTIONS = Counter(
    "quanpu_broken_promotions_total", "Times a stored promotion was left out of a quote."
)
CLOCK_OFFSET_SECONDS = Gauge("quanpu_clock_offset_seconds", "Database time minus our own.")
