"""No key and no handle in anything that the programs of this folder said or wrote, but where it is kept on purpose."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LATE = 2  # the last of all, when everything has been written


async def with_a_handle_that_is_known(user: Any) -> Any:
    """The far end gives a handle that can be searched for, and tells of it in a close reason, too."""
    async with user.far_end(handle=f"{user.key}/handle").serving() as service:
        talk = (*user.talk[:-1], service.url, "--input", "hush.wav", "--linger", "1")
        first = await user.run(*talk, nice=False, GOOGLE_API_KEY=user.key)
        saved = Path(user.environment["XDG_STATE_HOME"], "live-assistant", "session.json")
        kept = saved.read_text("utf-8")  # noqa: ASYNC240 - a short file
        again = ("talk", "--resume", *talk[2:])
        second = await user.run(*again, nice=False, GOOGLE_API_KEY=user.key)
        shown = [frame["setup"] for _, frame in service.frames if "setup" in frame]
        return first, kept, second, shown


SCENARIOS = {"handle": with_a_handle_that_is_known}


def test_a_handle_is_kept_and_shown_to_the_service_alone(played: Any, canary: str) -> None:
    first, kept, second, (_, setup) = played("handle")
    assert (first.code, second.code) == (0, 0)
    assert json.loads(kept)["handle"] == f"{canary}/handle"
    assert setup["sessionResumption"]["handle"] == f"{canary}/handle"
    assert canary not in first.out + first.err + second.out + second.err


def files(place: Path) -> Iterator[Path]:
    return (path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink())


def test_no_key_and_no_handle_is_in_any_artefact(stage: Any, played: Any, canary: str) -> None:
    """Everything that all users of this folder have: what was printed, logs, recordings, caches, temporary files."""
    played("handle")
    for result in stage.results.values():
        result.exception(240)
    kept = [path for path in files(stage.place) if path.name == "session.json"]
    handles = {json.loads(path.read_text("utf-8"))["handle"] for path in kept} - {None, ""}
    assert handles
    secrets = [secret.encode() for secret in (canary, canary[::-1], *handles)]
    searched = [path for path in files(stage.place) if path.name not in ("session.json", ".env")]
    assert len(searched) > 3
    leaks = [str(path) for path in searched if any(secret in path.read_bytes() for secret in secrets)]
    assert leaks == []
    assert [path for path in kept if path.stat().st_mode & 0o077] == []
