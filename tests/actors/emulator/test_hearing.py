"""What the voice says is heard, over noise as well; and what is no request is not taken for one."""

import threading

import numpy as np
import pytest

from actors.audio.resample import Resampler
from actors.emulator import grammar
from actors.emulator import hearing as module
from actors.emulator.cities import plain
from actors.emulator.hearing import RATE, Hearing
from actors.emulator.voice import Voice

REQUESTS = (
    "What is the weather in Paris?",
    "What time is it in Tokyo?",
    "What is the weather in London and what time is it in Berlin?",
    "Weather in New York tomorrow.",
    "What is the time in Los Angeles?",
    "Search for the telephone.",
    "Who invented the telephone?",
    "Tell me a long story.",
    "Count to twenty.",
    "Set a timer for ten seconds.",
    "What did I ask?",
    "Thank you very much.",
    "Stop, please.",
    "How is the weather in Madrid?",
)
VOICES = ("Kore", "Puck", "Zephyr")
ELSEWHERE = (
    "My grandmother bought a red bicycle last summer.",
    "The quick brown fox jumps over the lazy dog.",
    "I think we should paint the kitchen yellow.",
    "Dinner is ready in half an hour.",
    "One should never argue with a hungry bear.",
    "The train was delayed because of heavy snow on the tracks.",
)


@pytest.fixture(name="hearing", scope="module")
def _hearing() -> Hearing:
    return Hearing()


@pytest.fixture(name="voice", scope="module")
def _voice() -> Voice:
    return Voice()


def spoken(voice: Voice, text: str, name: str = "Kore") -> np.ndarray:
    """A sentence at 16 kHz with a third of a second of silence around it."""
    resampler = Resampler(24_000, RATE)
    pcm = resampler.push(voice.speak(text, voice=name)) + resampler.flush()
    return np.pad(np.frombuffer(pcm, dtype="<i2").astype(np.float64), RATE // 3)


def pcm(sound: np.ndarray) -> bytes:
    return np.clip(sound, -32768, 32767).astype("<i2").tobytes()


def noisy(sound: np.ndarray, decibels: float) -> np.ndarray:
    speech = sound[np.abs(sound) > 0]
    noise = np.random.default_rng(3).standard_normal(len(sound))
    return sound + noise * np.sqrt(np.mean(speech**2)) * 10 ** (-decibels / 20)


@pytest.mark.parametrize("name", VOICES)
def test_requests_are_understood(hearing: Hearing, voice: Voice, name: str) -> None:
    missed = [text for text in REQUESTS if hearing.understand(pcm(spoken(voice, text, name))) != plain(text)]
    assert len(missed) <= 1, missed


@pytest.mark.parametrize(("decibels", "allowed"), [(20, 1), (15, 3)])
def test_requests_are_understood_over_noise(hearing: Hearing, voice: Voice, decibels: float, allowed: int) -> None:
    missed = [
        text for text in REQUESTS[::2] if hearing.understand(pcm(noisy(spoken(voice, text), decibels))) != plain(text)
    ]
    assert len(missed) <= allowed, missed


def test_other_talk_is_not_taken_for_a_request(hearing: Hearing, voice: Voice) -> None:
    taken = [found for text in ELSEWHERE if (found := hearing.understand(pcm(spoken(voice, text))))]
    assert len(taken) <= 1, taken


@pytest.mark.parametrize("level", [2, 30, 1000, 8000])
def test_noise_is_not_taken_for_a_request_with_a_place(hearing: Hearing, level: float) -> None:
    hiss = np.random.default_rng(4).standard_normal(2 * RATE) * level
    assert len(hearing.understand(pcm(hiss)).split()) <= 2


def test_a_tone_and_a_cough_are_not_understood(hearing: Hearing) -> None:
    at = np.arange(2 * RATE) / RATE
    assert hearing.understand(pcm(8000 * np.sin(2 * np.pi * 440 * at))) == ""
    cough = np.random.default_rng(5).standard_normal(len(at)) * 9000 * np.exp(-(((at - 1) / 0.08) ** 2))
    assert hearing.understand(pcm(cough)) == ""


@pytest.mark.parametrize("sound", [b"", b"\0", bytes(2), bytes(101), bytes(32_000), b"\xff\x7f" * 5])
def test_next_to_nothing_is_not_understood(hearing: Hearing, sound: bytes) -> None:
    assert hearing.understand(sound) == ""


@pytest.mark.parametrize(
    ("gain", "before", "after"),
    [(0.18, 0.0, 0.0), (1.0, 6.0, 8.0), (6.0, 0.3, 0.3)],
    ids=["quiet", "padded", "clipped"],
)
def test_level_and_silence_do_not_matter(
    hearing: Hearing, voice: Voice, gain: float, before: float, after: float
) -> None:
    sound = np.pad(spoken(voice, REQUESTS[0]) * gain, (int(before * RATE), int(after * RATE)))
    assert hearing.understand(pcm(sound)) == plain(REQUESTS[0])


def test_what_was_heard_before_does_not_matter(hearing: Hearing, voice: Voice) -> None:
    sound = pcm(noisy(spoken(voice, REQUESTS[2]), 15))
    first = hearing.understand(sound)
    hearing.understand(pcm(np.random.default_rng(6).standard_normal(3 * RATE) * 3000))
    assert hearing.understand(sound) == first == Hearing().understand(sound)


def test_an_utterance_is_understood_while_it_arrives(hearing: Hearing, voice: Voice) -> None:
    sound = pcm(spoken(voice, REQUESTS[1]))
    listener = hearing.listen()
    for start in range(0, len(sound), 641):  # pieces that split samples
        listener.push(sound[start : start + 641])
    assert listener.text() == plain(REQUESTS[1])
    assert listener.text() == plain(REQUESTS[1])


def test_two_are_heard_at_once(hearing: Hearing, voice: Voice) -> None:
    sounds = [pcm(spoken(voice, text)) for text in REQUESTS[:2]]
    first, second = hearing.listen(), hearing.listen()
    for start in range(0, max(map(len, sounds)), 6400):
        first.push(sounds[0][start : start + 6400])
        second.push(sounds[1][start : start + 6400])
    assert [first.text(), second.text()] == [hearing.understand(sound) for sound in sounds]


def test_threads_share_one_hearing(hearing: Hearing, voice: Voice) -> None:
    found: dict[str, str] = {}

    def listen(text: str) -> None:
        found[text] = hearing.understand(pcm(spoken(voice, text)))

    threads = [threading.Thread(target=listen, args=(text,)) for text in REQUESTS[:3]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {text: hearing.understand(pcm(spoken(voice, text))) for text in REQUESTS[:3]}


def test_nothing_beyond_the_longest_utterance_is_listened_to(hearing: Hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", RATE)
    listener = hearing.listen()
    for _ in range(4):
        listener.push(bytes(RATE))
    assert listener._heard == RATE
    assert listener.text() == ""


def test_every_word_of_the_grammar_can_be_said(hearing: Hearing) -> None:
    decoder = hearing._idle[0]
    assert [word for word in grammar.words() if decoder.lookup_word(word) is None] == []
