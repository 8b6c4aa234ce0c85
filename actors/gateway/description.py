"""The OpenAPI document: FastAPI's, with problem documents, what the operator allows at present, and who may ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from actors.gateway.desk import COOKIE, Desk
from actors.gateway.offer import SEARCH
from actors.gateway.problems import KINDS, SCHEMA

TITLE = "live-assistant gateway"
ABOUT = """Ephemeral tokens for the Gemini Live API, and conversations for browsers.
Every error is a problem document (RFC 9457)."""
TAGS = [
    {"name": "page", "description": "What the web client needs to begin"},
    {"name": "token", "description": "Ephemeral tokens"},
    {"name": "session", "description": "What goes on while a page talks to the Live service directly"},
    {"name": "login", "description": "For gateways with an access key"},
    {"name": "operator", "description": "For whoever runs the gateway"},
]
SECURITY = {
    "login": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "As /api/login sets it"},
    "key": {"type": "http", "scheme": "bearer", "description": "The access key"},
    "session": {"type": "http", "scheme": "bearer", "description": "A session's secret, as /api/token gives it"},
}
SIGNED_IN = ("/api/token", "/api/dashboard", "/api/revocations", "/metrics")


def describe(routes: Sequence[BaseRoute], desk: Desk) -> dict[str, Any]:
    """Gives the document for these routes as they are at present: tools of MCP servers come and go."""
    document = get_openapi(title=TITLE, version="1", description=ABOUT, routes=routes, tags=TAGS)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own errors, which nobody gets
        schemas.pop(name, None)
    schemas["Problem"] = SCHEMA
    components["securitySchemes"] = SECURITY
    document["x-problems"] = {slug: {"status": status, "title": title} for slug, (status, title) in KINDS.items()}
    _allow(schemas["TokenRequest"]["properties"], desk)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _demand(path, operation, desk)
    return document


def _allow(fields: Mapping[str, Any], desk: Desk) -> None:
    """Says of each field what may be asked for."""
    offer, settings = desk.offer, desk.settings
    lists = {"model": offer.models, "voice": settings.voices, "language": settings.languages}
    for name, allowed in lists.items():
        fields[name]["anyOf"] = [{"type": "string", "enum": list(allowed)}, {"type": "null"}]
    items = {"type": "string", "enum": list(offer.tools)} if offer.tools else False
    fields["tools"]["anyOf"][0]["items"] = items


def _demand(path: str, operation: dict[str, Any], desk: Desk) -> None:
    """Says of an operation whose secret it wants."""
    if path.startswith(("/api/tools/", "/api/sessions/")):
        operation["security"] = [{"session": []}]
    elif path in SIGNED_IN and desk.environment.access_key is not None:
        operation["security"] = [{"key": []}] if path == "/api/revocations" else [{"key": []}, {"login": []}]
    if path == "/api/tools/{name}":
        (name,) = (one for one in operation["parameters"] if one["name"] == "name")
        name["schema"] = {"type": "string", "enum": [tool for tool in desk.offer.tools if tool != SEARCH]}
