"""Who is calling, from where, and whether the page that sent them may: addresses, hosts, origins. Without I/O.

A proxy's word is taken only where the connection comes from one that the plan declares. The host that a browser
names must be an address, `localhost`, or a name from the plan: a page of a name that an attacker has pointed here
(DNS rebinding) is turned away.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs
from starlette.datastructures import Headers

from actors.gateway.problems import Problem
from actors.gateway.settings import Settings

Scope = Mapping[str, Any]  # an ASGI connection scope
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SINGLE = ("host", "origin", "authorization", "cookie", "content-type", "content-length", "x-forwarded-proto")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_PROXIED = ("forwarded", "x-real-ip", "via")  # headers, beside X-Forwarded-*, that a proxy leaves on what it hands on
_SITE_PREFIX = 64  # an IPv6 subscriber has a network of this length, so its addresses count as one


@attrs.frozen
class User:
    """Who is talking: `local` on this machine, `key` for whoever has the access key, `proxy` for whom it names."""

    name: str
    how: Literal["local", "key", "proxy"]


@attrs.frozen
class Caller:
    """A connection's far end. `address` is what rates are counted by; `named` is the user a trusted proxy names.

    `direct` is whether nobody stands between, neither a proxy of the plan's nor one that nobody has declared.
    """

    address: str
    secure: bool
    host: str
    direct: bool
    named: str | None = None

    @property
    def origin(self) -> str:
        """The origin of pages that this gateway itself serves to this caller."""
        return f"{'https' if self.secure else 'http'}://{self.host}"


@attrs.frozen
class Door:
    """Judges connections by the plan's settings; `loopback` is whether the gateway listens to this machine only."""

    settings: Settings
    loopback: bool = True
    _trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        networks = tuple(ipaddress.ip_network(network) for network in self.settings.proxy.trusted)
        object.__setattr__(self, "_trusted", networks)

    def caller(self, scope: Scope) -> Caller:
        """Tells who calls; Problem where headers contradict each other or name a host that is not served here."""
        headers = Headers(scope=dict(scope))
        user_header = self.settings.proxy.user_header.lower()
        for name in (*SINGLE, *((user_header,) if user_header else ())):
            if len(headers.getlist(name)) > 1:
                raise Problem("not-understood", f"The header {name} is there more than once.")
        peer = (scope.get("client") or ("",))[0]
        trusted = self._trusts(peer)
        forwarded = headers.getlist("x-forwarded-for") if trusted else []
        proto = headers.get("x-forwarded-proto", "") if trusted else ""
        secure = (proto or str(scope.get("scheme", "http"))).lower() in ("https", "wss")
        named = headers.get(user_header) if trusted and user_header else None
        return Caller(
            address=self._farthest(peer, ",".join(forwarded)),
            secure=secure,
            host=self._host(headers.get("host", ""), secure=secure),
            direct=not trusted and not any(_by_proxy(name) for name in headers),
            named=named if named and _NAME.fullmatch(named) else None,
        )

    def check_origin(self, scope: Scope, caller: Caller) -> None:
        """Problem 403 if the page that sent this is not ours, where it could change something or open a socket."""
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return
        headers = Headers(scope=dict(scope))
        origin = headers.get("origin")
        if origin is None:  # no browser, or one that says in another header that the page is ours
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                raise Problem("refused", "A page of another site may not do this.")
        elif origin != caller.origin and origin not in self.settings.origins:
            raise Problem("refused", "A page of another origin may not do this; the operator can allow it in origins.")

    def by_local(self, caller: Caller) -> bool:
        """Tells whether somebody on this very machine calls, with no proxy between."""
        return self.loopback and caller.direct and _is_loopback(caller.address)

    def counts(self, address: str) -> bool:
        """Tells whether connections from an address are bounded by themselves: behind a proxy is everybody."""
        return not self._trusts(address)

    def _trusts(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(found in network for network in self._trusted)

    def _farthest(self, peer: str, forwarded: str) -> str:
        """Gives the last address of the chain that no trusted proxy vouches for."""
        address = peer
        for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
            if not self._trusts(address) or _parsed(hop) is None:
                break
            address = hop
        return _counted(address)

    def _host(self, authority: str, *, secure: bool) -> str:
        """Gives host and port as an origin would write them; Problem 421 for a host that is not served here."""
        found = _AUTHORITY.fullmatch(authority)
        if found is None:
            raise Problem("wrong-host", "The host that the request names is no host.")
        name = found[1].lower()
        if name != "localhost" and _parsed(name.strip("[]")) is None and name not in self.settings.hosts:
            raise Problem("wrong-host", "This name is not served here; the operator can allow it in [gateway] hosts.")
        usual = "443" if secure else "80"
        return name if found[2] in (None, usual) else f"{name}:{found[2]}"


def is_loopback_host(host: str) -> bool:
    """Tells whether listening on this host reaches nobody but this machine."""
    return host == "localhost" or _is_loopback(host)


def _by_proxy(header: str) -> bool:
    """Tells whether this is a header of requests that a proxy has handed on."""
    return header in _PROXIED or header.startswith("x-forwarded-")


def _is_loopback(address: str) -> bool:
    found = _parsed(address)
    return found is not None and found.is_loopback


def _parsed(address: str) -> Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _counted(address: str) -> str:
    """Gives the address by which rates are counted: of IPv6 the subscriber's network."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address) and not found.is_loopback:
        return str(ipaddress.ip_network((found, _SITE_PREFIX), strict=False).network_address)
    return str(found or address or "unknown")
