import json
from html.parser import HTMLParser
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import Sources
from tools.search import Citation, Grounding, Support

METADATA: dict[str, Any] = {
    "webSearchQueries": ["eiffel tower height", "eiffel tower height", "tour eiffel"],
    "searchEntryPoint": {"renderedContent": "<style>.x{}</style><div>chips</div>"},
    "groundingChunks": [
        {"web": {"uri": "https://example.org/a?x=1&y=2", "title": "example.org", "domain": "example.org"}},
        {"web": {"uri": "https://example.net/", "domain": "example.net"}},
        {"web": {"uri": "https://example.org/a?x=1&y=2", "title": "again"}},
    ],
    "groundingSupports": [
        {
            "segment": {"startIndex": 0, "endIndex": 22, "text": "It is 330 metres high."},
            "groundingChunkIndices": [2, 1, 0],
            "confidenceScores": [0.9, 0.8, 0.7],
        }
    ],
}


def test_sources_are_numbered_once_each() -> None:
    types.GroundingMetadata.model_validate(METADATA)
    found = Grounding.of(METADATA)
    assert found.citations == (
        Citation(1, "example.org", "https://example.org/a?x=1&y=2"),
        Citation(2, "example.net", "https://example.net/"),
    )
    assert found.supports == (Support("It is 330 metres high.", (1, 2)),)
    assert found.queries == ("eiffel tower height", "tour eiffel")
    assert found.rendered == "<style>.x{}</style><div>chips</div>"


def test_as_text() -> None:
    assert Grounding.of(METADATA).text() == (
        "[1] example.org https://example.org/a?x=1&y=2\n[2] example.net https://example.net/"
    )


def test_as_html() -> None:
    rel = 'rel="noopener noreferrer nofollow" target="_blank"'
    assert Grounding.of(METADATA).html() == (
        f'<ol><li value="1"><a href="https://example.org/a?x=1&amp;y=2" {rel}>example.org</a></li>'
        f'<li value="2"><a href="https://example.net/" {rel}>example.net</a></li></ol>'
    )


def test_several_messages_of_a_turn_are_one_list() -> None:
    late = {"groundingChunks": [{"web": {"uri": "https://example.net/", "title": "B"}}, {"web": {"title": "Book"}}]}
    found = Grounding.of(METADATA, late, {"searchEntryPoint": {}})
    assert [(c.number, c.title) for c in found.citations] == [(1, "example.org"), (2, "example.net"), (3, "Book")]
    assert found.rendered


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org/",
        "https://",
        "http://[::1",
        "https://example.org/\x00",
        "https://example.org/a b",
        7,
        None,
    ],
)
def test_only_web_addresses_become_links(uri: object) -> None:
    found = Grounding.of({"groundingChunks": [{"web": {"uri": uri, "title": "A title"}}]})
    assert found.citations == (Citation(1, "A title"),)
    assert found.text() == "[1] A title"
    assert found.html() == '<ol><li value="1">A title</li></ol>'


def test_titles_and_addresses_are_escaped() -> None:
    uri = 'https://example.org/"><script>alert(1)</script>'
    found = Grounding.of({"groundingChunks": [{"web": {"uri": uri, "title": "<img src=x onerror='a'>"}}]})
    assert "<script" not in found.html()
    assert "<img" not in found.html()
    assert 'href="https://example.org/&quot;&gt;&lt;script' in found.html()


def test_an_event_tells_all_of_it() -> None:
    found = Grounding.of(METADATA)
    event = Sources(1, **found.fields())
    assert Grounding.told(event.fields()) == found
    assert Grounding.told(json.loads(json.dumps(event.fields()))) == found


def test_what_is_wrong_in_an_event_is_passed_over() -> None:
    event = {
        "sources": [{"title": "no number"}, None, {"number": 2, "title": "B", "uri": "javascript:x"}],
        "supports": 7,
    }
    assert Grounding.told(event) == Grounding((Citation(2, "B"),))


def test_other_kinds_of_sources() -> None:
    chunks = [
        {"retrievedContext": {"uri": "gs://bucket/x", "title": "A file"}},
        {"maps": {"uri": "https://maps.google.com/?cid=1", "title": "A café"}},
        {"image": {"sourceUri": "https://example.org"}},
    ]
    found = Grounding.of({"groundingChunks": chunks})
    assert found.text() == "[1] A file\n[2] A café https://maps.google.com/?cid=1"


@pytest.mark.parametrize("metadata", [None, {}, [], "x", {"groundingChunks": None, "groundingSupports": [{}]}])
def test_nothing_is_nothing(metadata: object) -> None:
    assert Grounding.of(metadata) == Grounding()
    assert Grounding().text() == ""
    assert Grounding().html() == ""


class Links(HTMLParser):
    """Collects the tags of a page, and where its links go."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


ANY = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=3)
CHUNK = ANY | st.dictionaries(
    st.sampled_from(["web", "maps"]),
    ANY | st.dictionaries(st.sampled_from(["uri", "title", "domain"]), ANY | st.just("https://a.example/<>\"'")),
)
SUPPORT = ANY | st.fixed_dictionaries({"segment": st.just({"text": "a"}), "groundingChunkIndices": ANY})


@given(
    st.fixed_dictionaries(
        {}, optional={"groundingChunks": ANY | st.lists(CHUNK), "groundingSupports": st.lists(SUPPORT)}
    )
)
def test_anything_is_read_and_rendered_safely(metadata: dict[str, Any]) -> None:
    found = Grounding.of(metadata)
    page = Links()
    page.feed(found.html())
    assert page.tags <= {"ol", "li", "a"}
    assert all(link.startswith(("http://", "https://")) for link in page.links)
    assert [c.number for c in found.citations] == list(range(1, len(found.citations) + 1))
    assert all(number <= len(found.citations) for support in found.supports for number in support.numbers)
