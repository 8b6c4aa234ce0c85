"""Numbers as they are said: in digits or in English words, up to the thousands."""

import re

_ONES_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen
"""
ONES = _ONES_WORDS.split()
_TENS_WORDS = """
twenty thirty forty fifty sixty seventy eighty ninety
"""
TENS = _TENS_WORDS.split()
SECONDS = {"second": 1, "minute": 60, "hour": 3600}

_VALUES = {word: value for value, word in enumerate(ONES)} | {word: 10 * n for n, word in enumerate(TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 1000}
_HUNDRED = 100
_LARGEST = 1e12  # whoever says more means no number


def in_words(number: int) -> str:
    """Returns 0 to 100 in words, as "twenty one"; larger numbers in digits."""
    if number < len(ONES):
        return ONES[number]
    if number < _HUNDRED:
        ten, one = divmod(number, 10)
        return f"{TENS[ten - 2]} {ONES[one]}" if one else TENS[ten - 2]
    return "one hundred" if number == _HUNDRED else str(number)


def numbers(text: str) -> list[float]:
    """Returns the numbers in plain `text`, in order: "twenty five" and "25" are both 25, "half an hour" is none.

    What is above 10^12 counts as that.
    """
    found: list[float] = []
    whole = total = 0
    inside = False
    words = re.findall(r"\d+(?:\.\d+)?|[a-z]+", text.lower())
    for index, word in enumerate([*words, ""]):
        following = words[index + 1] if index + 1 < len(words) else ""
        if word in _VALUES:
            whole, inside = whole + _VALUES[word], True
        elif word in _SCALES and (inside or words[max(0, index - 1)] in ("a", "one")):
            total, whole, inside = total + max(1, whole) * _SCALES[word], 0, True
        elif not (word == "and" and inside and total and following in _VALUES):
            if inside:
                found.append(float(total + whole))
            whole, total, inside = 0, 0, False
            if word[:1].isdigit():
                found.append(min(float(word), _LARGEST))
    return found


def duration(text: str) -> float | None:
    """Returns the seconds in "ten seconds", "2 minutes and 30 seconds", "an hour", "half an hour"; None if none."""
    total = 0.0
    start = 0
    for match in re.finditer(r"\b(second|minute|hour)s?\b", text):
        before = text[start : match.start()].strip()
        start = match.end()
        amount = numbers(before)
        if amount:
            total += amount[-1] * SECONDS[match[1]]
        elif before.endswith(("half an", "half a")):
            total += SECONDS[match[1]] / 2
        elif re.search(r"\b(?:a|an)$", before):
            total += SECONDS[match[1]]
    return total or None
