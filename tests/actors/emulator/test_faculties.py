"""As many listen at once as there are cores, and no more than are needed."""

import threading
from typing import Any

import attrs
import pytest
import trio

from actors.emulator import faculties
from actors.emulator.faculties import Faculties


@attrs.define(eq=False)
class Ear:
    """Stands in for a process that listens; hears nothing while others are to come."""

    made: list["Ear"]
    together: threading.Barrier
    closed: bool = False

    def understand(self, pcm: bytes, functions: str) -> str:
        if pcm:
            self.together.wait(5)
        return functions + str(self.made.index(self))

    def close(self) -> None:
        self.closed = True


@pytest.fixture(name="made")
def _made(monkeypatch: pytest.MonkeyPatch) -> list[Ear]:
    made: list[Ear] = []
    together = threading.Barrier(2)

    def make() -> Ear:
        made.append(Ear(made, together))
        return made[-1]

    monkeypatch.setattr(faculties, "Annex", make)
    monkeypatch.setattr(faculties, "_cores", lambda: 2)
    return made


async def test_one_ear_does_for_one_after_the_other(made: list[Any]) -> None:
    found = Faculties()
    assert [await found.understand(b"") for _ in range(3)] == ["0", "0", "0"]
    assert len(made) == 1


async def test_a_second_one_listens_while_the_first_is_busy(made: list[Any]) -> None:
    found = Faculties()
    heard: list[str] = []

    async def listen() -> None:
        heard.append(await found.understand(b"ab"))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(listen)
    assert sorted(heard) == ["0", "0", "1", "1"]
    found.close()
    assert [ear.closed for ear in made] == [True, True]
    assert await found.understand(b"") == "2"
