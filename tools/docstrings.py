"""Reads a docstring: what a model is told of a tool, and of its parameters (Google style)."""

import inspect
import re

import attrs

PARAMETERS = ("Args", "Arguments", "Parameters", "Attributes")
SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Attributes|Returns?|Yields?|Raises|Examples?|Notes?|Todo|Warnings?):\s*$"
)
ENTRY = re.compile(r"^\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)$")


@attrs.frozen
class Docstring:
    """The description (all before the first section) on one line a paragraph, and a text for each parameter."""

    description: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Docstring":
        """Reads any docstring; an unusual one merely yields fewer parameters."""
        before: list[str] = []
        entries: list[str] = []
        section = ""
        for line in inspect.cleandoc(text).splitlines():
            heading = SECTION.match(line)
            if heading:
                section = heading[1]
            elif not section:
                before.append(line)
            elif section in PARAMETERS:
                entries.append(line)
        return cls(_paragraphs(before), _entries(entries))


def _paragraphs(lines: list[str]) -> str:
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    indented = [line for line in lines if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in indented), default=0)
    for line in indented:
        entry = ENTRY.match(line[margin:])
        if entry:
            name = entry["name"]
            found[name] = entry["text"].strip()
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
