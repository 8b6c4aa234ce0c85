"""Making a connection: what it asks for, and what becomes of a far end that will not have it."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from actors.live import dialling
from actors.live.address import Address
from actors.live.dialling import ABNORMAL, DIAL_DEADLINE, UNACKNOWLEDGED, UNTRUSTED, dial_tcp
from actors.live.link import HANDSHAKE_DEADLINE
from actors.live.transport import connected
from pipeline.errors import TransportLost

Elapsed = Callable[[], float]


async def test_the_request_carries_path_host_and_key(autojump_clock: object, line: Any) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.far.serve)
        async with line.connected():
            pass
    assert line.far.request.target.endswith(
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    assert line.far.request.host == "far.test:81"
    assert dict(line.far.request.extra_headers)[b"x-goog-api-key"] == b"no-real-key"


@pytest.mark.parametrize("how", ["hangs up", "is silent", "talks nonsense"])
async def test_a_peer_without_a_handshake_is_given_up_within_the_deadline(
    autojump_clock: object, loss_of: Any, line: Any, elapsed: Elapsed, how: str
) -> None:
    async def far() -> None:
        await line.far.next()
        if how == "hangs up":
            await line.far.stream.aclose()
        elif how == "talks nonsense":
            await line.far.stream.send_all(b"\0\1\2\3\r\n\r\n")

    elapsed()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line)
    assert lost is not None
    assert lost.code == ABNORMAL
    assert lost.reason
    assert not lost.reason.rstrip().endswith(":")
    assert elapsed() <= HANDSHAKE_DEADLINE


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux gives up what TCP does not confirm")
async def test_the_system_is_told_when_to_give_up_what_tcp_does_not_confirm() -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, trio.abc.Stream.aclose, [listener])
        stream = await dial_tcp(Address.of(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}", "v1beta", "key"))
        assert isinstance(stream, trio.SocketStream)
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == round(1000 * UNACKNOWLEDGED)
        await stream.aclose()
        nursery.cancel_scope.cancel("the option is read")


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_a_refused_handshake_is_a_loss_with_its_status(
    autojump_clock: object, loss_of: Any, line: Any, status: int, elapsed: Elapsed
) -> None:
    elapsed()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.far.reject, status)
        lost = await loss_of(line)
    assert lost is not None
    assert lost.code == status
    assert str(status) in lost.reason
    assert elapsed() == 0


async def test_a_dial_that_hangs_or_fails_is_a_loss(autojump_clock: object, line: Any, elapsed: Elapsed) -> None:
    async def hang(_: Address) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    async def fail(_: Address) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise OSError("all attempts failed") from ExceptionGroup(
            "", [ConnectionRefusedError(111, "Connection refused")]
        )

    elapsed()
    for dial, words in ((hang, "did not answer"), (fail, "Connection refused")):
        with pytest.raises(TransportLost) as lost:
            async with connected(line.address, dial):
                raise AssertionError("it connected")
        assert lost.value.code == ABNORMAL
        assert words in lost.value.reason
    assert elapsed() == DIAL_DEADLINE


async def test_a_certificate_that_nobody_vouches_for_is_told_from_other_trouble(
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = trio.testing.memory_stream_pair()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("far.test").configure_cert(context)

    async def opened(*_: object) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return near

    async def serve() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(far, context, server_side=True).do_handshake()

    monkeypatch.setattr(dialling.trio, "open_tcp_stream", opened)
    found: TransportLost | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        try:
            async with connected(Address.of("wss://far.test", "v1beta", "key"), dial_tcp):
                raise AssertionError("it was trusted")
        except TransportLost as lost:
            found = lost
    assert found is not None
    assert found.code == UNTRUSTED
    assert "certificate" in found.reason
