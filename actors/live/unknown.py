"""What the service says that this version does not know: told once for each name, and counted."""

from collections.abc import Iterable, MutableMapping

from pipeline.events import Notice


def noticed(names: Iterable[str], seen: MutableMapping[str, int]) -> list[Notice]:
    """Counts the names in `seen`, and gives a notice for each that is new there."""
    new = [name for name in names if name not in seen]
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [Notice(f"the service sent {name}, which this version does not know; ignored") for name in new]
