"""What one conversation knows: who said what, which calls are open, what it has cost. Without clock, socket or await.

A session outlives its connections: a `Snapshot` of it, kept under a handle, is what a later connection goes on from.
"""

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import attrs

from actors.emulator.mind import Call, Exchange
from actors.emulator.terms import Compression

AUDIO_TOKENS = 25
"""Tokens per second of sound, in and out (live-protocol 5.1, 5.2)."""

_CHARACTERS_PER_TOKEN = 4


@attrs.frozen
class Cost:
    """Tokens by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.text + other.text, self.audio + other.audio, self.image + other.image)

    def details(self) -> list[dict[str, object]]:
        """The modalities that cost anything, as usageMetadata lists them."""
        parts = (("TEXT", self.text), ("AUDIO", self.audio), ("IMAGE", self.image))
        return [{"modality": name, "tokenCount": count} for name, count in parts if count]


NOTHING = Cost()
"""What silence costs."""


def text_cost(text: str) -> Cost:
    """Tells what a text costs."""
    return Cost(text=math.ceil(len(text) / _CHARACTERS_PER_TOKEN))


def audio_cost(seconds: float) -> Cost:
    """Tells what so much sound costs."""
    return Cost(audio=math.ceil(round(seconds * AUDIO_TOKENS, 6)))


@attrs.frozen
class Entry:
    """One thing said, and what it costs to remember it."""

    exchange: Exchange
    cost: Cost


@attrs.frozen
class OpenCall:
    """A function call the client has not answered for good; `turn` is the turn that made it."""

    id: str
    call: Call
    blocking: bool
    turn: int

    def as_json(self) -> Mapping[str, object]:
        """The call as toolCall carries it."""
        return {"id": self.id, "name": self.call.name, "args": dict(self.call.args)}


@attrs.frozen
class Snapshot:
    """A session as it stood between two turns, of which there had been so many."""

    session: str
    model: str
    entries: tuple[Entry, ...] = ()
    turns: int = 0


@attrs.define
class Session:
    """The memory of a conversation. `instruction` is what every turn pays for besides the entries."""

    id: str
    model: str
    instruction: str = ""
    compression: Compression | None = None
    turns: int = 0
    _entries: list[Entry] = attrs.field(factory=list, alias="entries")
    _calls: dict[str, OpenCall] = attrs.field(factory=dict, init=False)

    @classmethod
    def new(cls, model: str) -> "Session":
        """Starts a session nobody has heard of."""
        return cls(secrets.token_hex(8), model)

    @classmethod
    def restored(cls, snapshot: Snapshot) -> "Session":
        """Goes on from a snapshot: its calls are forgotten, for whoever would answer them is gone."""
        return cls(
            snapshot.session,
            snapshot.model,
            turns=snapshot.turns,
            entries=list(snapshot.entries),
        )

    def snapshot(self) -> Snapshot:
        """Keeps what is complete."""
        return Snapshot(self.id, self.model, tuple(self._entries), self.turns)

    @property
    def context(self) -> list[Exchange]:
        """Everything remembered in words, oldest first."""
        return [entry.exchange for entry in self._entries if entry.exchange.text]

    @property
    def cost(self) -> Cost:
        """What the context costs as a prompt."""
        return sum((entry.cost for entry in self._entries), text_cost(self.instruction))

    def remember(self, who: Literal["user", "model"], text: str, cost: Cost) -> None:
        """Adds what was said; nothing said and nothing paid leaves no trace."""
        if text or cost.total:
            self._entries.append(Entry(Exchange(who, text), cost))

    @property
    def unanswered(self) -> bool:
        """Whether the last word is the user's."""
        context = self.context
        return bool(context) and context[-1].who == "user"

    def take_unanswered(self) -> tuple[str, Cost]:
        """Takes what the user said since the model last spoke out of the context, to be asked again; with its cost."""
        taken: list[Entry] = []
        while self._entries and self._entries[-1].exchange.who == "user":
            taken.insert(0, self._entries.pop())
        words = " ".join(entry.exchange.text for entry in taken if entry.exchange.text)
        return words, sum((entry.cost for entry in taken), NOTHING)

    def compress(self) -> int:
        """Drops the oldest entries down to the target once the context has passed the trigger; tells how many."""
        if self.compression is None or self.cost.total <= self.compression.trigger:
            return 0
        kept = self.cost.total
        dropped = 0
        while dropped < len(self._entries) - 1 and kept > self.compression.target:
            kept -= self._entries[dropped].cost.total
            dropped += 1
        del self._entries[:dropped]
        return dropped

    def open(self, calls: Sequence[tuple[Call, bool]]) -> list[OpenCall]:
        """Opens calls of the present turn, each with whether it blocks, under ids never used before."""
        opened = [
            OpenCall(f"function-call-{secrets.randbits(63)}", call, blocking, self.turns) for call, blocking in calls
        ]
        self._calls |= {call.id: call for call in opened}
        return opened

    def find(self, id_: str) -> OpenCall | None:
        """Gives the open call of that id; None if there is none, or none any more."""
        return self._calls.get(id_)

    def close(self, id_: str) -> None:
        """Takes a call as answered for good."""
        self._calls.pop(id_, None)

    def cancel_turn(self) -> list[str]:
        """Closes the calls that the present turn made; gives their ids."""
        ids = [call.id for call in self._calls.values() if call.turn == self.turns]
        for id_ in ids:
            del self._calls[id_]
        return ids

    @property
    def has_open_calls(self) -> bool:
        """Whether the client owes an answer."""
        return bool(self._calls)


def usage(prompt: Cost, response: Cost, thoughts: int = 0) -> Mapping[str, object]:
    """Gives the usageMetadata of a turn."""
    found: dict[str, object] = {
        "promptTokenCount": prompt.total,
        "responseTokenCount": response.total,
        "totalTokenCount": prompt.total + response.total + thoughts,
        "promptTokensDetails": prompt.details(),
        "responseTokensDetails": response.details(),
    }
    return found | ({"thoughtsTokenCount": thoughts} if thoughts else {})


def fragments(text: str, words: int = 3) -> Iterator[str]:
    """Cuts a transcript the way it arrives: some words at a time, the space in front of each but the first."""
    found = text.split()
    for start in range(0, len(found), words):
        piece = " ".join(found[start : start + words])
        yield piece if start == 0 else " " + piece
