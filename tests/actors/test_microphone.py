"""The microphone actor on a device that comes and goes."""

from collections import deque
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import pytest
import trio

import actors.microphone
from actors.audio.timeline import Timeline
from pipeline.channels import Outlet
from pipeline.errors import DeviceUnavailable, Fatal
from pipeline.events import Bus

LOST = DeviceUnavailable("lost the input device 'desk'")


class Comes:
    """A device of which each opening gives so many blocks and is then lost; None cannot be opened."""

    openings: ClassVar[deque[int | None]] = deque()
    info = SimpleNamespace(device="desk", rate=16000, latency=0.01)

    def __init__(self, *_settings: object) -> None:
        self.left = 0

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        given = self.openings.popleft() if self.openings else 10**9
        if given is None:
            raise LOST
        self.left = given
        return self

    async def __aexit__(self, *_ending: object) -> None:
        await trio.lowlevel.checkpoint()  # noqa: ASYNC102 - a fake that does not wait

    async def next(self) -> Any:
        await trio.sleep(0.02)
        if not self.left:
            raise LOST
        self.left -= 1
        return SimpleNamespace(pcm=bytes(640), at=trio.current_time())


async def told(monkeypatch: pytest.MonkeyPatch, *openings: int | None) -> list[Any]:
    Comes.openings = deque(openings)
    monkeypatch.setattr(actors.microphone, "Microphone", Comes)
    bus = Bus()
    events = bus.subscribe()
    microphone = actors.microphone.Device(captured=Outlet(None, None), timeline=Timeline(bus), bus=bus)
    with trio.move_on_after(30):
        await microphone.run()
    bus.close()
    return [(event.name, event.fields().get("what")) for event in [event async for event in events]]


async def test_every_loss_and_every_return_is_told(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [what for name, what in await told(monkeypatch, 5, None, None, 5, 5) if name == "device"]
    assert changes == ["opened", "lost", "back", "lost", "back", "lost", "back"]


async def test_a_device_that_was_never_there_ends_the_run(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Fatal, match="lost the input device"):
        await told(monkeypatch, None)
