"""Every promise can be seen to be broken: one planted fault each, and the books find it and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np

from actors.emulator.connection import Observed
from pipeline.events import ActorRestarted, SessionResumed, ToolDebt, ToolEnded, ToolStarted, Transcript, TurnEnded
from pipeline.messages import ReplyAudio

REPLY = np.arange(1, 4801, dtype="<i2").tobytes()
Telling = Callable[[], Any]


def test_a_good_conversation_breaks_nothing(told: Telling) -> None:
    one = told()
    one.speak()
    one.arrive()
    one.sent({"serverContent": {"inputTranscription": {"text": "a"}}})
    one.event(Transcript("user", "a", final=False))
    one.reply(REPLY)
    assert one.broken() == {}
    assert {"utterances lost", "utterances doubled", "words", "reply sound", "turn endings"} <= set(one.findings.checks)


def test_a_block_that_never_arrives_is_lost_unless_it_was_reported(told: Telling) -> None:
    one = told()
    one.speak()
    one.arrive(without=20)
    assert one.broken() == {"utterances lost": 1}
    assert "20 ms of a.wav (1) never arrived, and 0 ms were reported" in one.findings.kept[0].what
    one = told()
    one.speak()
    one.arrive(without=20)
    one.event(SessionResumed(attempt=1, gap_ms=1.0, replayed_ms=0.0, lost_ms=20.0))
    assert one.broken() == {}


def test_a_changed_sample_is_found(told: Telling) -> None:
    one = told()
    one.speak()
    one.arrive()
    pcm = bytearray(one.script.block(25))
    pcm[400] ^= 4
    one.far.observe(Observed(1, "audio", pcm=bytes(pcm), rate=16000))
    assert one.broken() == {"utterances lost": 1}


def test_blocks_twice_on_one_link_are_doubled_and_a_replay_on_another_is_not(told: Telling) -> None:
    one = told()
    one.speak()
    one.arrive(upto=20)
    one.arrive(connection=2)
    assert one.broken() == {}
    one.arrive(connection=2, upto=11)
    assert one.broken() == {"utterances doubled": 1}


def test_what_was_answered_must_not_be_said_again(told: Telling) -> None:
    one = told()
    one.speak()
    one.arrive()
    one.reply(REPLY)
    one.arrive(connection=2)
    assert one.broken() == {"utterances doubled": 1}


def test_words_left_out_and_words_never_sent_are_found(told: Telling) -> None:
    one = told()
    for text in ("a", "b", "c"):
        one.sent({"serverContent": {"inputTranscription": {"text": text}}})
    one.event(Transcript("user", "c", final=False))
    one.event(Transcript("user", "d", final=False))
    assert one.broken() == {"words": 2}


def test_words_that_a_cut_swallowed_are_no_fault(told: Telling) -> None:
    one = told()
    one.sent({"serverContent": {"inputTranscription": {"text": "a"}}}, connection=1)
    one.sent({"serverContent": {"inputTranscription": {"text": "b"}}}, connection=2)
    one.event(Transcript("user", "b", final=False))
    assert one.broken() == {}


def test_a_reply_that_sounds_otherwise_is_found(told: Telling) -> None:
    for heard in (REPLY[:-2], REPLY + b"\1\0", b"\7\0" + REPLY[2:]):
        one = told()
        one.reply(REPLY, heard)
        assert one.broken() == {"reply sound": 1}


def test_silence_within_a_reply_is_a_lag_and_no_fault(told: Telling) -> None:
    one = told()
    one.reply(REPLY, REPLY[:1000] + bytes(480) + REPLY[1000:])
    assert one.broken() == {}


def test_an_interrupted_reply_is_a_beginning_of_what_was_sent(told: Telling) -> None:
    one = told()
    one.reply(REPLY, REPLY[:3000], "interrupted")
    assert one.broken() == {}
    one = told()
    one.reply(REPLY, REPLY[2000:6000], "interrupted")
    assert one.broken() == {"reply sound": 1}


def test_a_turn_without_an_end_and_one_with_two_are_found(told: Telling) -> None:
    one = told()
    one.books.replied(ReplyAudio(1, REPLY, 0.0))
    assert one.broken() == {"turn endings": 1}
    one = told()
    one.reply(REPLY)
    one.event(TurnEnded(1, 0.0, "completed"))
    assert one.broken() == {"turn endings": 1}


def test_calls_are_settled_once_and_their_answers_arrive(told: Telling) -> None:
    one = told()
    one.event(ToolStarted("1", "f", {}))
    one.event(ToolDebt("1", "f", "owed"))
    one.event(ToolEnded("1", "f", 1.0, "ok"))
    one.event(ToolDebt("1", "f", "delivered"))
    assert one.broken() == {}
    one.event(ToolStarted("2", "f", {}))
    one.event(ToolDebt("2", "f", "owed"))
    assert one.broken() == {"tool debts": 2}


def test_a_crash_that_nobody_planted_is_found(told: Telling) -> None:
    one = told()
    one.event(ActorRestarted("vad", 1, "Planted: a crash planted in vad", "near.py:1"))
    one.event(ActorRestarted("vad", 0))
    assert one.broken() == {}
    one.event(ActorRestarted("vad", 1, "KeyError: 1", "vad.py:9"))
    assert one.broken() == {"run": 1}
