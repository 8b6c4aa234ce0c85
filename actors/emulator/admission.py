"""Who may come in: the paths of the Live service, and the credentials it takes.

A refusal is a Breach, told by a close frame once the upgrade is accepted: the official clients read that and no status.
"""

import hmac
import re

from actors.emulator.door import Request
from actors.emulator.protojson import Breach

REFUSED = 1008
_PATH = re.compile(
    r"(?:.*)/ws/google\.ai\.generativelanguage\.(v1|v1beta|v1alpha)\.GenerativeService\."
    r"(BidiGenerateContent|BidiGenerateContentConstrained)"
)
_UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
_INVALID = "API key not valid. Please pass a valid API key."


def admit(request: Request, key: str | None) -> str:
    """Gives the API version the caller asked for; Breach if the path is not served or the caller not known.

    `key` is the only one accepted, None accepts any. Keys come as `?key=` or in x-goog-api-key, ephemeral tokens as
    `?access_token=` or in Authorization; the first of these that is there counts.
    """
    found = _PATH.fullmatch(request.path)
    if found is None:
        raise Breach(f"Requested entity was not found: {request.path[:60]}", REFUSED)
    credential = _credential(request)
    if not credential:
        raise Breach(_UNREGISTERED, REFUSED)
    if key is not None and not hmac.compare_digest(credential.encode(), key.encode()):
        raise Breach(_INVALID)
    return found[1]


def _credential(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    places = (
        request.query.get("key"),
        request.query.get("access_token"),
        token if scheme.lower() in {"token", "bearer"} else "",
        request.headers.get("x-goog-api-key"),
    )
    return next((place.strip() for place in places if place and place.strip()), "")
