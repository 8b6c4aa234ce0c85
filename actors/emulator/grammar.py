"""What the embedded service can hear: a JSGF grammar and the pronunciations of its words, built from data.

Every part that names a city or a topic refers to it once, and requests joined by "and" loop back, so the network that
is searched for each frame of sound stays small.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from actors.emulator.cities import names
from actors.emulator.index import topics

_ONES = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

_RULES = """\
#JSGF V1.0;
grammar assistant;
public <said> = <small> | <asks> | <find> | <task> | <back>;
<small> = hello [there] | hi [there] | hey [there] | good morning | good afternoon | good evening
  | [hello] how are you | what can you do | who are you | what is your name | can you hear me | help [me]
  | stop [please] | please stop | be quiet | wait | cancel [that] | never mind
  | yes [please] | no [thank you] | no thanks | okay | sure | correct
  | goodbye | good bye | bye [bye] | see you [later] | good night
  | thank you [very much] | thanks [a lot];
<asks> = <ask> [and <asks>] | <ask> please;
<ask> = <placed> <city> [<day>] | <unplaced> [<day>] | <follow> <city> [<day>];
<placed> = (what is | what's | how is | tell me) the weather [like] in | [the] weather in
  | what is the weather going to be [like] in | what is the forecast for | will it rain in | is it raining in
  | how (hot | cold | warm) is it in | what is the temperature in
  | what time is it in | (what is | what's | tell me) the time in | [the] time in;
<unplaced> = what time is it | what is the time | tell me the time | (what is | how is) the weather [like];
<follow> = what about | how about | in;
<day> = today | tomorrow | now | right now | tonight;
<find> = (search [the web] for | look up | tell me about) <topic> | <question>;
<task> = [please] tell me a [long | short] story [please] | tell me another story | tell me a joke
  | [please] count [up] to <number> [please] | count from one to <number>
  | set a timer for <number> (second | seconds | minute | minutes);
<back> = what did i [just] ask [you] | what did i say | what did you [just] say | what was my [last] question
  | [please] repeat that [please] | [please] say that again [please] | say it again;
"""


def numbers() -> tuple[str, ...]:
    """Returns the words for 1 to 100, in order."""
    tens = [f"{ten} {one}".rstrip() for ten in _TENS for one in ("", *_ONES)]
    return (*_ONES, *_TEENS, *tens, "one hundred")


def grammar() -> str:
    """Returns the whole grammar in the Java Speech Grammar Format."""
    lists: dict[str, Iterable[str]] = {
        "city": names(),
        "topic": [name for topic in topics() for name in topic.names],
        "question": [question for topic in topics() for question in topic.questions],
    }
    rules = [f"<{rule}> = {' | '.join(sorted(set(phrases)))};" for rule, phrases in lists.items()]
    small, tens, ones = (" | ".join(part) for part in (_ONES + _TEENS, _TENS, _ONES))
    rules.append(f"<number> = {small} | ({tens}) [{ones}] | one hundred;")
    return _RULES + "\n".join(rules) + "\n"


@cache
def words() -> frozenset[str]:
    """Returns every word the grammar can hear."""
    text = "\n".join(line for line in grammar().splitlines() if not line.startswith(("#", "grammar")))
    for mark in "<>=|[]();":
        text = text.replace(mark, f" {mark} ")
    found, inside = set(), False
    for token in text.split():
        if token in "<>":
            inside = token == "<"
        elif token.replace("'", "").isalnum() and not inside and token != "public":
            found.add(token)
    return frozenset(found)


@cache
def own_pronunciations() -> Mapping[str, tuple[str, ...]]:
    """Returns the words that are said otherwise than the model's dictionary has it, or not in it: ARPABET phones."""
    data = tomllib.loads(Path(__file__).with_name("pronunciations.toml").read_text(encoding="utf-8"))
    return {word: tuple(said) for word, said in data["words"].items()}
