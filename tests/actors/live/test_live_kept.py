"""The log of what the user said: replayed from the first unanswered word, once, in order, to the sample."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.live.kept import ONSET, Item, Kept
from pipeline.messages import Say, SpeechEnded, SpeechStarted, StreamEnded, Voiced

BLOCK = 0.02
SAMPLES = 320
BEFORE = round(ONSET / BLOCK)  # blocks before a mark that may be speech, too


class Talker:
    """Makes what a gate lets through, on one clock."""

    def __init__(self) -> None:
        self.position = 0

    def voiced(self) -> Voiced:
        pcm = self.position.to_bytes(4, "little") * (SAMPLES // 2)
        block = Voiced(pcm, self.position / 16_000, self.position)
        self.position += SAMPLES
        return block

    def started(self, onset: int = 0) -> SpeechStarted:
        """The mark; the last `onset` blocks before it were speech already."""
        return SpeechStarted(self.position / 16_000 - onset * BLOCK, self.position)

    def ended(self) -> SpeechEnded:
        return SpeechEnded(self.position / 16_000, self.position)

    def utterance(self, blocks: int) -> list[Item]:
        return [self.started(), *(self.voiced() for _ in range(blocks)), self.ended()]


def drain(kept: Kept) -> list[Item]:
    sent = []
    while (item := kept.next()) is not None:
        sent.append(item)
        kept.advance(item)
    return sent


def keep(kept: Kept, items: list[Any]) -> list[Any]:
    for item in items:
        kept.keep(item)
    return items


def test_what_is_unanswered_is_sent_again_once_and_in_order() -> None:
    kept, talker = Kept(), Talker()
    said = keep(kept, talker.utterance(5))
    assert drain(kept) == said
    assert kept.next() is None
    assert kept.rewind() == pytest.approx(5 * BLOCK * 1000)
    said += keep(kept, [Say("and this")])
    assert drain(kept) == said
    assert kept.next() is None


def test_an_answer_lets_go_of_what_was_sent_before_it_began() -> None:
    kept, talker = Kept(), Talker()
    keep(kept, talker.utterance(5))
    drain(kept)
    kept.answer_begins()
    later = keep(kept, [Say("more")])
    drain(kept)
    kept.settle()
    assert kept.rewind() == 0
    assert drain(kept) == later


def test_an_answer_that_is_not_whole_lets_go_of_nothing() -> None:
    kept, talker = Kept(), Talker()
    said = keep(kept, talker.utterance(5))
    drain(kept)
    kept.answer_begins()
    kept.rewind()
    assert drain(kept) == said


def test_an_utterance_in_progress_is_kept_from_its_start() -> None:
    kept, talker = Kept(), Talker()
    keep(kept, talker.utterance(3))
    said = keep(kept, [*(talker.voiced() for _ in range(4)), talker.started(), talker.voiced()])
    drain(kept)
    kept.answer_begins()
    kept.settle()
    said += keep(kept, [talker.voiced(), talker.ended()])
    kept.rewind()
    assert drain(kept) == said


def test_an_utterance_of_which_only_a_part_was_sent_again_is_kept_whole() -> None:
    kept, talker = Kept(), Talker()
    said = keep(kept, talker.utterance(8))
    drain(kept)
    kept.rewind()
    for item in said[:4]:
        kept.advance(item)
    kept.answer_begins()  # to something else: this was not heard whole yet
    kept.settle()
    kept.rewind()
    assert drain(kept) == said


@pytest.mark.parametrize("sent", range(9))
def test_blocks_that_went_through_an_open_gate_before_the_mark_belong_to_the_utterance(sent: int) -> None:
    kept, talker = Kept(), Talker()
    before = keep(kept, [*talker.utterance(2), *(talker.voiced() for _ in range(20))])
    onset = [talker.voiced(), talker.voiced()]
    said = keep(kept, [*onset, talker.started(onset=2), talker.voiced(), talker.voiced()])
    for item in [*before, *said][: len(before) + min(sent, len(said))]:
        kept.advance(item)
    kept.answer_begins()
    kept.settle()
    kept.rewind()
    assert drain(kept) == [*before[-BEFORE:], *said]


@pytest.mark.parametrize("later", range(BEFORE + 1))
def test_what_an_open_gate_let_through_before_an_answer_may_be_marked_as_speech_after_it(later: int) -> None:
    kept, talker = Kept(), Talker()
    keep(kept, [*talker.utterance(2), *(talker.voiced() for _ in range(20))])
    onset = keep(kept, [talker.voiced() for _ in range(BEFORE - later)])
    drain(kept)
    kept.answer_begins()
    said = [*onset, *keep(kept, [*(talker.voiced() for _ in range(later)), talker.started(), talker.voiced()])]
    drain(kept)
    kept.settle()
    kept.rewind()
    assert drain(kept) == said


def test_silence_after_an_answered_utterance_is_not_sent_again() -> None:
    kept, talker = Kept(), Talker()
    keep(kept, talker.utterance(2))
    drain(kept)
    kept.answer_begins()
    keep(kept, [talker.voiced(), talker.voiced(), StreamEnded()])
    kept.settle()
    assert kept.rewind() == 0
    assert drain(kept) == []


def test_without_a_gate_everything_unanswered_is_sent_again() -> None:
    kept, talker = Kept(), Talker()
    said = keep(kept, [talker.voiced(), talker.voiced()])
    drain(kept)
    kept.rewind()
    assert drain(kept) == said


def test_beyond_the_limit_the_oldest_audio_goes_and_is_counted() -> None:
    kept, talker = Kept(limit=5 * BLOCK), Talker()
    said = keep(kept, [Say("first"), *talker.utterance(8)])
    assert kept.lost_ms == pytest.approx(3 * BLOCK * 1000)
    assert kept.seconds == pytest.approx(5 * BLOCK)
    kept.rewind()
    assert drain(kept) == [
        *said[:2],
        *said[5:],
    ]  # the text and the mark stay, or the rest could not be told from silence


def test_an_utterance_of_which_nothing_is_left_leaves_no_marks() -> None:
    kept, talker = Kept(limit=2 * BLOCK), Talker()
    keep(kept, talker.utterance(2))
    last = keep(kept, talker.utterance(2))
    assert drain(kept) == last


def test_what_is_lost_of_what_was_answered_is_no_loss() -> None:
    kept, talker = Kept(limit=2 * BLOCK), Talker()
    keep(kept, talker.utterance(4))
    drain(kept)
    kept.answer_begins()
    kept.settle()
    assert kept.lost_ms == 0


def test_an_item_that_was_let_go_while_it_was_written_moves_nothing() -> None:
    kept, talker = Kept(limit=2 * BLOCK), Talker()
    keep(kept, [talker.voiced(), talker.voiced()])
    on_the_wire = kept.next()
    assert on_the_wire is not None
    rest = keep(kept, [talker.voiced(), talker.voiced()])
    kept.advance(on_the_wire)
    assert drain(kept) == rest


def test_audio_that_goes_for_want_of_room_does_not_unsettle_what_was_answered() -> None:
    kept, talker = Kept(limit=2 * BLOCK), Talker()
    keep(kept, [Say("answered")])
    drain(kept)
    kept.answer_begins()
    later = keep(kept, [Say("not yet"), *(talker.voiced() for _ in range(3))])
    kept.settle()
    kept.rewind()
    assert drain(kept) == [later[0], *later[2:]]


class Conversation(RuleBasedStateMachine):
    """A talker, a link that is lost at any time, and a far end that answers at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.talker = Kept(limit=1e9), Talker()
        self.said: list[Any] = []
        self.utterances: list[list[int]] = []  # the places in `said` of what belongs together
        self.answered: set[int] = set()
        self.answering: set[int] = set()
        self.received: list[Any] = []
        self.speaking = False

    def tell(self, item: Item, *, silence: bool = False) -> None:
        if not silence:
            self.utterances[-1].append(len(self.said))
        self.said.append(item)
        self.kept.keep(item)

    @rule(onset=st.integers(0, 3))
    def start(self, onset: int) -> None:
        if self.speaking:
            return
        self.utterances.append([])
        for _ in range(onset):
            self.tell(self.talker.voiced())
        self.tell(self.talker.started(onset))
        self.speaking = True

    @rule(blocks=st.integers(1, 4))
    def go_on(self, blocks: int) -> None:
        for _ in range(blocks):
            self.tell(self.talker.voiced(), silence=not self.speaking)

    @rule()
    def stop(self) -> None:
        if self.speaking:
            self.tell(self.talker.ended())
            self.speaking = False

    @rule()
    def type_a_word(self) -> None:
        if not self.speaking:
            self.utterances.append([])
            self.tell(Say(f"word {len(self.said)}"))

    @rule(count=st.integers(1, 12))
    def send(self, count: int) -> None:
        for _ in range(count):
            item = self.kept.next()
            if item is not None:
                self.received.append(item)
                self.kept.advance(item)

    @rule()
    def answer_begins(self) -> None:
        sent = len(self.said) - len(self.pending())
        open_one = self.utterances[-1] if self.speaking else None
        self.answering = {n for u in self.utterances if u is not open_one and max(u) < sent for n in u}
        self.kept.answer_begins()

    @rule()
    def answer_is_whole(self) -> None:
        self.answered |= self.answering
        self.kept.settle()

    @rule()
    def lose_the_link(self) -> None:
        self.answering = set()
        self.received = []
        self.kept.rewind()
        self.kept.answer_begins()  # of nothing: the cursor stands at the head
        first = len(self.said) - len(self.pending())
        assert first > max(self.answered, default=-1)  # what was answered is not asked again

    def pending(self) -> list[Any]:
        return list(self.kept._items)[self.kept.cursor - self.kept.base :]

    @invariant()
    def everything_unanswered_arrives_once_and_in_order(self) -> None:
        arrives = self.received + self.pending()
        first = len(self.said) - len(arrives)
        assert all(one is other for one, other in zip(arrives, self.said[first:], strict=True))
        unanswered = {n for u in self.utterances for n in u} - self.answered
        assert min(unanswered, default=first) >= first


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_is_answered_goes_once_it_has_arrived_in_either_order() -> None:
    for late in (False, True):
        kept, talker = Kept(confirms=True), Talker()
        keep(kept, talker.utterance(3))
        drain(kept)
        kept.answer_begins()
        steps = [kept.settle, lambda kept=kept: kept.confirm(kept.said, confirms=True)]
        for step in reversed(steps) if late else steps:
            assert kept.seconds > 0
            step()
        assert (kept.seconds, kept.unanswered()) == (0, [])


def test_sound_that_nobody_marks_is_let_go_of_with_its_answer() -> None:
    kept, talker = Kept(confirms=True), Talker()
    keep(kept, [Say("hello")])
    drain(kept)
    kept.confirm(kept.said, confirms=True)
    keep(kept, [talker.voiced() for _ in range(3)])
    drain(kept)
    kept.answer_begins()
    kept.settle()
    assert kept.seconds == 0


def test_words_over_a_new_link_have_to_arrive_and_to_be_answered_again() -> None:
    kept, talker = Kept(confirms=True), Talker()
    said = keep(kept, talker.utterance(3))
    drain(kept)
    kept.answer_begins()
    kept.settle()
    kept.rewind()
    kept.confirm(kept.end, confirms=True)
    assert drain(kept) == said
    kept.confirm(kept.end, confirms=True)
    assert kept.seconds > 0
    kept.answer_begins()
    kept.settle()
    assert kept.seconds == 0


@given(st.lists(st.sampled_from(["block", "start", "end", "say", "send"]), max_size=60))
def test_within_any_bound_text_stays_and_every_lost_sample_is_counted(steps: list[str]) -> None:
    kept, talker = Kept(limit=4 * BLOCK), Talker()
    said: list[Any] = []
    for step in steps:
        made: dict[str, Any] = {"block": talker.voiced, "start": talker.started, "end": talker.ended}
        if step in made or step == "say":
            said += keep(kept, [made[step]() if step in made else Say(str(len(said)))])
        elif step == "send" and (item := kept.next()):
            kept.advance(item)
    kept.cursor = kept.base
    left = drain(kept)
    assert [item for item in said if any(item is one for one in left)] == left
    assert [item for item in left if isinstance(item, Say)] == [item for item in said if isinstance(item, Say)]
    assert kept.seconds <= kept.limit + 1e-9
    lost = sum(isinstance(item, Voiced) for item in said) - sum(isinstance(item, Voiced) for item in left)
    assert kept.lost_ms == pytest.approx(lost * BLOCK * 1000)
    assert 0 <= kept.cursor - kept.base <= kept.end - kept.base
