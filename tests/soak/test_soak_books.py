"""Every promise can be seen to be broken: one planted fault each, and the books find it and nothing else."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from actors.emulator.connection import Observed
from pipeline.events import ActorRestarted, Dropped, SessionResumed, ToolDebt, ToolEnded, Transcript, TurnEnded
from pipeline.messages import ReplyAudio, ReplyEnded, Voiced

FOUND = {"summary": "it is noon"}
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
    assert "20 ms of a.wav (1) never arrived, and 0 ms of that were reported" in one.findings.kept[0].what
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


@pytest.mark.parametrize(
    ("steps", "doubled"),
    [
        ("call reply", 0),
        ("call reply answer", 0),
        ("call reply answer reply", 1),
        ("call answer reply", 1),
        ("reply call answer", 1),
        ("call answer end", 0),
        ("unseen reply", 0),
        ("reply unseen", 1),
        ("call reply answer relink reply", 0),
    ],
)
def test_what_a_tool_still_owes_a_part_of_may_be_said_again_until_it_is_answered_whole(
    told: Telling, steps: str, doubled: int
) -> None:
    one, link = told(), 1
    one.speak()
    one.arrive()
    for number, step in enumerate(steps.split()):
        if step == "call":
            one.call()
        elif step == "unseen":
            one.sent({"toolCall": {"functionCalls": [{"id": "2", "name": "f"}]}})
        elif step == "answer":
            one.answered()
            one.event(ToolEnded("1", "f", 1.0, "ok", FOUND))
            one.event(ToolDebt("1", "f", "written"))
        elif step == "relink":
            link = 2
            one.event(ToolDebt("1", "f", "delivered"))
        elif step == "end":
            one.sent({"serverContent": {"turnComplete": True}}, link)
            one.books.replied(ReplyEnded(1, "completed"))
            one.event(TurnEnded(1, 0.0, "completed"))
        else:
            one.reply(REPLY[number:] + REPLY[:number], connection=link)
    one.event(ToolDebt("1", "f", "void"))
    one.arrive(connection=link + 1)
    assert one.broken().get("utterances doubled", 0) == doubled


def test_words_left_out_and_words_never_sent_are_found(told: Telling) -> None:
    one = told()
    for text in ("a", "b", "c"):
        one.sent({"serverContent": {"inputTranscription": {"text": text}}})
    one.event(Transcript("user", "c", final=False))
    one.event(Transcript("user", "d", final=False))
    assert one.broken() == {"words": 2}


def test_words_that_a_cut_swallowed_are_no_fault(told: Telling) -> None:
    for troubled, broken in ((True, {}), (False, {"words": 1})):
        one = told()
        one.books.troubled = lambda _since, troubled=troubled: troubled
        one.sent({"serverContent": {"inputTranscription": {"text": "a"}}}, connection=1)
        one.sent({"serverContent": {"inputTranscription": {"text": "b"}}}, connection=2)
        one.event(Transcript("user", "b", final=False))
        assert one.broken() == broken


def test_words_that_our_end_never_told_of_are_found_at_the_end(told: Telling) -> None:
    for connection, troubled, broken in ((1, True, {}), (1, False, {"words": 1}), (2, True, {"words": 1})):
        one = told()
        one.books.troubled = lambda _since, troubled=troubled: troubled
        one.sent({"serverContent": {"inputTranscription": {"text": "a"}}}, connection)
        one.far.connections = 2
        assert one.broken() == broken


def test_what_is_final_has_to_be_what_was_said(told: Telling) -> None:
    for final, broken in (("a b", {}), ("b", {}), ("a c", {"words": 1})):
        one = told()
        for text in ("a", " b"):
            one.sent({"serverContent": {"inputTranscription": {"text": text}}})
            one.event(Transcript("user", text, final=False))
        one.event(Transcript("user", final, final=True))
        assert one.broken() == broken


def test_a_reply_in_other_words_is_found(told: Telling) -> None:
    for ours, outcome, broken in (
        (" it is noon", "completed", {}),
        (" it is late", "completed", {"words": 1}),
        (" it is", "completed", {"words": 1}),
        ("", "completed", {"words": 1}),
        (" it is", "interrupted", {}),
        (" is it", "interrupted", {"words": 1}),
    ):
        one = told()
        one.speak()
        one.arrive()
        one.reply(REPLY, outcome=outcome, words=(" it is noon", ours))
        assert one.broken() == broken, ours


@pytest.mark.parametrize("name", ["", "utterances doubled", "words", "deaf", "mute", "reply sound", "tool debts"])
def test_a_promise_of_which_nothing_was_checked_is_not_kept(told: Telling, name: str) -> None:
    one = told()
    one.speak()
    one.arrive()
    one.call()
    one.answered()
    one.event(ToolEnded("1", "f", 1.0, "ok", FOUND))
    one.event(ToolDebt("1", "f", "delivered"))
    one.reply(REPLY)
    for judged_elsewhere in ("deaf", "mute"):
        one.findings.check(judged_elsewhere, held=True)
    assert one.broken() == {}
    one.findings.checks[name] = 0
    one.books.untested(10.0)
    assert dict(one.findings.failures) == ({name: 1} if name else {})


@pytest.mark.parametrize(("edge", "ms", "broken"), [("speech", 40.0, 0), ("speech", 20.0, 1), ("reply", 400.0, 2)])
def test_what_was_reported_excuses_as_much_and_once(told: Telling, edge: str, ms: float, broken: int) -> None:
    one = told()
    again = one.script.speak(one.placed.utterance)
    one.speak()
    for number in range(one.placed.end + 10, again.end + 10):
        one.books.uttered(Voiced(one.script.take(number), number / 50, number * 320))
    one.event(Dropped(edge, 1, ms))
    for number in range(again.end):
        if number not in (20, again.start + 10):
            one.far.observe(Observed(1, "audio", pcm=one.script.block(number), rate=16000))
    assert one.broken() == ({"utterances lost": broken} if broken else {})


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


@pytest.mark.parametrize(("said", "broken"), [("It is noon.", {}), (" It is noon.", {}), ("It was.", {"words": 1})])
def test_what_was_sent_as_one_turn_may_be_played_as_two(told: Telling, said: str, broken: dict[str, int]) -> None:
    one = told()
    for pcm, words in ((REPLY, "Hello."), (REPLY[::-1], said)):
        inline = {"inlineData": {"data": base64.b64encode(pcm).decode()}}
        one.sent({"serverContent": {"modelTurn": {"parts": [inline]}, "outputTranscription": {"text": words}}})
    one.sent({"serverContent": {"turnComplete": True}})
    one.play(REPLY, told="Hello.")
    one.play(REPLY[::-1], told="It is noon.")
    assert one.broken() == broken


def test_a_reply_may_begin_in_the_block_in_which_another_was_cut_and_loses_nothing_by_it(told: Telling) -> None:
    other = REPLY[::-1]
    for lost, broken in ((0, {}), (2, {"reply sound": 1})):
        one = told()
        one.reply(REPLY, REPLY[:3000] + other[:22], "interrupted")
        one.reply(other, other[22 + lost :])
        assert one.broken() == broken


def test_a_reply_may_begin_in_the_last_block_of_one_that_lost_its_speaker(
    told: Telling,
) -> None:
    other = REPLY[::-1]
    for lost, broken in ((0, {}), (2, {"reply sound": 1})):
        one = told()
        one.books.heard.broken = True
        one.reply(REPLY, REPLY[2000:] + other[:22])
        one.reply(other, other[22 + lost :])
        assert one.broken() == broken


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
    one.call()
    one.answered()
    one.event(ToolEnded("1", "f", 1.0, "ok", FOUND))
    one.event(ToolDebt("1", "f", "written"))
    one.event(ToolDebt("1", "f", "delivered"))
    assert one.broken() == {}
    one.call("2")
    assert one.broken() == {"tool debts": 2}


def test_an_answer_that_was_told_again_on_the_next_link_is_no_fault_and_one_on_the_same_is(told: Telling) -> None:
    for links, broken in (((1, 2), {}), ((1, 1), {"tool debts": 1})):
        one = told()
        one.call()
        for link in links:
            one.answered(connection=link)
        one.event(ToolEnded("1", "f", 1.0, "ok", FOUND))
        one.event(ToolDebt("1", "f", "delivered"))
        assert one.broken() == broken


def test_an_answer_that_never_arrives_or_arrives_otherwise_is_found(told: Telling) -> None:
    for state in ("written", "delivered"):
        one = told()
        one.call()
        one.event(ToolEnded("1", "f", 1.0, "ok", FOUND))
        one.event(ToolDebt("1", "f", state))
        assert one.broken() == {"tool debts": 1}
    for response in ({}, {"summary": "it is late"}):
        one = told()
        one.call()
        one.answered(response=response)
        one.event(ToolEnded("1", "f", 1.0, "ok", FOUND))
        one.event(ToolDebt("1", "f", "delivered"))
        assert one.broken() == {"tool debts": 1}


def test_an_answer_that_nobody_asked_for_and_a_call_that_nobody_took_are_found(told: Telling) -> None:
    one = told()
    one.answered("9")
    assert one.broken() == {"tool debts": 1}
    for troubled, broken in ((True, {}), (False, {"tool debts": 1})):
        one = told()
        one.books.debts.troubled = lambda _since, troubled=troubled: troubled
        one.sent({"toolCall": {"functionCalls": [{"id": "1", "name": "f"}]}})
        assert one.broken() == broken


def test_a_void_call_is_owed_nothing_even_where_its_answer_comes_late(told: Telling) -> None:
    one = told()
    one.call()
    one.event(ToolDebt("1", "f", "void", "the session that asked is gone"))
    one.event(ToolEnded("1", "f", 1.0, "void"))
    one.answered()
    assert one.broken() == {}


def test_a_crash_that_nobody_planted_is_found(told: Telling) -> None:
    one = told()
    one.event(ActorRestarted("vad", 1, "Planted: a crash planted in vad", "near.py:1"))
    one.event(ActorRestarted("vad", 0))
    assert one.broken() == {}
    one.event(ActorRestarted("vad", 1, "KeyError: 1", "vad.py:9"))
    assert one.broken() == {"run": 1}
