"""The voice speaks: at its rate, level and from the first millisecond, in every voice and from every thread."""

import re
import threading
from pathlib import Path

import numpy as np
import pytest

from actors.emulator import voice as module
from actors.emulator.voice import PREBUILT, RATE, Voice, sentences

SENTENCE = "The weather in Paris is sunny, with eighteen degrees."


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32768


@pytest.fixture(name="voice", scope="module")
def _voice() -> Voice:
    return Voice()


def test_there_are_the_thirty_voices_of_the_service() -> None:
    assert len(PREBUILT) == 30
    assert len(set(PREBUILT.values())) == 30
    assert {"Kore", "Puck", "Zubenelgenubi"} <= PREBUILT.keys()


@pytest.mark.parametrize("name", PREBUILT)
def test_every_voice_speaks_at_a_clean_level(voice: Voice, name: str) -> None:
    sound = samples(voice.speak(SENTENCE, voice=name))
    assert 2.0 < len(sound) / RATE < 4.5
    assert -23 < 20 * np.log10(np.sqrt(np.mean(sound**2))) < -19
    assert np.max(np.abs(sound)) < 0.81
    assert np.flatnonzero(np.abs(sound) > 0.004)[0] <= RATE * 0.006


def test_voices_differ(voice: Voice) -> None:
    assert len({voice.speak("Hello.", voice=name) for name in PREBUILT}) == 30


def test_an_unknown_voice_is_a_mistake(voice: Voice) -> None:
    with pytest.raises(KeyError):
        voice.speak("Hello.", voice="kore")


@pytest.mark.parametrize("text", ["", "   ", "...", "\0", "!?"])
def test_nothing_to_say_is_silence(voice: Voice, text: str) -> None:
    assert voice.speak(text) == b""


def test_what_was_said_lately_is_said_again_to_the_byte(voice: Voice) -> None:
    first = voice.speak(SENTENCE)
    for number in range(20):
        voice.speak(f"Something else, number {number}.")
    assert voice.speak(SENTENCE) == first


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED_BYTES", 200_000)
    fresh = Voice()
    for number in range(20):
        fresh.speak(f"Sentence number {number}.")
    assert sum(map(len, fresh._spoken.values())) == fresh._held <= 200_000


def test_pieces_are_the_whole(voice: Voice) -> None:
    text = "One sentence. Another one! And a third?"
    pieces = list(voice.pieces(text))
    assert len(pieces) == 3
    assert b"".join(pieces) == voice.speak(text)


def test_sentences_are_short_and_lose_no_word() -> None:
    text = "Mr. Smith left St. Petersburg at 3.5 degrees. Why?\nNobody knows: " + "on and on, " * 60 + "to the end."
    found = sentences(text)
    assert found[0] == "Mr. Smith left St. Petersburg at 3.5 degrees."
    assert all(len(sentence) <= 300 for sentence in found)
    assert re.findall(r"\w+", " ".join(found)) == re.findall(r"\w+", text)


def test_many_threads_speak_at_once() -> None:
    fresh = Voice()
    heard: dict[int, bytes] = {}

    def speak(number: int) -> None:
        heard[number] = fresh.speak(f"This is number {number}.", voice=list(PREBUILT)[number])

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 12
    assert all(0.5 < len(pcm) / 2 / RATE < 3 for pcm in heard.values())


def test_a_long_path_is_reached_by_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6, "espeak-ng-data")
    deep.mkdir(parents=True)
    short = module._short(deep)
    assert len(str(short)) <= 120
    assert short.resolve() == deep.resolve()
    assert module._short(short) == short
