"""What one conversation knows: who said what, which calls are open, what it has cost. Without clock, socket or await.

A session outlives its connections: a `Snapshot` of it, kept under a handle, is what a later connection goes on from.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import attrs

from actors.emulator.costs import NOTHING, Cost, text_cost
from actors.emulator.mind import Call, Exchange
from actors.emulator.terms import Compression

MOST_CALLS = 1000
"""Calls that a session keeps open; beyond that the oldest are given up."""

_ENTRY_BYTES = 200


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

    @property
    def weight(self) -> int:
        """About how many bytes it takes to keep this, were nothing of it kept elsewhere."""
        return sum(_ENTRY_BYTES + 4 * len(entry.exchange.text) for entry in self.entries)


@attrs.define
class Session:
    """The memory of a conversation. `instruction` and `tools` are what every turn pays for besides the entries."""

    id: str
    model: str
    instruction: str = ""
    tools: Cost = NOTHING
    compression: Compression | None = None
    turns: int = 0
    _entries: list[Entry] = attrs.field(factory=list, alias="entries")
    _calls: dict[str, OpenCall] = attrs.field(factory=dict, init=False)
    _spent: Cost = attrs.field(default=NOTHING, init=False)

    def __attrs_post_init__(self) -> None:
        self._recount()

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
        return self._spent + text_cost(self.instruction) + self.tools

    def remember(self, who: Literal["user", "model"], text: str, cost: Cost) -> None:
        """Adds what was said; nothing said and nothing paid leaves no trace."""
        if text or cost.total:
            self._entries.append(Entry(Exchange(who, text), cost))
            self._spent += cost

    def _recount(self) -> None:
        self._spent = sum((entry.cost for entry in self._entries), NOTHING)

    @property
    def unanswered(self) -> bool:
        """Whether the last word is the user's."""
        context = self.context
        return bool(context) and context[-1].who == "user"

    def take_unanswered(self) -> tuple[str, Cost]:
        """Takes what the user said since the model last spoke out of the context, to be asked again; with its cost."""
        taken: list[Entry] = []
        while self._entries and self._entries[-1].exchange.who == "user":
            taken.append(self._entries.pop())
        taken.reverse()
        self._recount()
        words = " ".join(entry.exchange.text for entry in taken if entry.exchange.text)
        return words, sum((entry.cost for entry in taken), NOTHING)

    def compress(self) -> int:
        """Drops the oldest turns down to the target once the context has passed the trigger; tells how many entries.

        What is left begins with something the user said, as with the real service; the newest entry always stays.
        """
        if self.compression is None or self.cost.total <= self.compression.trigger:
            return 0
        kept = self.cost.total
        dropped = 0
        while dropped < len(self._entries) - 1 and (
            kept > self.compression.target or self._entries[dropped].exchange.who != "user"
        ):
            kept -= self._entries[dropped].cost.total
            dropped += 1
        del self._entries[:dropped]
        self._recount()
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

    def give_up_calls(self) -> list[str]:
        """Closes the oldest calls beyond what a session keeps open; gives their ids."""
        ids = list(self._calls)[: max(0, len(self._calls) - MOST_CALLS)]
        for id_ in ids:
            del self._calls[id_]
        return ids

    def cancel_all(self) -> list[str]:
        """Closes all open calls; gives their ids."""
        ids = list(self._calls)
        self._calls.clear()
        return ids

    def forget(self) -> None:
        """Loses everything that was said."""
        self._entries.clear()
        self._recount()

    @property
    def has_open_calls(self) -> bool:
        """Whether the client owes an answer."""
        return bool(self._calls)


def fragments(text: str, words: int = 3) -> Iterator[str]:
    """Cuts a transcript the way it arrives: some words at a time, the space in front of each but the first."""
    found = text.split()
    for start in range(0, len(found), words):
        piece = " ".join(found[start : start + words])
        yield piece if start == 0 else " " + piece
