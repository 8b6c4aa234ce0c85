"""What the embedded service can hear: a JSGF grammar and the pronunciations of its words, built from data.

Every part that names a city or a topic refers to it once, and requests joined by "and" loop back, so the network that
is searched for each frame of sound stays small.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from actors.emulator.cities import City, names
from actors.emulator.index import topics
from actors.emulator.quantities import ONES, TENS

_ONES, _TEENS, _TENS = ONES[1:10], ONES[10:], TENS

_RULES = """\
#JSGF V1.0;
grammar assistant;
public <said> = /1/ <small> | /1/ <asks> | /1/ <find> | /1/ <task> | /1/ <back>;
<small> = hello [there] | hi [there] | hey [there] | good morning | good afternoon | good evening
  | [hello] how are you | what can you do | who are you | what is your name | can you hear me | help [me]
  | stop [please] | please stop | be quiet | wait | cancel [that] | never mind
  | yes [please] | no [thank you] | no thanks | okay | sure | correct
  | goodbye | good bye | bye [bye] | see you [later] | good night
  | thank you [very much] | thanks [a lot];
<asks> = <ask> [and <asks>] | /0.1/ <ask> please;
<ask> = /1/ <placed> <city> [<day>] | /1/ <unplaced> [<day>] | /0.05/ <follow> <city> [<day>];
<placed> = (what is | what's | how is | tell me) the weather [like] in | [the] weather in
  | what is the weather going to be [like] in | what is the forecast for | will it rain in | is it raining in
  | how (hot | cold | warm) is it in | what is the temperature in
  | what time is it in | (what is | what's | tell me) the time in | [the] time in;
<unplaced> = what time is it | what is the time | tell me the time | (what is | how is) the weather [like];
<follow> = what about | how about;
<day> = /1/ today | /1/ tomorrow | /0.2/ now | /0.2/ right now | /0.2/ tonight;
<find> = (search [the web] for | look up | tell me about) <topic> | <question>;
<task> = [please] tell me a [long | short] story [please] | tell me another story | tell me a joke
  | [please] count [up] to <number> [please] | count from one to <number>
  | set a timer for (<number> (seconds | minutes) | one (second | minute));
<back> = what did i [just] ask [you] | what did i say | what did you [just] say | what was my [last] question
  | [please] repeat that [please] | [please] say that again [please];
"""
_SOUNDS = """\
#JSGF V1.0;
grammar sounds;
public <other> = <sound> [<other>];
"""
_PHONES_WORDS = """
AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH
"""
_PHONES = _PHONES_WORDS.split()
_METROPOLIS, _RAREST = 3_000_000, 0.0003
_SOUND = "sound_"  # how the words begin that stand for one speech sound each


def sounds() -> str:
    """Returns the grammar of all that can be said, as a row of speech sounds, in the Java Speech Grammar Format."""
    return f"{_SOUNDS}<sound> = {' | '.join(_SOUND + phone.lower() for phone in _PHONES)};\n"


def requests() -> str:
    """Returns the grammar of all requests, in the same format."""
    lists: dict[str, Iterable[str]] = {
        "city": [f"/{_weight(places[0]):.5f}/ {name}" for name, places in names().items()],
        "topic": [name for topic in topics() for name in topic.names],
        "question": [question for topic in topics() for question in topic.questions],
    }
    rules = [f"<{rule}> = {' | '.join(sorted(set(phrases)))};" for rule, phrases in lists.items()]
    return _RULES + "\n".join(rules) + "\n" + numbers()


def numbers() -> str:
    """Returns the rule for numbers from one to a hundred."""
    small, tens, ones = (" | ".join(part) for part in (_ONES + _TEENS, _TENS, _ONES))
    return f"<number> = {small} | ({tens}) [{ones}] | one hundred;\n"


def cities() -> tuple[str, ...]:
    """Returns every name of a city, sorted."""
    return tuple(sorted(names()))


def _weight(city: City) -> float:
    """Returns how likely a city is asked for: of two that sound alike, the larger is more likely meant."""
    return float(max(_RAREST, min(1.0, city.population / _METROPOLIS) ** 2.0))


@cache
def words() -> frozenset[str]:
    """Returns every word the grammar can hear."""
    rules = requests().partition(";\npublic")[2]
    return frozenset(re.findall(r"[a-z']+", re.sub(r"<\w+>|/[\d.]+/", " ", rules)))


def pronunciations(dictionary: Iterable[str], wanted: frozenset[str] | None = None) -> Mapping[str, tuple[str, ...]]:
    """Returns the ways each of the words may be said, as ARPABET phones: the dictionary's and our own.

    `dictionary` is the lines of a pronouncing dictionary in CMU's format. None wants the words of the requests. What
    neither knows is left out.
    """
    data = tomllib.loads(Path(__file__).with_name("pronunciations.toml").read_text(encoding="utf-8"))
    wanted = words() if wanted is None else wanted
    found: dict[str, dict[str, None]] = {}
    for line in dictionary:
        entry, phones = line.split(maxsplit=1)
        word = entry.partition("(")[0]
        if word in wanted:
            found.setdefault(word, {})[phones.strip()] = None
    for word, ways in data["words"].items():
        if word in wanted:
            found.setdefault(word, {}).update(dict.fromkeys(ways))
    return {word: tuple(ways) for word, ways in found.items()}


def pronounced_sounds() -> Mapping[str, tuple[str, ...]]:
    """Returns the way each word of the row of sounds is said: as itself."""
    return {_SOUND + phone.lower(): (phone,) for phone in _PHONES}
