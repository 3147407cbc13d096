"""The API's own document, OpenAPI 3.1: for every operation an id, a tag, an example, the permission, the problems; what secures it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.endpoints.examples import ANSWERS, BODIES, LOCATIONS, PARAMETERS, PROBLEM
from api.endpoints.shapes import ProblemBody
from api.serving.problems import CODES

_ABOUT = (
    "Dashboards, panels and SQL, answered from the caller's own slice alone. A principal with the scope of one tenant names none; others say "
    "X-Tenant-ID (and X-Workspace-ID). What lies outside the scope answers 404, as what does not exist. Every code of a problem is in docs/errors.md."
)
_TAGS = {
    "data": "The caller's own data",
    "me": "Who asks",
    "people": "Logging in, members, invitations, users, identity providers",
    "workspaces": "Workspaces of the installation, their sources",
    "tenants": "Tenants of a workspace",
    "routes": "The routing of a workspace, as it was last reviewed",
    "refreshes": "Refreshes of a workspace",
    "embed": "Dashboards in a page of the customer's own",
    "keys": "Keys and signing keys",
    "plans": "Tiers, subscriptions, entitlements",
    "branding": "Names, logos, colours, fonts",
    "billing": "Billing by Stripe",
    "usage": "What was used, by tenant and time",
    "webhooks": "Who is told of what happens",
    "audit": "Who did what",
    "health": "Whether it lives, serves, and how it does",
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key (shk_…) or a token (a JWT)"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-slicehouse",
        "description": "People in a browser; writes send X-CSRF-Token too",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, where Authorization is taken"},
}
_HEADERS = {
    "X-Tenant-ID": "Which tenant: tn_… or its key, percent-encoded as UTF-8 like in a path (decoded once: a % is %25, a blank at an end %20), "
    "with key: before it where it begins with tn_ or key:, or is empty, . or .. . A scope of one tenant leaves it out.",
    "X-Workspace-ID": "Which workspace, where the principal has several: its id or slug, percent-encoded too.",
    "X-Request-Id": "1 to 64 of A-Z a-z 0-9 . _ -; comes back, or one is made.",
}


def install(app: FastAPI) -> None:
    """`/openapi.json` gives this document; it is made once."""
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # HEAD has the operationId of its GET; it is left out below
            document = get_openapi(title="Slicehouse", version="1", openapi_version="3.1.0", description=_ABOUT, routes=app.routes)
        for methods in document["paths"].values():
            methods.pop("head", None)
        for _, _, operation in operations(document):
            _complete(operation)
        document["tags"] = [{"name": n, "description": t} for n, t in _TAGS.items()]
        document["security"] = [{name: []} for name in _SCHEMES]
        _components(document["components"])
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any]) -> None:
    """Adds what FastAPI does not know of an operation."""
    id_ = operation["operationId"]
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    for status, response in operation["responses"].items():
        if status == "204":
            response.pop("content", None)
        elif status.startswith("2") and ANSWERS.get(id_):
            known = response.get("content", {})
            response["content"] = {m: {**known.get(m, {}), "example": e} for m, e in ANSWERS[id_].items()}
        if id_ in LOCATIONS and status in ("201", "202", "303", "307"):
            response["headers"] = {"Location": {"schema": {"type": "string"}, "example": LOCATIONS[id_]}}
        if status.startswith("3"):
            response.pop("content", None)
    if id_ in BODIES:
        content = operation["requestBody"]["content"]
        next(iter(content.values()))["example"] = BODIES[id_]
        if id_.startswith("patch_"):
            content["application/merge-patch+json"] = content["application/json"]
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in PARAMETERS and parameter["in"] == "path":
            parameter["example"] = PARAMETERS[parameter["name"]]
    if operation["x-permission"] == "public":
        operation["security"] = []
    wanted = _HEADERS if "data" in operation["tags"] else ["X-Request-Id"]
    operation["parameters"] = operation.get("parameters", []) + [{"$ref": f"#/components/parameters/{name}"} for name in wanted]


def _components(components: dict[str, Any]) -> None:
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= models_json_schema([(ProblemBody, "serialization")], ref_template="#/components/schemas/{model}")[1]["$defs"]
    schemas["ProblemBody"]["properties"]["code"]["enum"] = sorted(CODES)
    body = {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "example": PROBLEM}
    components["responses"] = {"Problem": {"description": "A problem", "content": {"application/problem+json": body}}}
    components["securitySchemes"] = _SCHEMES
    components["parameters"] = {
        name: {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.items()
    }
