"""Where a service is reached: every form of URL and credential, and no key in anything shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.live.address import GOOGLE, Address
from pipeline.errors import Refused

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
TOKEN = "auth_tokens/made-up"  # noqa: S105 - made up
TOKEN_PATH = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"  # noqa: S105


@pytest.mark.parametrize(
    ("endpoint", "host", "port", "tls", "resource", "authority"),
    [
        (GOOGLE, "generativelanguage.googleapis.com", 443, True, PATH, "generativelanguage.googleapis.com"),
        ("wss://h", "h", 443, True, PATH, "h"),
        ("https://h:8443/", "h", 8443, True, PATH, "h:8443"),
        ("ws://h", "h", 80, False, PATH, "h"),
        ("http://127.0.0.1:8765", "127.0.0.1", 8765, False, PATH, "127.0.0.1:8765"),
        ("http://h/proxy/", "h", 80, False, "/proxy" + PATH, "h"),
        ("http://h//a///b//", "h", 80, False, "/a/b" + PATH, "h"),
        ("wss://h:80", "h", 80, True, PATH, "h:80"),
        ("ws://[::1]:8765", "::1", 8765, False, PATH, "[::1]:8765"),
    ],
)
def test_forms_of_urls(endpoint: str, host: str, port: int, tls: bool, resource: str, authority: str) -> None:
    address = Address.of(endpoint, "v1beta", "key")
    assert (address.host, address.port, address.tls, address.resource) == (host, port, tls, resource)
    assert address.authority == authority
    assert address.shown == f"{'wss' if tls else 'ws'}://{'[::1]' if ':' in host else host}:{port}"


def test_a_key_in_the_header() -> None:
    address = Address.of("ws://h", "v1", "made-up", headers={"X-Mine": "yes"})
    assert dict(address.headers) == {
        b"Content-Type": b"application/json",
        b"X-Mine": b"yes",
        b"x-goog-api-key": b"made-up",
    }
    assert ".v1.GenerativeService" in address.resource
    assert "?" not in address.resource


def test_a_key_in_the_query() -> None:
    address = Address.of("ws://h", "v1beta", "a&b=c", key_in="query")
    assert address.resource == PATH + "?key=a%26b%3Dc"
    assert b"x-goog-api-key" not in dict(address.headers)


def test_a_token_goes_to_the_constrained_method_of_v1alpha() -> None:
    address = Address.of("wss://h", "v1beta", TOKEN)
    assert address.resource == TOKEN_PATH
    assert dict(address.headers)[b"Authorization"] == f"Token {TOKEN}".encode()
    assert dict(address.headers)[b"x-goog-api-key"] == TOKEN.encode()
    assert Address.of("wss://h", "v1beta", TOKEN, key_in="query").resource == f"{TOKEN_PATH}?access_token={TOKEN}"


@pytest.mark.parametrize(
    "endpoint", ["", "h", "h:80", "ftp://h", "ws://", "ws://h:port", "ws://h:99999", "ws://[::1", "//h"]
)
def test_a_bad_url_is_refused_by_name(endpoint: str) -> None:
    with pytest.raises(Refused) as refused:
        Address.of(endpoint, "v1beta", "key")
    assert repr(endpoint) in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "named"),
    [
        ("ws://CANARY@h", "user name"),
        ("ws://me:CANARY@h:80/path", "user name"),
        ("ws://me:a/CANARY@h", "user name"),
        ("me:CANARY@h", "user name"),
        ("ws://h?key=CANARY", "query"),
        ("ws://h:port?key=CANARY", "query"),
        ("h?key=CANARY", "query"),
        ("ws://h/#CANARY", "fragment"),
    ],
)
def test_credentials_in_a_url_are_refused_and_not_shown(endpoint: str, named: str, canary: str) -> None:
    for check in (Address.checked, lambda given: Address.of(given, "v1beta", "key")):
        with pytest.raises(Refused) as refused:
            check(endpoint.replace("CANARY", canary))
        assert named in str(refused.value)
        assert "GOOGLE_API_KEY" in str(refused.value)
        assert canary not in str(refused.value)


@pytest.mark.parametrize("key", ["made-up\n", "made\r\nHost: up", "made up", "mäde-up", "made\tup"])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(Refused) as refused:
        Address.of("ws://h", "v1beta", key)
    assert key not in str(refused.value)
    assert "up" not in str(refused.value)


@pytest.mark.parametrize("headers", [{"X-Name": "Zoë"}, {"X-Näme": "v"}, {"X-Name": "a\r\nb"}])
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused, match="http_options"):
        Address.of("ws://h", "v1beta", "key", headers=headers)


@pytest.mark.parametrize("key_in", ["header", "query"])
def test_the_key_is_in_no_representation(canary: str, key_in: str) -> None:
    address = Address.of("ws://h", "v1beta", canary, key_in=key_in)
    assert canary not in repr(address) + str(address) + address.shown + address.authority


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(endpoint: str) -> None:
    try:
        address = Address.of(endpoint, "v1beta", "key")
    except Refused:
        return
    assert address.host
    assert "//" not in address.resource
