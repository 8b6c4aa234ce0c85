"""What the service's own Google search leaves behind: its sources, as numbered citations.

`google_search = true` in the plan's `[tools]` switches the search; the service then runs it by itself and sends
`groundingMetadata` with the reply, which is read here. Any part of it may be missing.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

SCHEMES = ("http", "https")
KINDS = ("web", "retrievedContext", "maps")  # where a grounding chunk may hold its source


@attrs.frozen
class Citation:
    """One source; `uri` is empty where it has no http or https address."""

    number: int
    title: str
    uri: str = ""


@attrs.frozen
class Support:
    """A piece of the reply, and the numbers of the citations that back it."""

    text: str
    numbers: tuple[int, ...]


@attrs.frozen
class Grounding:
    """The sources of a reply, each once, numbered from 1 in the order they came.

    `rendered` is the service's own HTML with search suggestions, which its terms want shown as it is: it carries
    styles and links, so show it in a sandboxed frame of its own, never inside a page of ours.
    """

    citations: tuple[Citation, ...] = ()
    supports: tuple[Support, ...] = ()
    queries: tuple[str, ...] = ()
    rendered: str = ""

    @classmethod
    def of(cls, *metadata: object) -> "Grounding":
        """Reads the groundingMetadata (camelCase JSON) of a turn's messages; what is malformed is passed over."""
        found: dict[tuple[str, str], Citation] = {}
        supports: list[Support] = []
        queries: list[str] = []
        rendered = ""
        for each in metadata:
            if not isinstance(each, Mapping):
                continue
            numbers = {index: _cite(found, title, uri).number for index, title, uri in _sources(each)}
            supports += _supports(each, numbers)
            queries += [query for query in _list(each, "webSearchQueries") if isinstance(query, str)]
            point = each.get("searchEntryPoint")
            rendered = (_text(point, "renderedContent") if isinstance(point, Mapping) else "") or rendered
        return cls(tuple(found.values()), tuple(supports), tuple(dict.fromkeys(queries)), rendered)

    @classmethod
    def told(cls, event: Mapping[str, object]) -> "Grounding":
        """Reads a `sources` event, as `fields` and the event log have it; what is malformed is passed over."""
        listed = [source for source in _list(event, "sources") if isinstance(source, Mapping)]
        citations = [
            (source.get("number"), _text(source, "title"), _safe(_text(source, "uri"))[0]) for source in listed
        ]
        supports = [each for each in _list(event, "supports") if isinstance(each, Mapping)]
        return cls(
            tuple(Citation(number, title, uri) for number, title, uri in citations if isinstance(number, int)),
            tuple(Support(_text(each, "text"), _numbers(each)) for each in supports),
            tuple(query for query in _list(event, "queries") if isinstance(query, str)),
            _text(event, "suggestions"),
        )

    def fields(self) -> dict[str, Any]:
        """Gives what a `sources` event holds of it."""
        return {
            "sources": tuple({"number": c.number, "title": c.title, "uri": c.uri} for c in self.citations),
            "supports": tuple({"text": s.text, "numbers": s.numbers} for s in self.supports),
            "queries": self.queries,
            "suggestions": self.rendered or None,
        }

    def text(self) -> str:
        """Gives the citations as plain text, one a line; empty if there are none."""
        return "\n".join(f"[{c.number}] {c.title} {c.uri}".rstrip() for c in self.citations)

    def html(self) -> str:
        """Gives the citations as an HTML list, everything escaped and links to http and https only."""
        return f"<ol>{''.join(map(_item, self.citations))}</ol>" if self.citations else ""


def _item(citation: Citation) -> str:
    title = html.escape(citation.title)
    if not citation.uri:
        return f'<li value="{citation.number}">{title}</li>'
    link = f'<a href="{html.escape(citation.uri)}" rel="noopener noreferrer nofollow" target="_blank">{title}</a>'
    return f'<li value="{citation.number}">{link}</li>'


def _cite(found: dict[tuple[str, str], Citation], title: str, uri: str) -> Citation:
    key = (uri, "" if uri else title)
    return found.setdefault(key, Citation(len(found) + 1, title, uri))


def _sources(metadata: Mapping[str, object]) -> Iterator[tuple[int, str, str]]:
    """Yields index, title and safe address of each chunk that has a source."""
    for index, chunk in enumerate(_list(metadata, "groundingChunks")):
        if not isinstance(chunk, Mapping):
            continue
        source = next((chunk[kind] for kind in KINDS if isinstance(chunk.get(kind), Mapping)), None)
        if not isinstance(source, Mapping):
            continue
        uri, host = _safe(_text(source, "uri"))
        title = _text(source, "title") or _text(source, "domain") or host
        if title:
            yield index, " ".join(title.split()), uri


def _safe(uri: str) -> tuple[str, str]:
    """Gives an http or https address and its host, or nothing of any other."""
    try:
        parts = urlsplit(uri.strip())
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    plain = not any(c.isspace() or not c.isprintable() for c in uri.strip())
    return (uri.strip(), host) if parts.scheme in SCHEMES and host and plain else ("", "")


def _supports(metadata: Mapping[str, object], numbers: Mapping[int, int]) -> Iterator[Support]:
    for support in _list(metadata, "groundingSupports"):
        if not isinstance(support, Mapping):
            continue
        segment = support.get("segment")
        cited = [numbers[i] for i in _list(support, "groundingChunkIndices") if isinstance(i, int) and i in numbers]
        text = _text(segment, "text") if isinstance(segment, Mapping) else ""
        if text and cited:
            yield Support(text, tuple(dict.fromkeys(cited)))


def _numbers(support: Mapping[str, object]) -> tuple[int, ...]:
    return tuple(number for number in _list(support, "numbers") if isinstance(number, int))


def _list(table: Mapping[str, object], key: str) -> Sequence[object]:
    value = table.get(key)
    return value if isinstance(value, list | tuple) else ()


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""
