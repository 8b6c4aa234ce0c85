"""The live screen: a picture of the conversation, up to five times a second, and keys to act on it.

It only listens. What it draws comes from events and measurements; where nothing has changed nothing is drawn.
"""

import io
import os
import sys
from collections.abc import Callable
from functools import lru_cache

import attrs
import trio
from rich.console import Console
from rich.text import Text

from pipeline.bus import Subscription
from pipeline.conversation import Conversation
from pipeline.errors import AssistantError
from pipeline.secrets import Secrets
from pipeline.sections import Price
from telemetry.screen_model import INTERRUPTED, MUTED, QUIT, RESTARTED, Model
from telemetry.screen_terminal import Terminal
from telemetry.screen_view import Line, view

MARK = "x"  # stands for text, where only what is around it counts
PERIOD = 1 / 5  # seconds between two looks at whether there is something new to draw
# What a terminal without these characters shows instead.
PLAIN = str.maketrans("━─█▏●◌○·…→✓✗↻↓", "#-#|*oo-.>+xr!")


def _painter() -> "Painter":
    return Painter()


@attrs.define(eq=False)
class Screen:
    """Draws until the bus closes; `who` says who answers. `run` opens the terminal and closes it, `release` at once."""

    who: str
    price: Price | None = None
    secrets: Secrets = attrs.field(factory=Secrets)
    open: Callable[[], Terminal] = Terminal.open
    name: str = "the screen"
    gauges: float = PERIOD
    _terminal: Terminal | None = attrs.field(default=None, init=False)
    _model: Model = attrs.field(init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _paint: "Painter" = attrs.field(factory=_painter, init=False)

    def __attrs_post_init__(self) -> None:
        self._model = Model(self.who, self.price)

    def meet(self, conversation: Conversation) -> None:
        """Takes the conversation that the keys act on."""
        self._conversation = conversation

    async def run(self, events: Subscription) -> None:
        """Draws and obeys keys until the bus closes; the terminal is as before when this ends, however it does."""
        terminal = self._terminal = self.open()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._draw, terminal)
                if terminal.keyboard is not None:
                    nursery.start_soon(self._obey, terminal.keyboard)
                async for event in events:
                    self._model.feed(event)
                nursery.cancel_scope.cancel("the conversation is over")
        finally:
            self.release()

    def release(self) -> None:
        """Gives the terminal back; from any thread, also when the loop hangs."""
        if self._terminal is not None:
            self._terminal.close()

    async def _draw(self, terminal: Terminal) -> None:
        shown: tuple[str, ...] = ()
        before = (0, 0)
        while True:
            size = terminal.size
            lines = tuple(self._paint(line) for line in view(self._model, trio.current_time(), *size))
            if lines != shown or size != before:
                terminal.show([self.secrets.redact(line) for line in lines], afresh=size != before)
            shown, before = lines, size
            await trio.sleep(PERIOD)

    async def _obey(self, keyboard: int) -> None:
        while True:
            await trio.lowlevel.wait_readable(keyboard)
            pressed = os.read(keyboard, 64)
            if not pressed:
                return
            if pressed.startswith(b"\x1b") and len(pressed) > 1:
                continue  # an arrow, a function key: none of ours
            for key in pressed.decode("ascii", "ignore"):
                await self._act(key)

    async def _act(self, key: str) -> None:
        asked = self._model.press(key)
        if asked is None or self._conversation is None:
            return
        action, name = asked
        try:
            if action == QUIT:
                self._conversation.end()
            elif action == MUTED:
                self._conversation.mute(not self._conversation.muted)
            elif action == INTERRUPTED:
                await self._conversation.interrupt()
            elif action == RESTARTED:
                self._conversation.restart(name)
        except (AssistantError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._model.note("trouble", str(error))


class Painter:
    """Turns lines of spans into text with a terminal's colours, as many as it has: rich knows them, and NO_COLOR."""

    def __init__(self, encoding: str | None = None) -> None:
        self._console = Console(file=io.StringIO(), force_terminal=True, width=1000, highlight=False, markup=False)
        encoding = (encoding or sys.stdout.encoding or "utf-8").lower()
        self._rich = encoding.startswith("utf")
        self._painted = lru_cache(maxsize=512)(self._painting)
        self._around = lru_cache(maxsize=64)(self._codes)

    def __call__(self, line: Line) -> str:
        """Gives the line as it is written."""
        return self._painted(line)

    def _painting(self, line: Line) -> str:
        text = "".join(text.join(self._around(style)) if text else "" for text, style in line)
        return text if self._rich else text.translate(PLAIN).encode("ascii", "replace").decode()

    def _codes(self, style: str) -> tuple[str, str]:
        """Gives what rich writes before and after text of a style; it is asked once for each style, as it is slow."""
        with self._console.capture() as capture:
            self._console.print(Text(MARK, style), end="")
        before, _, after = capture.get().partition(MARK)
        return before, after
