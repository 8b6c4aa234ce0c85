"""The tape: nothing waits for the disk, a full one is told once, and a killed program leaves a readable folder."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from actors.audio.recording import open_recording
from pipeline import Bus, Plan
from pipeline.errors import BadRecording
from pipeline.events import FirstAudio, Notice, Trouble, TurnEnded, UserStarted
from pipeline.messages import Captured, Say, Stop
from telemetry import tape as tapes
from telemetry.spans import Spans
from telemetry.tape import Tape
from telemetry.tape_reading import Taped

BLOCK = bytes(640)


def opened(folder: Path, bus: Bus, **options: Any) -> Tape:
    return Tape.open(folder, Plan.load(folder=folder.parent), bus, **options)


def block(number: int, pcm: bytes = BLOCK) -> Captured:
    return Captured(pcm, trio.current_time() + number * 0.02, number * 320)


async def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadRecording, match="there is something in it; name a folder that is new or empty"):
        opened(tmp_path, Bus())
    assert not (tmp_path / "versions.json").exists()


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRecording, match=r"cannot record into .*file"):
        opened(tmp_path / "file" / "tape", Bus())


async def test_a_disk_that_is_full_from_the_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BadRecording, match=r"cannot record into .*tape: No space left on device; name another folder"):
        opened(tmp_path / "tape", Bus())


async def test_what_is_heard_is_kept_in_order(autojump_clock: object, tmp_path: Path) -> None:
    bus = Bus()
    tape = opened(tmp_path / "tape", bus, threads=False)
    events = bus.subscribe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run, events)
        tape.wire("dial", "")
        tape.wire("out", '{"setup": {"model": "m"}}')
        tape.wire("lost", "1006 gone")
        tape.asked(Say("hello"))
        tape.asked(Stop())
        await trio.sleep(1)
        bus.publish(Notice("a word"))
        bus.close()
    taped = Taped.read(tmp_path / "tape")
    assert [step["way"] for step in taped.steps] == ["dial", "out", "lost", "user", "user", "end"]
    assert taped.steps[2] == {"t": 0.0, "way": "lost", "code": 1006, "reason": "gone"}
    assert [(event["t"], event["text"]) for event in taped.events] == [(1.0, "a word")]
    assert taped.whole


async def test_the_trace_is_kept_beside_the_events(autojump_clock: object, tmp_path: Path) -> None:
    bus = Bus()
    spans = Spans("0" * 32, 0.0, "gemini-3.8-live", None, None)
    tape = Tape.open(tmp_path / "tape", Plan.load(folder=tmp_path), bus, spans, threads=False)
    events = bus.subscribe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run, events)
        bus.publish(UserStarted(0.0))
        bus.publish(FirstAudio(1, 900.0))
        await trio.sleep(1)
        bus.publish(TurnEnded(1, 1000.0, "completed"))
        bus.close()
    kept = [json.loads(line) for line in (tmp_path / "tape" / "spans.jsonl").read_text().splitlines()]
    assert [span["name"] for span in kept] == ["turn", "session"]
    assert kept[0]["parent_id"] == kept[1]["span_id"]


async def test_a_muted_microphone_is_silence_on_the_tape(autojump_clock: object, tmp_path: Path) -> None:
    bus = Bus()
    tape = opened(tmp_path / "tape", bus, threads=False)
    tape._muted = lambda: True
    tape.captured(block(0, b"\x11\x22" * 320))
    bus.close()
    await tape.run(bus.subscribe())
    assert (tmp_path / "tape" / "microphone.pcm").read_bytes() == BLOCK


@pytest.mark.parametrize("threads", [True, False])
async def test_a_full_disk_ends_the_recording_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, threads: bool
) -> None:
    bus = Bus()
    tape = opened(tmp_path / "tape", bus, threads=threads)
    heard = bus.subscribe()

    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(tape._folder), "step", full)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run, bus.subscribe())
        for _ in range(10):
            tape.wire("dial", "")
        with trio.fail_after(5):
            trouble = await anext(heard)
        bus.close()
    assert isinstance(trouble, Trouble)
    assert "the recording in" in trouble.what
    assert trouble.what.endswith("ends: No space left on device")
    assert [event async for event in heard] == []


async def test_a_disk_that_hangs_costs_what_comes_meanwhile_and_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tapes, "LONGEST", 10)
    monkeypatch.setattr(tapes, "ENDING", 0.01)
    bus = Bus()
    tape = opened(tmp_path / "tape", bus)
    import threading

    stuck = threading.Event()
    monkeypatch.setattr(type(tape._folder), "step", lambda *_args, **_options: stuck.wait(30))
    for _ in range(50):
        tape.wire("dial", "")
    assert tape.lost >= 39
    listener = bus.subscribe()
    bus.publish(Notice("one event more"))
    bus.close()
    with trio.fail_after(5):
        await tape.run(listener)
    assert listener.lost == 2, "the event and the end, which is told"
    stuck.set()


KILLED = """
import os, signal, sys, trio
import numpy as np
from pathlib import Path
from pipeline import Bus, Plan
from pipeline.messages import Captured
from telemetry.spans import Spans
from telemetry.tape import Tape

async def main():
    folder = Path(sys.argv[1])
    tape = Tape.open(folder, Plan.load(folder=folder.parent), Bus())
    rng = np.random.default_rng(1)
    for number in range(200):
        pcm = rng.integers(-9000, 9000, 320, "<i2").tobytes()
        tape.captured(Captured(pcm, 100 + number * 0.02, number * 320))
        tape.played(rng.integers(-9000, 9000, 480, "<i2"), 100 + number * 0.02, 24000)
    while tape._queue.qsize():
        await trio.sleep(0.01)
    await trio.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


def test_a_killed_program_leaves_a_readable_folder(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "tape"
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=root, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    taped = Taped.read(folder)
    assert not taped.whole
    assert sum(step["way"] == "mic" for step in taped.steps) == 200
    assert (folder / "microphone.pcm").stat().st_size == 200 * 640
    with open_recording(folder / "conversation.flac") as sound:
        assert 2.5 < sound.duration <= 4.0
        assert np.frombuffer(b"".join(sound.blocks(4800)), "<i2").any()
        assert not sound.warning


def test_the_versions_name_the_product(tmp_path: Path) -> None:
    from telemetry.tape_about import versions

    told = json.loads(json.dumps(versions()))
    assert told["product"].count(".") == 2
    assert "trio" in told["packages"]
