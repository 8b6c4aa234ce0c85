"""Who may come in: the paths of the Live service, and the credentials it takes.

A refusal is a Breach, told by a close frame once the upgrade is accepted: the official clients read that and no status.
"""

import hmac
import re
from http import HTTPStatus

import attrs

from actors.emulator.door import Request, Response, failure
from actors.emulator.protojson import INVALID_ARGUMENT, Breach
from actors.emulator.tokens import PREFIX, Token, Tokens

REFUSED = 1008
ANY_PAGE = {"Access-Control-Allow-Origin": "*"}
"""The header with which an answer may be read by any page in a browser."""

_DEVELOPER = re.compile(
    r"(?:.*)/ws/google\.ai\.generativelanguage\.(v1|v1beta|v1alpha)\.GenerativeService\."
    r"(BidiGenerateContent|BidiGenerateContentConstrained)"
)
_VERTEX = re.compile(r"(?:.*)/ws/google\.cloud\.aiplatform\.(v1|v1beta1)\.LlmBidiService/BidiGenerateContent")
_TOKENS = re.compile(r"(?:.*)/(v1|v1beta|v1alpha)/(?:auth_tokens|authTokens)")
_UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
_INVALID = "API key not valid. Please pass a valid API key."


@attrs.frozen
class Caller:
    """Who is there: by which version of the API, whether Vertex's, and by which ephemeral token, if by any."""

    version: str
    vertex: bool = False
    token: Token | None = attrs.field(default=None, repr=False)


def admit(request: Request, key: str | None, tokens: Tokens, now: float) -> Caller:
    """Tells who calls; Breach if the path is not served or the caller not known.

    `key` is the only one accepted, None accepts any. Keys come as `?key=` or in x-goog-api-key, ephemeral tokens as
    `?access_token=` or in Authorization; the first of these that is there counts. Tokens open the constrained method
    and nothing else does. Vertex knows no keys: without `key` it lets everybody in.
    """
    vertex = _VERTEX.fullmatch(request.path)
    if vertex is not None:
        if key is not None:
            _check(_credential(request), key)
        return Caller(vertex[1], vertex=True)
    found = _DEVELOPER.fullmatch(request.path)
    if found is None:
        raise Breach(f"Requested entity was not found: {request.path[:60]}", REFUSED)
    credential = _credential(request)
    if not credential.startswith(PREFIX):
        if found[2] == "BidiGenerateContentConstrained":
            raise Breach(_UNREGISTERED, REFUSED)
        _check(credential, key)
        return Caller(found[1])
    if found[2] == "BidiGenerateContent":
        as_key = credential in {request.query.get("key"), request.headers.get("x-goog-api-key")}
        raise Breach(_INVALID, INVALID_ARGUMENT) if as_key else Breach(_UNREGISTERED, REFUSED)
    token = tokens.find(credential)
    if token is None:
        raise Breach(_UNREGISTERED, REFUSED)
    token.check(now)
    return Caller(found[1], token=token)


def leave(request: Request) -> Response | None:
    """Answers a browser that asks whether a page may make tokens here (CORS); None for anything else.

    It may, as with the real service: what a caller can do depends on its credentials, not on whose page it is.
    """
    if request.method != "OPTIONS" or _TOKENS.fullmatch(request.path) is None:
        return None
    allowed = request.headers.get("access-control-request-headers", "content-type,x-goog-api-key")
    asked = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": allowed}
    return Response(HTTPStatus.OK, {}, ANY_PAGE | asked)


def makes_token(request: Request) -> bool:
    """Tells whether a plain request asks for an ephemeral token."""
    return request.method == "POST" and _TOKENS.fullmatch(request.path) is not None


def refusal(request: Request, key: str | None) -> Response | None:
    """Gives the answer to a plain request whose caller may not ask for anything; None if it may."""
    credential = _credential(request)
    if credential.startswith(PREFIX):
        return failure(HTTPStatus.UNAUTHORIZED, "An ephemeral token opens the Live API and nothing else.")
    try:
        _check(credential, key)
    except Breach as breach:
        return failure(HTTPStatus.FORBIDDEN if breach.code == REFUSED else HTTPStatus.BAD_REQUEST, breach.reason)
    return None


def _check(credential: str, key: str | None) -> None:
    if not credential:
        raise Breach(_UNREGISTERED, REFUSED)
    if key is not None and not hmac.compare_digest(credential.encode(), key.encode()):
        raise Breach(_INVALID, INVALID_ARGUMENT)


def _credential(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    places = (
        request.query.get("key"),
        request.query.get("access_token"),
        token if scheme.lower() in {"token", "bearer"} else "",
        request.headers.get("x-goog-api-key"),
    )
    return next((place.strip() for place in places if place and place.strip()), "")
