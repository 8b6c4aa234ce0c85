"""A gateway without sockets: its application is asked directly, and a mint that needs no service makes its tokens."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio

from actors.gateway.access import Door
from actors.gateway.app import build
from actors.gateway.audit import Audit
from actors.gateway.counts import Counts
from actors.gateway.credentials import Signer
from actors.gateway.desk import Desk
from actors.gateway.offer import Offer
from actors.gateway.problems import Problem
from actors.gateway.settings import Settings
from actors.gateway.store import Memory
from actors.gateway.tokens import Mint, Token
from pipeline.environment import Environment
from pipeline.events import Bus
from pipeline.plan import Plan
from tools import tool
from tools.toolbox import Toolbox

HOST = "localhost:8000"


@attrs.define(eq=False)
class Counterfeit(Mint):
    """Makes tokens of its own, and remembers what for."""

    made: list[tuple[str, Mapping[str, Any]]] = attrs.field(factory=list)
    fault: Problem | None = None

    async def make(self, model: str, config: Mapping[str, Any], *, until: datetime | None = None) -> Token:
        await trio.lowlevel.checkpoint()
        if self.fault:
            raise self.fault
        self.made.append((model, config))
        now = self.clock()
        expires = min(now + timedelta(seconds=self.life), until or datetime.max.replace(tzinfo=UTC))
        return Token(f"auth_tokens/{len(self.made):064d}", expires, now + timedelta(seconds=self.start))


@tool(timeout=5)
async def get_price(article: str) -> dict[str, object]:
    """Looks up what an article costs."""
    return {"summary": f"{article} costs 3", "article": article}


@tool(timeout=0.01)
async def sleep_long() -> str:
    """Never answers in time."""
    await trio.sleep(3600)
    return "never"


@tool
async def break_down() -> str:
    """Fails by a fault."""
    raise ValueError("inside")


@tool(confirm=True)
async def open_gate() -> str:
    """Needs the user's word."""
    return "open"


@attrs.define(eq=False)
class House:
    """A gateway under test: its desk, its clock, and clients of it."""

    desk: Desk
    app: Any
    now: list[float]

    def client(self, peer: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        """A client from that address; `host` and others may be given as headers."""
        transport = httpx.ASGITransport(app=self.app, client=(peer, 40000), raise_app_exceptions=False)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.AsyncClient(transport=transport, base_url=f"http://{given.get('host', HOST)}", headers=given)

    @property
    def mint(self) -> Counterfeit:
        assert isinstance(self.desk.mint, Counterfeit)
        return self.desk.mint


Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Gives `make(access_key=..., loopback=..., relay=..., **settings)`: a gateway."""

    houses: list[House] = []

    def make(access_key: str | None = None, loopback: bool = True, relay: Any = None, **settings: Any) -> House:
        bus = Bus(clock=lambda: 0.0)
        now = [1_800_000_000.0]
        found = Settings.of(settings)
        toolbox = Toolbox({"google_search": True}, tmp_path)
        for function in (get_price, sleep_long, break_down, open_gate):
            toolbox.add(function)
        mint = Counterfeit("key", life=found.token_life, start=found.token_start, uses=found.token_uses)
        mint.clock = lambda: datetime.fromtimestamp(now[0], UTC)
        desk = Desk(
            conversation_plan=Plan.load,
            environment=Environment(access_key=access_key),
            bus=bus,
            settings=found,
            store=Memory(clock=lambda: now[0]),
            audit=Audit(tmp_path / "audit.jsonl", bus, found.audit_size, found.audit_files),
            counts=Counts(),
            door=Door(found, loopback),
            offer=Offer(found, Plan.load().table("live"), toolbox),
            mint=mint,
            signer=Signer.of(access_key),
            live_url="wss://live.example",
            clock=lambda: now[0],
        )
        houses.append(House(desk, build(desk, relay), now))
        return houses[-1]

    yield make
    for house in houses:
        house.desk.audit.close()
