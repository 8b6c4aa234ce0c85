"""What the client's messages do to a conversation: one synchronous step each, in the order they came."""

from collections import deque
from collections.abc import Callable

import attrs
import trio

from actors.audio.resample import resample
from actors.emulator import terms, wire
from actors.emulator.conversation import Conversation
from actors.emulator.costs import NOTHING, Cost, audio_cost, text_cost
from actors.emulator.detector import RATE, Ended, Started
from actors.emulator.ears import Ears, Sound
from actors.emulator.protojson import Breach
from actors.emulator.requests import (
    ClientContent,
    ClientMessage,
    Content,
    ContextUpdate,
    FunctionResponse,
    RealtimeInput,
)
from actors.emulator.turn import Prompt, Reply, Utterance
from actors.emulator.vocabulary import Scheduling, TurnCoverage

_MARKS = 1000  # sound messages of which it is known when they ended
_ROLES = {"": "user", "user": "user", "model": "model"}


def _of(spoken: list[bytes]) -> Prompt:
    sounds = tuple(Utterance(pcm) for pcm in spoken)
    return Prompt(sounds=sounds, cost=audio_cost(sum(map(len, spoken)) / 2 / RATE))


@attrs.define(eq=False)
class Intake:
    """Gives a conversation what the client says. `on_sound` and `on_picture` are told of media as they come."""

    conversation: Conversation
    on_sound: Callable[[Sound], None]
    on_picture: Callable[[], None]
    _ears: Ears = attrs.field(init=False)
    _seeding: bool = attrs.field(init=False)
    _pictures: Cost = attrs.field(default=NOTHING, init=False)
    _counted: float = attrs.field(default=0.0, init=False)
    _told: Prompt = attrs.field(factory=Prompt, init=False)
    _heard: deque[tuple[int, float]] = attrs.field(factory=lambda: deque(maxlen=_MARKS), init=False)

    def __attrs_post_init__(self) -> None:
        self._ears = Ears(self.conversation.terms.detection)
        self._seeding = self.conversation.terms.seeding

    def take(self, message: ClientMessage) -> None:
        """Does what the message asks for; Breach where it may not be asked, or not now."""
        if message.setup is not None:
            raise Breach("setup must be the first message and may only be sent once.")
        self.conversation.consumed += 1
        if message.realtime_input is not None:
            self._realtime(message.realtime_input)
            if message.realtime_input.audio is not None:
                return
        if message.client_content is not None:
            self._content(message.client_content)
        if message.tool_response is not None:
            for response in message.tool_response.function_responses:
                self._response(response)
        if message.context_update is not None:
            self._update(message.context_update)
        self.conversation.weigh()

    def _realtime(self, message: RealtimeInput) -> None:
        if message.activity_start is not None:
            self._ears.mark_start()
            self._began(self._ears.seconds)
        for blob in (*([message.audio] if message.audio else []), *message.media_chunks):
            if blob.mime_type.startswith("image/"):
                self._picture()
            else:
                self._sound(Sound.of(blob))
        if message.video is not None:
            if not message.video.mime_type.startswith("image/"):
                raise Breach(
                    "Request contains an invalid argument: video takes single frames of type image/jpeg or png."
                )
            self._picture()
        if message.text is not None:
            self._text(message.text)
        if message.audio_stream_end:
            self._follow(self._ears.pause())
        if message.activity_end is not None:
            ended = self._ears.mark_end()
            self._follow([ended] if ended else [])

    def _sound(self, sound: Sound) -> None:
        self.on_sound(sound)
        events = self._ears.hear(sound)
        self._heard.append((self.conversation.consumed, self._ears.seconds))
        self._follow(events)
        if self.conversation.captions is not None and self.conversation.user_speaks:
            self.conversation.captions.hear(self._ears.so_far, self._ears.seconds)

    def _picture(self) -> None:
        self.on_picture()
        terms = self.conversation.terms
        if terms.coverage is not TurnCoverage.TURN_INCLUDES_ONLY_ACTIVITY or self.conversation.user_speaks:
            self._pictures += Cost(image=terms.picture_tokens)

    def _follow(self, events: list[Started | Ended]) -> None:
        for event in events:
            if isinstance(event, Started):
                self._began(event.at / RATE)
            else:
                self._ended(event)

    def _began(self, at: float) -> None:
        self.conversation.uncovered(max((index for index, end in self._heard if end <= at), default=0))
        self._signal(at, active=True)
        self.conversation.note("speech began")
        self.conversation.user_speaks = True
        if self.conversation.terms.interruptible:
            self.conversation.interrupt()

    def _ended(self, event: Ended) -> None:
        self.conversation.note("speech ended")
        self.conversation.user_speaks = False
        seconds, end = len(event.pcm) / 2 / RATE, event.at / RATE
        self._signal(end, active=False)
        if self.conversation.captions is not None:
            self.conversation.captions.over()
        span = end - seconds, end
        if self.conversation.terms.coverage is TurnCoverage.TURN_INCLUDES_ALL_INPUT:
            seconds, self._counted = self._ears.seconds - self._counted, self._ears.seconds
        self._ask(Prompt(sounds=(Utterance(event.pcm, span),), cost=audio_cost(seconds)))

    def _signal(self, at: float, *, active: bool) -> None:
        if self.conversation.terms.signals:
            for message in wire.voice_activity(active=active, at=at):
                self.conversation.send(message)

    def _ask(self, prompt: Prompt) -> None:
        whole, self._told = self._told.then(prompt), Prompt()
        cost, self._pictures = whole.cost + self._pictures, NOTHING
        self.conversation.ask(attrs.evolve(whole, cost=cost, asked=trio.current_time()))

    def _text(self, text: str) -> None:
        if not text.strip():  # a nudge: the model looks again at what it was told and not asked
            if self.conversation.idle and (self.conversation.session.unanswered or self._told.sounds):
                self._ask(Prompt())
            return
        if self.conversation.terms.interruptible:
            self.conversation.interrupt()
        self._ask(Prompt(text=" ".join(text.split()), cost=text_cost(text)))

    def _content(self, message: ClientContent) -> None:
        if self.conversation.terms.model.seeding_only and not self._seeding:
            raise Breach(
                f"Request contains an invalid argument: {self.conversation.terms.model.name} takes client_content as "
                "initial history only."
            )
        if not self._seeding:
            self.conversation.interrupt()
        spoken = [pcm for pcm in map(self._remember, message.turns) if pcm]
        if self._seeding:
            self._seeding = not message.turn_complete
        elif message.turn_complete:
            self._ask(_of(spoken))
            return
        else:
            self._told = self._told.then(_of(spoken))
            self.conversation.held = True
        self.conversation.settle()

    def _remember(self, content: Content) -> bytes:
        """Makes a turn part of the context; gives its sound, which the model has yet to listen to."""
        who = _ROLES.get(content.role)
        if who is None:
            raise Breach(f"Request contains an invalid argument: role {content.role[:20]!r} is neither user nor model.")
        pcm = b""
        for part in content.parts:
            if part.function_call is not None or part.function_response is not None:
                raise Breach("Request contains an invalid argument: function parts in client_content.")
            if part.inline_data is None:
                continue
            if part.inline_data.mime_type.startswith("image/"):
                self._picture()
            else:
                sound = Sound.of(part.inline_data)
                pcm += resample(sound.pcm, sound.rate, RATE)
        self.conversation.session.remember("model" if who == "model" else "user", content.text, text_cost(content.text))
        return pcm if who == "user" else b""

    def _response(self, response: FunctionResponse) -> None:
        if not response.id:
            raise Breach("Request contains an invalid argument: a function response needs the id of its call.")
        conversation = self.conversation
        call = conversation.session.find(response.id)
        if call is None:
            conversation.note("late response")
            return
        cost = text_cost(str(response.response))
        conversation.session.remember("user", "", cost)
        if call.blocking:
            conversation.answer_blocking(call, response.response)
            return
        if not response.will_continue:
            conversation.session.close(call.id)
        says_nothing = not response.response and not response.will_continue
        if says_nothing or response.scheduling is Scheduling.SILENT:
            conversation.settle()
            return
        urgent = response.scheduling is Scheduling.INTERRUPT
        if urgent:
            conversation.interrupt()
        reply = Reply(call, response.response, trio.current_time(), cost, urgent)
        conversation.tell(reply, first=urgent)

    def _update(self, update: ContextUpdate) -> None:
        model = self.conversation.terms.model
        if not model.updates:
            raise Breach(f"Request contains an invalid argument: context_update is not supported by {model.name}.")
        if update.system_instruction is not None:
            self.conversation.session.instruction = update.system_instruction.text
        if update.tools is not None:
            self.conversation.equip(terms.offer(update.tools.tools, model))
