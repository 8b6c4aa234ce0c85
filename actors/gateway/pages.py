"""The files of the web client and of the documentation page, read whole at the start: no request touches the disk."""

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import attrs
import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.gateway.problems import Problem
from pipeline.errors import PlanError

FOLDER = Path(__file__).parent
STATIC, DOCUMENTS = FOLDER / "static", FOLDER / "documents"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
BIGGEST = 2_000_000  # bytes of one file; the client is small on purpose


@attrs.frozen
class Page:
    """One file as it is served."""

    body: bytes = attrs.field(repr=False)
    kind: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file; PlanError if it is none of ours or cannot be read."""
        try:
            body = path.read_bytes()
        except OSError as error:
            raise PlanError(f"the web client's {path.name} cannot be read: {error.strerror}; install it anew") from None
        if len(body) > BIGGEST:
            raise PlanError(f"the web client's {path.name} has {len(body)} bytes; take it out of {path.parent}")
        kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return cls(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def answer(self, request: Request) -> Response:
        """Gives the file, or 304 where the browser has it already."""
        headers = {"etag": self.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type=self.kind)


def pages() -> Mapping[str, Page]:
    """Reads every file: the client's at /, the documentation's below /docs."""
    return dict((*_within(STATIC, ""), *_within(DOCUMENTS, "/docs")))


def routes(found: Mapping[str, Page]) -> list[Route]:
    """Gives one route for all of them; what is no file is an unknown path."""

    async def serve(request: Request) -> Response:
        await trio.lowlevel.checkpoint()  # a function without await would get a thread
        page = found.get(request.url.path)
        if page is None:
            raise Problem("unknown-path", "There is nothing at this path; /docs says what there is.")
        return page.answer(request)

    return [Route(path, serve, methods=["GET", "HEAD"], include_in_schema=False) for path in found]


def _within(folder: Path, prefix: str) -> Iterator[tuple[str, Page]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith((".", "_")):
            place = f"{prefix}/{path.relative_to(folder).as_posix()}"
            page = Page.read(path)
            yield place, page
            if path.name == INDEX and path.parent == folder:
                yield prefix or "/", page
