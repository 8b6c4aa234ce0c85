"""What a soak looks for, and what it found: every promise has a name, a count of checks, and what went against it."""

from collections import Counter

import attrs

# Each promise by its name, with the sentence that the report shows.
PROMISES = {
    "utterances lost": "every block of speech that the gate let through arrived, or its loss was reported in ms",
    "utterances doubled": "nothing arrived twice on a link, and nothing that was answered was said again on another",
    "words": "the words of both sides are those that the far end sent, in order",
    "reply sound": "what left the speaker is what the far end sent, sample by sample",
    "tool debts": "every call was settled once, and its answer arrived or is void",
    "turn endings": "every turn that began has ended once",
    "deaf": "what was said arrived within its deadline",
    "mute": "what was asked was answered within its deadline",
    "memory": "memory grew by no more than 2 MB after the warm-up",
    "tasks": "there are no more tasks than at the start",
    "threads": "there are no more threads than at the start",
    "descriptors": "there are no more open descriptors than at the start",
    "clock drift": "the two tracks run apart by no more than 1 ms an hour",
    "run": "the conversation went on to its end",
}
SHOWN = 20  # findings of one promise that are kept with their words; the others are counted


@attrs.frozen
class Finding:
    """Something that went against a promise, `at` seconds into the run."""

    promise: str
    at: float
    what: str


@attrs.define
class Findings:
    """Counts checks and keeps findings, a few of each promise with their words."""

    checks: Counter[str] = attrs.field(factory=Counter)
    failures: Counter[str] = attrs.field(factory=Counter)
    kept: list[Finding] = attrs.field(factory=list)
    figures: dict[str, float] = attrs.field(factory=dict)

    def check(self, promise: str, *, held: bool, at: float = 0.0, what: str = "") -> bool:
        """Notes one check of a promise; `what` says what was found where it was broken."""
        self.checks[promise] += 1
        if not held:
            self.failures[promise] += 1
            if self.failures[promise] <= SHOWN:
                self.kept.append(Finding(promise, round(at, 3), what))
        return held

    def largest(self, figure: str, value: float) -> None:
        """Keeps the largest value of a figure."""
        self.figures[figure] = max(self.figures.get(figure, value), value)

    def add(self, figure: str, value: float = 1.0) -> None:
        """Adds to a figure."""
        self.figures[figure] = self.figures.get(figure, 0.0) + value

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.failures
