"""What the gateway answers when it does not do what it was asked: problem documents (RFC 9457), and nothing else."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from pipeline.errors import AssistantError

MEDIA_TYPE = "application/problem+json"

# Slug -> (status, title). The type of a problem is the slug, as a reference into the gateway's documentation.
KINDS: Mapping[str, tuple[int, str]] = {
    "not-understood": (400, "The request cannot be understood"),
    "not-signed-in": (401, "Nobody is signed in"),
    "session-over": (401, "The time of this session is up"),
    "revoked": (401, "The operator has ended this session"),
    "refused": (403, "This is refused"),
    "unknown-path": (404, "There is nothing here"),
    "wrong-method": (405, "This cannot be done with that method"),
    "too-slow": (408, "The request did not arrive in time"),
    "seen-before": (409, "This has been asked before"),
    "too-large": (413, "The request is too large"),
    "wrong-kind": (415, "The body is of the wrong kind"),
    "wrong-host": (421, "This host is not served here"),
    "not-allowed": (422, "What was asked for is not to be had"),
    "too-often": (429, "That is too often"),
    "headers-too-large": (431, "The headers are too large"),
    "broken": (500, "Something is broken here"),
    "no-answer": (502, "The Live service gave no answer"),
    "not-ready": (503, "Not ready"),
}
# After these, what is left of the request is not worth reading, or would be read wrongly.
_LAST = ("not-understood", "too-slow", "too-large", "headers-too-large")
_BY_STATUS = {status: slug for slug, (status, _) in reversed(list(KINDS.items()))}  # of several, the first


class Problem(AssistantError):
    """Ends a request with a problem document; `extras` become members of it.

    `detail` says what was found and what to do, and holds nothing secret. `retry_after` is in seconds.
    """

    def __init__(self, slug: str, detail: str, *, retry_after: float | None = None, **extras: object) -> None:
        self.slug = slug
        self.status, self.title = KINDS[slug]
        self.detail = detail
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))
        self.extras = extras
        super().__init__(f"{self.title.lower()}: {detail}")

    @classmethod
    def of_status(cls, status: int, detail: str = "") -> "Problem":
        """Gives the problem for a bare status, as the framework raises them."""
        slug = _BY_STATUS.get(status, "broken" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "not-understood")
        return cls(slug, detail or f"{KINDS[slug][1]}.")

    def document(self) -> dict[str, object]:
        """Gives the document's members."""
        told: dict[str, object] = {
            "type": f"/docs#{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.retry_after is not None:
            told["retry_after"] = self.retry_after
        return told | self.extras

    @property
    def farewell(self) -> str:
        """What a WebSocket is closed with, since pages read no header of it: the detail, and when to come back."""
        wait = f"; retry after {self.retry_after}" if self.retry_after is not None else ""
        return self.detail + wait

    def response(self) -> Response:
        """Gives the answer to send."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="gateway"'
        if self.slug in _LAST:
            headers["Connection"] = "close"
        return JSONResponse(self.document(), self.status, headers=headers, media_type=MEDIA_TYPE)


def described(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of an operation for the OpenAPI document: each problem with an example."""
    told: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        problem = Problem(slug, f"{KINDS[slug][1]}.", retry_after=30 if slug in ("too-often", "not-ready") else None)
        schema = {"$ref": "#/components/schemas/Problem"}
        content = {"schema": schema, "examples": {}}
        one = told.setdefault(problem.status, {"description": problem.title, "content": {MEDIA_TYPE: content}})
        one["content"][MEDIA_TYPE]["examples"][slug] = {"value": problem.document()}
        if problem.retry_after is not None:
            header = {"description": "Seconds to wait", "schema": {"type": "integer"}}
            one["headers"] = {"Retry-After": header}
    return told


SCHEMA: Mapping[str, object] = {
    "title": "Problem",
    "description": "A problem document (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Which kind of problem, as a reference into /docs"},
        "title": {"type": "string", "description": "The kind in words"},
        "status": {"type": "integer", "description": "The status of the answer"},
        "detail": {"type": "string", "description": "What was found, and what to do"},
        "allowed": {"type": "object", "description": "What may be asked for instead"},
        "retry_after": {"type": "integer", "description": "Seconds to wait"},
    },
}
