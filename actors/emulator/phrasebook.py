"""How declared functions may be asked for aloud: a grammar made of their names, descriptions and arguments.

Sentences are an order or a question, the function's own words, and values for its arguments: "turn on the kitchen
light", "set the volume to forty percent". What is understood goes to the mind as any other text does.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs
import msgspec

from actors.emulator import calling, grammar
from actors.emulator.cities import plain
from actors.emulator.quantities import numbers
from actors.emulator.thoughts import Declared

_MOST_FUNCTIONS = 24
_MOST_WORDS = 16  # of one description
_MOST_VALUES = 24
_LONGEST_VALUE = 4  # words
_LONGEST = 1000  # characters of a description
_ORDERS_WORDS = """
turn switch set put make change start begin open close lock play pause show give send add call check find read write
create remove book order move raise lower dim increase reduce
"""
_ORDERS = frozenset(_ORDERS_WORDS.split())
_REACHED_WORDS = """
weather forecast temperature time clock timer alarm search lookup google wikipedia
"""
_REACHED = frozenset(_REACHED_WORDS.split())
_NUMBERS = frozenset((*grammar.numbers().replace("(", " ").split(), "hundred"))
_UNITS = ("percent", "degrees", "seconds", "minutes", "hours", "days", "points", "times")
_RULES = """\
#JSGF V1.0;
grammar functions;
public <said> = [please | can you | could you] <asked> [please];
"""
_FUNCTION = """\
<thing{0}> = [<joint>] [<article>] <noun{0}> [<thing{0}>] | <way> [<thing{0}>]{1};
"""
_SHARED = """\
<way> = on | off | up | down;
<article> = the | a | an | my;
<joint> = to | at | in | for | with | of | by | from;
<question> = what is | how is | tell me | show me | give me;
<day> = today | tomorrow | tonight;
"""
_WHERE = "<where> = (in | for | at | to | near) <city>;"


@attrs.frozen
class Spoken:
    """What of one function can be said: its own words, orders among them, values, and whether other things go along."""

    words: tuple[str, ...]
    orders: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    number: bool = False
    place: bool = False
    day: bool = False


def of(declared: Iterable[Declared]) -> str:
    """Gives what can be said of these functions, as JSON; "" for none.

    Those for which there are requests in the grammar of our own are left out.
    """
    asked = [function for function in declared if not _REACHED & set(calling.parted(function.name))]
    found = [one for one in map(_spoken, asked[:_MOST_FUNCTIONS]) if one.words]
    return json.dumps([attrs.asdict(one) for one in found]) if found else ""


def read(text: str) -> tuple[Spoken, ...]:
    """Reads what `of` gives."""
    return tuple(msgspec.convert(json.loads(text or "[]"), list[Spoken]))


def _spoken(function: Declared) -> Spoken:
    named = calling.parted(function.name)
    told = [word for word in calling.parted(function.description[:_LONGEST]) if not calling.empty(word)][:_MOST_WORDS]
    told = [word for word in told if word not in _NUMBERS]
    own = [word for word in named if not calling.empty(word)] + told
    properties = function.parameters.get("properties")
    arguments = properties if isinstance(properties, Mapping) else {}
    values: list[str] = []
    number = place = day = False
    for name, schema in [*arguments.items()][:_MOST_VALUES]:
        kind, parts = calling.kind(schema), set(calling.parted(str(name)))
        chosen = [*_choices(schema)]
        values += chosen
        if chosen:
            continue
        number = number or kind in ("integer", "number")
        place = place or bool(parts & calling.PLACE)
        day = day or bool(parts & {"date", "day", "days", "when"})
        if kind == "boolean":
            own += [word for word in parts if not calling.empty(word)]
    orders = _unique(_both([*named[:1], *told[:1]]))
    return Spoken(_unique(_both(own)), orders, _unique(values)[:_MOST_VALUES], number, place, day)


def _choices(schema: object) -> Iterator[str]:
    choices = schema.get("enum") if isinstance(schema, Mapping) else None
    for choice in choices[:_MOST_VALUES] if isinstance(choices, list | tuple) else ():
        said = plain(str(choice)[:80].replace("_", " "))
        if 0 < len(said.split()) <= _LONGEST_VALUE:
            yield said


def _both(words: Iterable[str]) -> Iterator[str]:
    """Gives every word, and the form in which it is asked for where it is told of: "switches" as "switch"."""
    for word in words:
        yield word
        if word.endswith("es"):
            yield word[:-2]
        yield calling.stem(word)


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def words(functions: Sequence[Spoken]) -> frozenset[str]:
    """Gives every word that may be in the rules of these functions."""
    own = [word for one in functions for said in (*one.words, *one.orders, *one.values) for word in said.split()]
    fixed = re.sub(r"<\w+>|/[\d.]+/|\{\d\}", " ", _SHARED + _WHERE + _RULES.partition("public")[2] + grammar.numbers())
    cities = " ".join(grammar.cities()) if any(one.place for one in functions) else ""
    return frozenset([*own, *_ORDERS, *_UNITS, *re.findall(r"[a-z']+", f"{fixed} {cities}")])


def rules(functions: Sequence[Spoken], known: Callable[[str], bool]) -> str:
    """Returns the grammar of these functions in the Java Speech Grammar Format, without what nobody can pronounce.

    "" where nothing is left.
    """

    def sayable(phrases: Iterable[str]) -> list[str]:
        return [phrase for phrase in phrases if all(known(word) for word in phrase.split())]

    parts: list[str] = []
    placed: list[str] = []
    others: list[str] = []
    orders = set(_ORDERS)
    for number, one in enumerate(functions):
        own, values = sayable(one.words), sayable(one.values)
        if not own:
            continue
        more = f" | <day> [<thing{number}>]" if one.day else ""
        if one.number:
            values.append(f"<number> [{' | '.join(_UNITS)}]")
        parts.append(_FUNCTION.format(number, more))
        parts.append(f"<noun{number}> = {' | '.join((*own, *values))};")
        orders |= set(sayable(one.orders))
        (placed if one.place else others).append(f"<thing{number}>")
    if not parts:
        return ""
    things = [f"({' | '.join(others)})"] if others else []
    if placed:
        things.append(f"({' | '.join(placed)}) [<where>] [<day>]")
        parts.append(_WHERE)
        parts.append(f"<city> = {' | '.join(sayable(grammar.cities()))};")
    parts.append(f"<order> = {' | '.join(sorted(orders))};")
    parts.append(f"<asked> = (<order> [<way>] | <question>) ({' | '.join(things)});")
    return _RULES + _SHARED + grammar.numbers() + "\n".join(parts) + "\n"


def plausible(text: str) -> bool:
    """Tells whether somebody might say this: the grammar lets words follow each other that nobody would.

    Nobody says a word twice in an order, or two numbers; other talk, bent into the grammar, comes out like that.
    """
    content = [word for word in text.split() if not calling.empty(word) and word not in _NUMBERS]
    return len(numbers(text)) <= 1 and len(set(content)) == len(content)
