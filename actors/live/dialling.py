"""Making the stream to a service: TCP, TLS on it, and plain words for what prevents it."""

import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import cache

import certifi
import trio

from actors.live.address import Address
from pipeline.errors import TransportLost

DIAL_DEADLINE = 5.0  # seconds for TCP and TLS
# Linux only; elsewhere the heartbeat alone finds out.
UNACKNOWLEDGED = 15.0  # seconds after which a far end whose TCP confirms nothing is gone (RFC 5482)
ABNORMAL = 1006  # RFC 6455, 7.1.5: no close frame came
UNTRUSTED = 1015  # RFC 6455, 7.1.5: the TLS handshake failed

Dial = Callable[[Address], Awaitable[trio.abc.Stream]]


async def dial_tcp(address: Address) -> trio.abc.Stream:
    """Opens TCP, and TLS on it where the address says so; OSError or ssl.SSLError when it cannot be had."""
    stream = await trio.open_tcp_stream(address.host, address.port)
    if isinstance(stream, trio.SocketStream) and hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNACKNOWLEDGED))
    if not address.tls:
        return stream
    context = _trust(certifi.where(), os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    secure = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
    try:
        await secure.do_handshake()
    except (trio.BrokenResourceError, OSError):
        await trio.aclose_forcefully(secure)
        raise
    return secure


@cache
def _trust(authorities: str, *_system: str | None) -> ssl.SSLContext:
    """Makes the context for these authorities and the system's, once: reading them takes 70 ms, at every reconnect."""
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=authorities)
    return context


async def dialled(address: Address, dial: Dial) -> trio.abc.Stream:
    """Gives a stream by `dial`, within `DIAL_DEADLINE`; a bare TransportLost when there is none."""
    try:
        with trio.fail_after(DIAL_DEADLINE):
            return await dial(address)
    except trio.TooSlowError:
        raise TransportLost(ABNORMAL, f"{address.shown} did not answer within {DIAL_DEADLINE:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        bad = next((e for e in (error, error.__cause__) if isinstance(e, ssl.SSLCertVerificationError)), None)
        if bad is not None:
            raise TransportLost(UNTRUSTED, f"{address.shown} shows a bad certificate: {bad.verify_message}") from None
        raise TransportLost(ABNORMAL, f"{address.shown} could not be reached: {_cause(error)}") from None


def _cause(error: BaseException) -> str:
    """Gives the plainest words for a failed dial: the system's, for the last address tried."""
    inner = error.__cause__
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[-1]
    shown = inner if isinstance(inner, OSError) else error
    number = getattr(shown, "errno", None)
    known = number in errno.errorcode and not isinstance(shown, socket.gaierror)
    return os.strerror(number) if known and number else str(getattr(shown, "strerror", None) or shown)
