"""What the embedded service makes of what it hears: requests in plain English become replies and function calls.

No model thinks here: a table of intents is gone through from the top, and the first that knows an answer gives it.
Everything is pure and deterministic. Text may come from the recogniser or from a keyboard.
"""

import re
from collections.abc import Callable, Sequence

import attrs

from actors.emulator import calling, index, stories
from actors.emulator.asking import Ask, Kind, asks
from actors.emulator.cities import plain
from actors.emulator.phrases import CATCH, LOST, small_talk
from actors.emulator.quantities import duration, in_words, numbers
from actors.emulator.telling import answer
from actors.emulator.thoughts import Call, Declared, Exchange, Say, Source

__all__ = ["Call", "Declared", "Exchange", "Say", "Source", "answer", "respond"]

Replies = tuple[Say | Call, ...]

_POLITE = re.compile(
    r"^(?:(?:please|hey|hello|hi|okay|ok|so|um|uh|well|and|now|computer|assistant|gemini"
    r"|(?:can|could|would|will) you(?: please)?|i (?:want|would like|'d like|wanted) (?:you )?to(?: know)?"
    r"|do you know|i'd like to know|let's) )+(?=\w)"
)
_ASKED = re.compile(
    r"what did i (?:just )?(?:ask|say|want)(?: you)?(?: (?:before|last|first|about|earlier|just now))*"
    r"|what (?:was|is) my (?:last |first |previous )?(?:question|request)"
    r"|do you remember (?:what i asked|my question).*"
)
_SAID = re.compile(
    r"what did you (?:just )?say|(?:please )?(?:repeat|say) (?:that|it)(?: again)?|say again|repeat"
    r"|(?:come|say that) again|what was that|pardon(?: me)?|excuse me"
)
_SEARCH = re.compile(
    r"(?:search|google|look)(?: (?:the )?(?:web|internet))?(?: (?:for|up))? (?P<web>.+)"
    r"|find(?: out)? (?:about )?(?P<out>.+)"
    r"|(?:tell me|what do you know) (?:something |more )?about (?P<about>.+)"
)
_CONSENT = re.compile(r"\b(?:may|shall|should) i\b")
_COUNT = re.compile(r"count\b.*")
_MOST_COUNTED = 1000
_MOST_WORDS = 200  # of what was said: nobody asks for so much at once, and patterns take their time over it
_MOST_CHARACTERS = 2000  # the same for who knows no spaces
_MOST_EXCHANGES = 50
_ASKED_BACK = ("For which city", "For how long")


@attrs.frozen
class Scene:
    """What was said, as plain words and without its courtesies, and all that is known around it."""

    said: str
    text: str
    context: Sequence[Exchange]
    declared: Sequence[Declared]
    search: bool


def respond(
    heard: str, context: Sequence[Exchange], declared: Sequence[Declared], *, search: bool
) -> tuple[Say | Call, ...]:
    """Returns what to say and which functions to call, in order, for what the user said or wrote.

    `heard` is "" for sound without words; it has a line for each thing said since the model last spoke, and every one
    of them is answered, unless they make sense together only. `context` holds the earlier exchanges, oldest first; it
    may end with `heard` itself; the latest fifty count. `search` tells whether the service's own search is switched on.
    Of what was said the first two hundred words count, and of them the first two thousand characters. Always returns
    at least one reply.
    """
    context = context[-_MOST_EXCHANGES:]
    lines = list(dict.fromkeys(line for line in heard[:_MOST_CHARACTERS].split("\n") if plain(line)))
    apart: list[Replies] = []
    for number, line in enumerate(lines):
        before = [*context, *(Exchange("user", earlier) for earlier in lines[:number])]
        apart.append(_respond(line, before, declared, search=search))
    answered = [replies for replies in apart if not _at_a_loss(replies)]
    if len(lines) == 1 or (lines and len(answered) == len(lines)):
        return tuple(reply for replies in apart for reply in replies)
    together = _respond(" ".join(lines), context, declared, search=search)
    return tuple(reply for replies in answered for reply in replies) if _at_a_loss(together) and answered else together


def _at_a_loss(replies: Replies) -> bool:
    """Tells whether nothing was understood, or too little to do something about it."""
    return all(isinstance(reply, Say) and reply.text.startswith((LOST, CATCH, *_ASKED_BACK)) for reply in replies)


def _respond(heard: str, context: Sequence[Exchange], declared: Sequence[Declared], *, search: bool) -> Replies:
    said = _words(heard)
    if not said:
        return (Say(CATCH),)
    if context and context[-1].who == "user" and _words(context[-1].text) == said:
        context = context[:-1]
    scene = Scene(said, _bare(said), context, declared, search)
    for intent in _INTENTS:
        replies = intent(scene)
        if replies:
            return replies
    return (Say(LOST),)


def _words(text: str) -> str:
    return " ".join(plain(text[:_MOST_CHARACTERS]).split()[:_MOST_WORDS])


def _bare(said: str) -> str:
    text = _POLITE.sub("", said)
    return text.removesuffix(" please").removesuffix(" for me") or said


def _consenting(scene: Scene) -> Replies:
    """A yes to "may I ...?" does what was asked for before that question."""
    yes = small_talk("yes")
    asked = scene.context[-1] if scene.context else None
    if small_talk(scene.said) != yes or asked is None or asked.who != "model":
        return ()
    if not _CONSENT.search(_words(asked.text[-_MOST_CHARACTERS:])):
        return ()
    for place in range(len(scene.context) - 1, -1, -1):
        earlier = scene.context[place]
        if earlier.who == "user":
            replies = respond(earlier.text, scene.context[:place], scene.declared, search=scene.search)
            if calls := tuple(reply for reply in replies if isinstance(reply, Call)):
                return calls
    return ()


def _passing(scene: Scene) -> Replies:
    reply = small_talk(scene.said) or small_talk(scene.text)
    return (Say(reply),) if reply else ()


def _remembering(scene: Scene) -> Replies:
    if not _ASKED.fullmatch(scene.text):
        return ()
    earlier = [_words(exchange.text) for exchange in scene.context if exchange.who == "user"]
    requests = [text for text in earlier if text and not _ASKED.fullmatch(_bare(text))]
    if not requests:
        return (Say("You have not asked me anything yet."),)
    return (Say(_told_back(requests, scene.context)),)


def _told_back(requests: Sequence[str], context: Sequence[Exchange]) -> str:
    text = _bare(requests[-1])
    found = asks(text, before=_kind_before(context, requests[-1]))
    if found:
        return f"You asked me about {' and '.join(ask.described() for ask in found)}."
    match = _SEARCH.fullmatch(text)
    if match:
        return f"You asked me to search for {match['web'] or match['out'] or match['about']}."
    if re.match(r"(?:tell|count|set|play|turn|give|send|show|read|repeat)\b", text):
        return f"You asked me to {re.sub(r'^tell me', 'tell you', text)}."
    asked = re.match(r"(?:who|what|when|where|why|how|which|is|are|do|does|did|can|will)\b", text)
    return f"You asked me: {text}?" if asked else f"You said: {text}."


def _repeating(scene: Scene) -> Replies:
    if not _SAID.fullmatch(scene.text):
        return ()
    spoken = [exchange.text for exchange in scene.context if exchange.who == "model" and exchange.text.strip()]
    if not spoken:
        return (Say("I have not said anything yet."),)
    return (Say(f"I said: {spoken[-1]}" if "what did" in scene.text else spoken[-1]),)


def _counting(scene: Scene) -> Replies:
    if not _COUNT.fullmatch(scene.text):
        return ()
    found = [int(number) for number in numbers(scene.text)]
    first, last = (found[0], found[-1]) if len(found) > 1 else (1, found[-1] if found else 10)
    first, last = min(first, _MOST_COUNTED), min(last, _MOST_COUNTED)
    step = 1 if last >= first else -1
    counted = ", ".join(in_words(number) for number in range(first, last + step, step))
    return (Say(f"{counted[0].upper()}{counted[1:]}."),)


def _narrating(scene: Scene) -> Replies:
    if not re.search(r"\b(?:story|tale|joke)\b", scene.text) or _SEARCH.fullmatch(scene.text):
        return ()
    told = [exchange.text for exchange in scene.context if exchange.who == "model"]
    shelf = stories.JOKES if "joke" in scene.text else stories.SHORT if "short" in scene.text else stories.LONG
    fresh = [story for story in shelf if not any(text and story.startswith(text[:40]) for text in told)]
    return (Say((fresh or shelf)[0]),)


def _timing(scene: Scene) -> Replies:
    if not re.search(r"\b(?:timer|alarm|remind me in)\b", scene.text):
        return ()
    function = calling.chosen(["timer", "alarm", "remind"], scene.declared)
    if function is None:
        return (Say("I have no timer here, so I cannot do that."),)
    if duration(scene.text) is None and not numbers(scene.text):
        return (Say(f"{_ASKED_BACK[1]} should I set the timer?"),)
    call = calling.call(function, scene.text)
    if call is None:
        return ()
    return (call,) if function.blocking else (call, Say("All right, the timer is running."))


def _asking(scene: Scene) -> Replies:
    if index.answers(scene.text):
        return ()  # "how hot is the sun" is no question about the weather
    found = asks(scene.text, before=_kind_before(scene.context))
    return tuple(_asked(ask, scene) for ask in found)


_TOOLS: dict[Kind, tuple[str, ...]] = {"weather": ("weather", "forecast", "temperature"), "time": ("time", "clock")}


def _asked(ask: Ask, scene: Scene) -> Say | Call:
    function = calling.chosen(_TOOLS[ask.kind], scene.declared, least=1 if ask.kind == "weather" else 2)
    if function is None:
        return Say(f"I have no tool for the {ask.kind}, so I cannot tell you {ask.described()}.")
    call = calling.call(function, scene.text, city=ask.place or None, day=ask.day)
    return call or Say(f"{_ASKED_BACK[0]} do you want to know the {ask.kind}?")


def _kind_before(context: Sequence[Exchange], until: str = "") -> Kind | None:
    """Returns what the user asked last before the request `until`, so that a follow-up is understood."""
    texts = [_words(exchange.text) for exchange in context if exchange.who == "user"]
    if until in texts:
        texts = texts[: len(texts) - 1 - texts[::-1].index(until)]
    for text in reversed(texts):
        found = asks(_bare(text))
        if found:
            return found[-1].kind
    return None


def _searching(scene: Scene) -> Replies:
    match = _SEARCH.fullmatch(scene.text)
    topic = index.find(scene.text)
    if match is None and (topic is None or not re.match(r"(?:who|what|when|where|why|how)\b", scene.text)):
        return ()
    subject = (match["web"] or match["out"] or match["about"]) if match else scene.text
    if scene.search:
        return (_found(topic, subject),)
    tool = calling.chosen(["search", "lookup", "google", "wikipedia"], scene.declared) if match else None
    call = calling.call(tool, scene.text, subject=subject) if tool else None
    if call is not None:
        return (call,)
    if topic is not None:
        return (Say(topic.answer),)
    return (Say("I cannot search the web here, for search is not switched on."),) if match and match["web"] else ()


def _found(topic: index.Topic | None, subject: str) -> Say:
    if topic is None:
        return Say(f"I searched for {subject}, but my small index has nothing about it.", queries=(subject,))
    return Say(topic.answer, sources=(Source(topic.title, topic.uri),), queries=(subject,))


def _calling(scene: Scene) -> Replies:
    function = calling.sharing(scene.text, scene.declared)
    call = calling.call(function, scene.text) if function else None
    return (call,) if call else ()


_INTENTS: tuple[Callable[[Scene], Replies], ...] = (
    _consenting,
    _passing,
    _remembering,
    _repeating,
    _counting,
    _timing,
    _asking,
    _narrating,
    _searching,
    _calling,
)
"""What is tried, in this order."""
