"""The tools of a soak: they answer the same at any time of day, and now and then hang, throw or flood."""

import random
from collections.abc import Callable
from typing import Any

import attrs
import trio

from pipeline.errors import ToolFailed
from tools.registry import tool

DEADLINE = 4.0  # seconds that these tools have
FLOOD = 60_000  # characters of an answer that nobody needs
WAYS = ("hang", "throw", "fail", "flood", "slow")


@attrs.define
class Tools:
    """How the next calls go: `chance` that one misbehaves."""

    random: random.Random
    chance: float = 0.0
    misbehaved: dict[str, int] = attrs.field(factory=dict, init=False)

    async def answer(self, summary: str) -> dict[str, Any]:
        """Answers, or does not."""
        way = self.random.choice(WAYS) if self.random.random() < self.chance else ""
        if way:
            self.misbehaved[way] = self.misbehaved.get(way, 0) + 1
        if way == "hang":
            await trio.sleep_forever()
        if way == "throw":
            raise ZeroDivisionError("a bug in a tool")
        if way == "fail":
            raise ToolFailed("the far side of this tool is closed today")
        await trio.sleep(3.0 if way == "slow" else self.random.uniform(0, 0.4))
        return {"summary": summary, "more": "x" * FLOOD} if way == "flood" else {"summary": summary}

    def functions(self) -> list[Callable[..., Any]]:
        """Gives the functions that the model may call."""

        @tool(timeout=DEADLINE, idempotent=True, fresh=0)
        async def get_time(city: str | None = None) -> dict[str, Any]:
            """Tells the present time in a city."""
            return await self.answer(f"It is noon in {city or 'your town'}.")

        @tool(timeout=DEADLINE, idempotent=True, fresh=0)
        async def get_weather(city: str | None = None) -> dict[str, Any]:
            """Tells the weather in a city."""
            return await self.answer(f"It is sunny in {city or 'your town'}, at twenty degrees.")

        return [get_time, get_weather]
