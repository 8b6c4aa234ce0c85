"""How a conversation goes: prompts become turns of the model, and may interrupt them.

Whatever changes the course of things is synchronous and takes effect at once; only the model's turn takes time. It runs
in `run`, one turn after the other, each in a cancel scope of its own, which is what an interruption cancels.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby

import attrs
import trio

from actors.emulator import captions, wire
from actors.emulator.captions import Captions
from actors.emulator.costs import NOTHING, Cost, usage
from actors.emulator.faculties import Faculties
from actors.emulator.mind import Call, Say
from actors.emulator.models import Office, Waiting
from actors.emulator.protojson import INVALID_ARGUMENT, Breach
from actors.emulator.session import OpenCall, Session
from actors.emulator.terms import Offer, Terms
from actors.emulator.turn import Pace, Prompt, Reply, Turn
from actors.emulator.voice import PAUSE, Piece, pieces
from actors.emulator.wire import Json

_EXHAUSTED = "Request contains an invalid argument."
"""How the Live service words that the context is full."""
MOST_SPOKEN = 8000
"""Characters of one thing that the model says; ten minutes of speech."""


@attrs.define(eq=False)
class Conversation:
    """The model's side of one connection.

    `send` takes every message for the client, `keep` gives a new handle for the session as it stands, `close` ends the
    connection, `note` is told what happens. `run` ends by cancellation only; everything else is synchronous.
    """

    terms: Terms
    session: Session
    faculties: Faculties
    pace: Pace
    send: Callable[[Json], None]
    keep: Callable[[], str]
    close: Callable[[int, str], None]
    note: Callable[[str], None]
    direct: Callable[[Prompt], Prompt | None] = lambda prompt: prompt
    """May settle the answer to a prompt beforehand, or have none given."""
    drained: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    """Waits while the client leaves too much unread."""
    offer: Offer = attrs.field(init=False)
    """The tools as they are now; they may change in mid-session."""
    user_speaks: bool = attrs.field(default=False, init=False)
    """The model begins nothing while the user speaks."""
    held: bool = attrs.field(default=False, init=False)
    """The model answers no prompt before the next one: the client has said that more is to come."""
    consumed: int = attrs.field(default=0, init=False)
    """The number of the client's latest message; the setup has 0."""
    captions: Captions | None = attrs.field(init=False)
    """Interim transcripts, for who asks for them."""
    _covered: int = attrs.field(default=0, init=False)
    _turn: Turn | None = attrs.field(default=None, init=False)
    _prompt: Prompt | None = attrs.field(default=None, init=False)
    _replies: deque[Reply] = attrs.field(factory=deque, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _resumable: bool = attrs.field(default=False, init=False)
    _owed: Turn | None = attrs.field(default=None, init=False)
    _goes_on: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.equip(self.terms.offer)
        wanted = self.terms.interim_transcripts and self.terms.input_transcripts is not None
        self.captions = Captions(self._hear, self.send) if wanted else None

    @property
    def idle(self) -> bool:
        """Whether the model has nothing to do."""
        return self._turn is None and self._prompt is None and not self._replies

    def ask(self, prompt: Prompt) -> None:
        """Puts something before the model; it answers as soon as it may."""
        self.held = False
        self._prompt = prompt if self._prompt is None else self._prompt.then(prompt)
        self.wake()

    def equip(self, offer: Offer) -> None:
        """Gives the model these tools in place of the earlier ones."""
        self.offer = offer
        self.session.tools = Cost(text=offer.tokens)

    def weigh(self) -> None:
        """Breach if there is more before the model than fits into its window, even when the oldest is dropped."""
        waiting = sum((reply.cost for reply in self._replies), self._prompt.cost if self._prompt else NOTHING)
        self.session.compress()
        if self.session.cost.total + waiting.total > self.terms.model.window:
            raise Breach(_EXHAUSTED)

    def uncovered(self, message: int) -> None:
        """Takes note that from behind this message of the client's on nothing is in the session yet."""
        if self._prompt is None and not self.user_speaks:
            self._covered = message

    def tell(self, reply: Reply, *, first: bool = False) -> None:
        """Puts a function's answer before the model, for when nobody speaks."""
        if first:
            self._replies.appendleft(reply)
        else:
            self._replies.append(reply)
        self.wake()

    def wake(self) -> None:
        """Lets the model look again whether there is something to do."""
        self._wake.set()

    @property
    def speaks(self) -> bool:
        """Whether the model is in the middle of a turn of which something was sent."""
        return self._turn is not None and self._turn.committed

    def volunteer(self, say: Say) -> None:
        """Has the model say something by itself, as soon as it may."""
        self.ask(Prompt(asked=trio.current_time(), replies=(say,)))

    def call(self, call: Call) -> None:
        """Has a function called at once, which nothing waits for."""
        (opened,) = self.session.open([(call, False)])
        self.send(wire.tool_call([opened.as_json()]))
        if given_up := self.session.give_up_calls():
            self.send(wire.cancellation(given_up))

    def cancel_calls(self) -> None:
        """Takes all open calls back, and ends the turn that waits for one."""
        ids = self.session.cancel_all()
        if ids:
            self.send(wire.cancellation(ids))
        if self._turn is not None and self._turn.waits:
            self.finish()
        else:
            self.settle()

    def finish(self) -> None:
        """Ends the model's turn where it stands, as though it were complete."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.scope.cancel("the turn is over")
            self._conclude(turn)

    def interrupt(self) -> None:
        """Stops the model in mid-turn, if it has one. A turn of which nothing was sent yet is taken up again later."""
        turn = self._turn
        if turn is None:
            return
        self._turn = None
        turn.scope.cancel("the user took the floor")
        if turn.committed:
            self.note("interrupted")
            self.send(wire.content(interrupted=True))
            ids = self.session.cancel_turn()
            if ids:
                self.send(wire.cancellation(ids))
            self._conclude(turn)
        elif isinstance(turn.work, Prompt):
            self._prompt = turn.work if self._prompt is None else turn.work.then(self._prompt)
        else:
            self._replies.appendleft(turn.work)

    def answer_blocking(self, call: OpenCall, response: Mapping[str, object]) -> None:
        """Takes the answer for which the model's turn waits."""
        self.session.close(call.id)
        if self._turn is not None:
            self._turn.take(call.id, response)

    def settle(self) -> None:
        """Says what is owed when the last open call has been answered and nothing is to be said about it.

        That is the end of a turn that only made calls, or that nothing follows any more where it was said to.
        """
        owes = self._owed is not None or self._goes_on
        if owes and self.idle and not self.session.has_open_calls:
            self._complete(None)
        elif self.idle:
            self.offer_handle()

    def offer_handle(self) -> None:
        """Gives the client a handle, unless calls are open or it wants none."""
        if self.terms.resumption and not self.session.has_open_calls:
            self._resumable = True
            covered = self._covered if self.user_speaks or self._prompt is not None else self.consumed
            self.send(wire.resumption(self.keep(), covered if self.terms.transparent else None))

    async def run(self) -> None:
        """Answers prompts and functions' answers, one after the other, for ever."""
        async with trio.open_nursery() as nursery:
            if self.captions is not None:
                nursery.start_soon(self.captions.run)
            await self._take_turns()

    async def _take_turns(self) -> None:
        while True:
            work = self._next()
            if work is None:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            turn = self._begin(work)
            with turn.scope:
                await self._take_turn(turn)

    def _next(self) -> Prompt | Reply | None:
        if self.user_speaks:
            cuts_in = self.terms.model.cuts_in and self._replies and self._replies[0].urgent
            return self._replies.popleft() if cuts_in else None
        if self._prompt is not None and not self.held:
            asked, self._prompt = self._prompt, None
            prompt = self.direct(asked)
            if prompt is not None:
                return prompt
        return self._replies.popleft() if self._replies else None

    def _begin(self, work: Prompt | Reply) -> Turn:
        self.session.turns += 1
        if self.terms.resumption and self._resumable:
            self._resumable = False
            self.send(wire.resumption(None))
        terms = self.terms
        self._turn = Turn(
            work,
            self.pace,
            terms.transcribe_output,
            self.send,
            self._remember_prompt,
            self.drained,
            math.inf if terms.most_tokens is None else terms.most_tokens,
        )
        return self._turn

    def _remember_prompt(self, prompt: Prompt) -> None:
        *earlier, last = prompt.text.split("\n")
        for line in earlier:
            self.session.remember("user", line, NOTHING)
        self.session.remember("user", last, prompt.cost)

    async def _take_turn(self, turn: Turn) -> None:
        if isinstance(turn.work, Reply):
            turn.prompt_cost = self.session.cost
            await turn.think(thinks=False, aloud=False)
            await self._say(turn, self.faculties.mind.answer(turn.work.call.call, turn.work.response))
        else:
            await self._answer(turn, turn.work)
        if turn.called and not turn.seconds and self.session.has_open_calls and not self.terms.model.works_on:
            self._turn = None
            self._owed = turn  # the turn is over when the functions have answered
            return
        turn.ground()
        turn.emit(wire.content(generationComplete=True))
        await turn.heard_out()
        self._turn = None
        self._conclude(turn)

    async def _answer(self, turn: Turn, prompt: Prompt) -> None:
        spoke = bool(prompt.sounds)
        while prompt.sounds:
            prompt = turn.work = await self._understood(turn, prompt)
        heard, cost = prompt.text, prompt.cost
        if not heard and prompt.replies is None:
            heard, earlier = self.session.take_unanswered()
            cost += earlier
        turn.work = attrs.evolve(prompt, text=heard, cost=cost)
        turn.prompt_cost = self.session.cost + cost
        if not heard and not spoke and prompt.replies is None:
            return
        replies = self._replies_to(heard) if prompt.replies is None else prompt.replies
        await turn.think(thinks=self.terms.thinks, aloud=self.terms.thoughts)
        if not replies and spoke and self.terms.proactive:
            turn.reason = "NEED_MORE_INPUT"
            turn.emit(wire.content(waitingForInput=True))
        for calls, group in groupby(replies, lambda reply: isinstance(reply, Call)):
            if calls:
                await self._call(turn, [reply for reply in group if isinstance(reply, Call)])
            else:
                for reply in group:
                    if isinstance(reply, Say):
                        await self._say(turn, reply)

    async def _hear(self, pcm: bytes) -> str:
        return await self.faculties.understand(pcm, self.offer.phrases)

    async def _understood(self, turn: Turn, prompt: Prompt) -> Prompt:
        """Understands the first utterance of a prompt, and writes it down for the client; gives what is left."""
        sound = prompt.sounds[0]
        words = await turn.wait(self._hear(sound.pcm))
        self.note(f"understood {words!r}")
        if self.terms.input_transcripts is not None:
            for message in captions.final(words, self.terms.input_transcripts, sound.span, follows=bool(prompt.text)):
                self.send(message)
        return prompt.understood(words)

    def _replies_to(self, heard: str) -> tuple[Say | Call, ...]:
        if self.terms.model.office is Office.TALK:
            offer = self.offer
            return self.faculties.mind.respond(heard, self.session.context, offer.declared, search=offer.search)
        return (Say(heard),) if heard and self.terms.model.office is Office.TRANSLATE else ()

    async def _say(self, turn: Turn, say: Say) -> None:
        """Speaks a sentence at a time, each made when the client has read enough of those before it."""
        if not turn.full:
            turn.cite(say)
        text = say.text[:MOST_SPOKEN]
        for number, piece in enumerate(pieces(text) or (Piece(text, begins=True),)):
            if turn.full:
                return
            pcm = await turn.wait(self.faculties.speak(piece.text, self.terms.voice)) if piece.text else b""
            await turn.say(piece.text, (PAUSE if number and piece.begins and pcm else b"") + pcm)

    async def _call(self, turn: Turn, calls: Sequence[Call]) -> None:
        """Has the functions run: all at once, or one after the other with a model that knows no other way."""
        if self.terms.model.waiting is Waiting.BLOCKING:
            for call in calls:
                await self._call_together(turn, [call])
        else:
            await self._call_together(turn, calls)

    async def _call_together(self, turn: Turn, calls: Sequence[Call]) -> None:
        if turn.full:
            return
        blocks = {function.name: function.blocking for function in self.offer.declared}
        turn.settle()
        opened = self.session.open([(call, blocks.get(call.name, self.terms.model.blocks)) for call in calls])
        awaited = [call for call in opened if call.blocking]
        turn.called = True
        turn.expect({call.id for call in awaited})
        turn.emit(wire.tool_call([call.as_json() for call in opened]))
        self.note("called " + ", ".join(call.call.name for call in opened))
        if given_up := self.session.give_up_calls():
            self.send(wire.cancellation(given_up))
        if awaited:
            await turn.answered()
            turn.prompt_cost = self.session.cost
            await turn.rest(trio.current_time() + self.pace.first_audio)
        for call in awaited:
            await self._say(turn, self.faculties.mind.answer(call.call, turn.answers[call.id]))

    def _conclude(self, turn: Turn) -> None:
        turn.settle()
        self.session.remember("model", turn.text, turn.cost)
        self._complete(turn)
        self.wake()

    def _complete(self, turn: Turn | None) -> None:
        """Ends a turn on the wire; the handle that follows covers it."""
        turns = [part for part in (self._owed, turn) if part is not None]
        self._owed = None
        fields: dict[str, object] = {"turnComplete": True}
        if turn is not None and turn.reason:
            fields["turnCompleteReason"] = turn.reason
        if self.terms.model.reports_status:
            self._goes_on = bool(self._replies) or (self.terms.model.works_on and self.session.has_open_calls)
            fields["interactionStatus"] = "IN_PROGRESS" if self._goes_on else "IDLE"
        message = dict(wire.content(**fields))
        if turns:
            message["usageMetadata"] = usage(
                turns[-1].prompt_cost,
                sum((part.cost for part in turns), NOTHING),
                sum(part.thoughts for part in turns),
                sum((part.tool_cost for part in turns), NOTHING),
            )
        self.send(message)
        self.note("turn complete")
        self.session.compress()
        if self.session.cost.total > self.terms.model.window:
            self.close(INVALID_ARGUMENT, _EXHAUSTED)
        self.offer_handle()
