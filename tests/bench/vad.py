"""The detectors of speech over labelled recordings: how soon, how often not, how often wrongly, and at what cost."""

import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from actors.audio.engines import Ear, Engine
from actors.audio.engines.energy import Energy
from actors.audio.engines.resting import Resting
from actors.audio.engines.silero import Silero
from actors.audio.engines.webrtc import Webrtc
from actors.audio.gate import Gate
from actors.audio.recording import read_mono
from pipeline.messages import INPUT_RATE, Captured
from tests.bench.figures import Spread, quantile

BLOCK = 320  # samples
SLACK = 0.1  # seconds by which an opening may come before a label: labels are cut at a level, speech begins below it
ENGINES: Mapping[str, Callable[[], Engine]] = {
    "Silero (default)": lambda: Resting(Silero()), "WebRTC": Webrtc, "energy": Energy,
}  # fmt: skip


@attrs.frozen
class Recording:
    """One recording: what it holds, and the seconds from when to when somebody speaks in it."""

    name: str
    condition: str
    pcm: bytes
    spoken: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pcm) / 2 / INPUT_RATE


@attrs.define
class Tally:
    """What a detector made of recordings; delays are milliseconds from the first sample of speech to the opening."""

    delays: list[float] = attrs.field(factory=list)
    spoken: int = 0
    missed: list[str] = attrs.field(factory=list)
    alarms: list[str] = attrs.field(factory=list)

    def count(self, recording: Recording, opened: Sequence[tuple[float, float]]) -> None:
        """Compares what was opened, from when to when in seconds, with what was spoken.

        An utterance over which nothing was open is missed. An opening outside all utterances is an alarm, also where it
        is still open when somebody speaks; no delay is counted then.
        """
        for begin, end in recording.spoken:
            self.spoken += 1
            self.delays += [1000 * (at - begin) for at, _ in opened if begin - SLACK <= at <= end][:1]
            if not any(at <= end and until >= begin for at, until in opened):
                self.missed.append(recording.name)
        spoken = recording.spoken
        self.alarms += [recording.name for at, _ in opened if not any(b - SLACK <= at <= e for b, e in spoken)]


def openings(engine: Engine, pcm: bytes) -> list[tuple[float, float]]:
    """Gives from when to when, in seconds, the default gate says that somebody speaks; each as soon as it says so."""
    ear, gate, found = Ear(engine), Gate(), []
    began: float | None = None
    for start in range(0, len(pcm) - 2 * BLOCK + 1, 2 * BLOCK):
        block = Captured(pcm[start : start + 2 * BLOCK], start / 2 / INPUT_RATE, start // 2)
        gate.push(block, ear.hear(block.pcm))
        now = block.at + block.seconds
        if gate.speaking and began is None:
            began = now
        elif not gate.speaking and began is not None:
            found.append((began, now))
            began = None
    return found if began is None else [*found, (began, len(pcm) / 2 / INPUT_RATE)]


def spoken(label: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Gives from when to when somebody speaks, in seconds, whoever it is; labels count samples, or milliseconds."""
    spans = [*label.get("spans", ()), *label.get("over_spans", ())]
    pairs = [(span["start"] / label["rate"], span["end"] / label["rate"]) for span in spans]
    if not pairs and "start_ms" in label:
        pairs = [(label["start_ms"] / 1000, label["end_ms"] / 1000)]
    whole: list[tuple[float, float]] = []
    for begin, end in sorted(pairs):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((begin, end))
    return tuple(whole)


def read(folder: Path) -> Iterator[Recording]:
    """Reads labels.toml and the recordings it names."""
    for label in tomllib.loads((folder / "labels.toml").read_text("utf-8"))["recording"]:
        pcm = read_mono(folder / label["file"], INPUT_RATE)
        yield Recording(label["file"], label["condition"], pcm, spoken(label))


def measured(folder: Path) -> dict[str, dict[str, Any]]:
    """Measures every engine over every recording; CPU is in seconds for an hour of sound."""
    recordings = list(read(folder))
    length = sum(recording.seconds for recording in recordings)
    found = {}
    for name, make in ENGINES.items():
        tally, spent = Tally(), 0.0
        for recording in recordings:
            engine = make()
            began = time.process_time()
            opened = openings(engine, recording.pcm)
            spent += time.process_time() - began
            tally.count(recording, opened)
        delays = Spread.of(tally.delays)
        found[name] = {
            "recordings": len(recordings), "seconds": length, "spoken": tally.spoken, "delay_p50_ms": delays.median,
            "delay_p95_ms": quantile(tally.delays, 0.95), "missed": tally.missed, "alarms": tally.alarms,
            "cpu_per_hour": spent * 3600 / length,
        }  # fmt: skip
    return found
