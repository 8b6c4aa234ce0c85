"""What scenarios do to messages of the service: pure functions from message to message."""

from collections.abc import Callable, Mapping
from typing import Any

from actors.emulator.wire import Json

CONTENT = "serverContent"


def names(message: Json) -> tuple[str, ...]:
    """Gives what a message is an occasion for: its own name, or those of what is in its content."""
    return tuple(
        name
        for key, value in message.items()
        for name in (value if key == CONTENT and value else (key,))  # type: ignore[attr-defined]
    )


def placed(value: Any, path: str, new: object) -> Any:  # noqa: ANN401 - JSON
    """Gives the JSON value with something else at a path; tables on the way are made, items of lists are not."""
    return _changed(value, path.split("."), lambda _: new, make=True)


def stripped(message: Json, path: str) -> Json:
    """Gives the message without what stands at a path; {} where nothing is left of it."""
    found: Json = _changed(message, path.split("."), lambda _: _GONE, make=False)
    return {} if found == {CONTENT: {}} else found


def joined(first: Any, second: Any) -> Any:  # noqa: ANN401 - JSON
    """Gives two messages as one: tables are merged, lists and `text` go on, else the second counts."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        both = {key: joined(first[key], second[key]) for key in first if key in second}
        if "text" in both:
            both["text"] = first["text"] + second["text"]
        return {**first, **second, **both}
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return second


def renamed(message: Json, name: Callable[[], str]) -> Json:
    """Gives a toolCall with other ids."""
    calls = message.get("toolCall", {}).get("functionCalls", [])  # type: ignore[attr-defined]
    return {**message, "toolCall": {"functionCalls": [{**call, "id": name()} for call in calls]}}


_GONE = object()


def _changed(value: Any, path: list[str], change: Callable[[Any], Any], *, make: bool) -> Any:  # noqa: ANN401 - JSON
    if not path:
        return change(value)
    head, *rest = path
    if isinstance(value, list):
        chosen = range(len(value)) if head == "*" else [int(head)] if head.isdecimal() else []
        changed = [
            _changed(item, rest, change, make=make) if index in chosen else item for index, item in enumerate(value)
        ]
        return [item for item in changed if item is not _GONE]
    if not isinstance(value, Mapping) or (head not in value and not make):
        return value
    changed_one = _changed(value.get(head, {}), rest, change, make=make)
    others = {key: item for key, item in value.items() if key != head or changed_one is not _GONE}
    return others if changed_one is _GONE else {**others, head: changed_one}
