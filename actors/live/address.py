"""Where a Live service is reached, and with what credentials (live-protocol 1.1)."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import attrs

from pipeline.errors import Refused

GOOGLE = "https://generativelanguage.googleapis.com"
TOKEN_PREFIX = "auth_tokens/"  # noqa: S105 - what a token begins with, no token
SUPERFLUOUS = {"@": "a user name or password", "?": "a query", "#": "a fragment"}  # of an endpoint, by their marks
SCHEMES = {"ws": False, "http": False, "wss": True, "https": True}
METHOD = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent{kind}"


@attrs.frozen
class Address:
    """A service's host and port, whether it speaks TLS, the resource to ask for and the headers to send."""

    host: str
    port: int
    tls: bool
    resource: str = attrs.field(repr=False)  # may carry the key
    headers: tuple[tuple[bytes, bytes], ...] = attrs.field(repr=False)

    @property
    def shown(self) -> str:
        """The address as it may be shown: without path, key or headers."""
        return f"{'wss' if self.tls else 'ws'}://{self._name}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as the Host header wants them: without the port that goes without saying."""
        return self._name if self.port == (443 if self.tls else 80) else f"{self._name}:{self.port}"

    @property
    def _name(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @classmethod
    def checked(cls, endpoint: str) -> str:
        """Gives a base URL as it may be shown; Refused as `of`."""
        return cls.of(endpoint, "", "").shown

    @classmethod
    def of(
        cls, endpoint: str, version: str, key: str, *, key_in: str = "header", headers: Mapping[str, str] | None = None
    ) -> "Address":
        """Builds the address from a base URL (ws, wss, http or https); path and version are added.

        An ephemeral token in place of a key goes to the constrained method of v1alpha, where alone it is good.
        Raises Refused for a URL or key that cannot be one, and for a URL that has more than host, port and path:
        credentials would be in it, which are not shown even then.
        """
        if superfluous := next((what for mark, what in SUPERFLUOUS.items() if mark in endpoint), None):
            raise Refused(
                f"the endpoint has {superfluous} in it, which is not sent; take it out, and put the key into "
                "GOOGLE_API_KEY"
            )
        try:
            parts = urlsplit(endpoint)
            port = parts.port
        except ValueError as error:
            raise Refused(f"the endpoint {endpoint!r} is no URL: {error}") from None
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise Refused(
                f"the endpoint {endpoint!r} is no URL of a service; write it as wss://HOST or http://HOST:PORT"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise Refused("the API key has characters that no key has; copy it again, without quotes or spaces")
        token = key.startswith(TOKEN_PREFIX)
        path = re.sub("/{2,}", "/", parts.path).rstrip("/") + METHOD.format(
            version="v1alpha" if token else version, kind="Constrained" if token else ""
        )
        sent = {"Content-Type": "application/json", **(headers or {})}
        if key_in == "query":
            path += f"?{'access_token' if token else 'key'}={quote(key, safe='/')}"
        else:
            sent["x-goog-api-key"] = key
            if token:
                sent["Authorization"] = f"Token {key}"
        tls = SCHEMES[parts.scheme]
        if unfit := [name for name, value in sent.items() if not (name + value).isascii() or not value.isprintable()]:
            raise Refused(f"the header {unfit[0]!r} in live.http_options cannot be sent; write it in plain ASCII")
        pairs = tuple((name.encode("ascii"), value.encode("ascii")) for name, value in sent.items())
        return cls(parts.hostname, port or (443 if tls else 80), tls, path, pairs)
