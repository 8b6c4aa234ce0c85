"""The microphone actor on a device that comes and goes."""

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import soundfile
import trio

import actors.microphone
from actors.audio.timeline import Timeline
from pipeline.channels import Outlet
from pipeline.errors import DeviceUnavailable, Fatal
from pipeline.events import Bus, Notice, RecordingSent

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


async def played(path: Path) -> tuple[list[str], float]:
    """Plays a recording to its end; gives the notices in order, and the seconds that were sent."""
    bus = Bus()
    events = bus.subscribe()
    microphone = actors.microphone.Recording(Outlet(None, None), Timeline(bus), bus, path=path)
    with trio.move_on_after(30):
        await microphone.run()
    bus.close()
    told = [event async for event in events]
    (sent,) = [event.seconds for event in told if isinstance(event, RecordingSent)]
    return [event.text for event in told if isinstance(event, Notice)], sent


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.wav"])
async def test_a_damaged_recording_is_told_once_with_the_seconds_that_were_sent(
    name: str, autojump_clock: object, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 16000 * 4).astype("<i2")
    soundfile.write(tmp_path / name, noise, 16000)
    whole = (tmp_path / name).read_bytes()
    assert await played(tmp_path / name) == ([], 4.0)
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    (notice,), sent = await played(tmp_path / name)
    assert name in notice
    assert f"{sent:.2f}" in notice
    assert 0.5 < sent < 3.5
