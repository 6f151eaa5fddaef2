"""The OpenAPI description: one error shape, named security schemes, no framework leftovers."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.core.http.examples import complete
from app.core.http.problem import ProblemDocument

SUMMARY = "Community shops: group buy, promotions, trust. Amounts are integers in minor units."


Section = tuple[dict[str, Any], dict[str, Any]]


def no_messages() -> Section:
    """The section of a service that sends none."""
    return {}, {}


def describe(app: FastAPI, webhooks: Callable[[], Section] = no_messages) -> None:
    """Give the application an `openapi()` that tells the whole contract.

    `webhooks` makes the section of the messages we send, and the components that it names. It is
    asked with the document and not at the start: schemas take longer than all the rest of it.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, webhooks())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, webhooks: Section) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=SUMMARY,
        routes=app.routes,
        separate_input_output_schemas=False,
        servers=[{"url": "/"}],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    section, components = webhooks
    document["webhooks"] = section
    _merge(schemas, components)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    complete(schemas)
    return document


def _merge(schemas: dict[str, Any], more: dict[str, Any]) -> None:
    """Add components; two of one name must be one shape."""
    for name, schema in deepcopy(more).items():
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"two shapes are called {name}")
