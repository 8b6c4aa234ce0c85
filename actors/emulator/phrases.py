"""What people say in passing, and what is said back: patterns over the whole of a plain utterance."""

import re

CATCH = "Sorry, I did not catch that."
LOST = "Sorry, I did not understand that."

_STOP = (
    r"(?:please )?(?:stop|stop it|stop that|stop talking|be quiet|quiet|silence|shut up|wait|hold on|cancel|cancel that"
    r"|never mind|that's enough|enough)(?: now)?(?: please)?"
)
_THERE = (
    r"(?:can|could) you hear me(?: now)?|are you (?:there|listening)|hello are you there"
    r"|test(?:ing)?(?: one two three)?"
)
_REPLIES: tuple[tuple[str, str], ...] = (
    (_STOP, "Okay."),
    (
        r"(?:hello |hi |hey )?(?:how are you|how are you doing|how do you do)(?: today)?",
        "I am fine, thank you.",
    ),
    (
        r"(?:hello|hi|hey|good morning|good afternoon|good evening|greetings)(?: there| again| assistant| you)?",
        "Hello! How can I help you?",
    ),
    (
        r"(?:good ?bye|bye|bye bye|see you(?: later| soon)?|good night|farewell)(?: then| for now)?",
        "Goodbye!",
    ),
    (
        r"(?:no |yes )?(?:thank you|thanks)(?: very much| so much| a lot)?",
        "You are welcome.",
    ),
    (
        r"(?:yes|yeah|yep|sure|okay|ok|correct|right|that's right|exactly|of course)(?: please)?",
        "All right.",
    ),
    (
        r"(?:no|nope|not really|no way)(?: please)?",
        "All right, then not.",
    ),
    (
        r"(?:who|what) are you|what(?: is|'s) your name|tell me your name",
        "I am the embedded practice service of this assistant. I live on your own computer.",
    ),
    (_THERE, "Yes, I can hear you."),
    (
        r"help(?: me)?|what can (?:you do|i (?:say|ask))(?: for me)?|what do you (?:know|understand)",
        "You can ask me about the weather or the time in a city, let me search, count, or tell a story.",
    ),
    (
        r"what is the meaning of life",
        "Forty two, they say.",
    ),
)
_TABLE = tuple((re.compile(pattern), reply) for pattern, reply in _REPLIES)


def small_talk(text: str) -> str | None:
    """Returns the reply to a phrase said in passing, None if plain `text` is more than that."""
    return next((reply for pattern, reply in _TABLE if pattern.fullmatch(text)), None)
