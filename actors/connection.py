"""The connection: dials, sets up, resumes, rotates ahead of goAway, and retries. Network trouble is its daily work."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import trio

from actors.downlink import route
from actors.live import wire
from actors.live.address import GOOGLE, Address
from actors.live.blame import advice
from actors.live.commands import Setup
from actors.live.dialling import ABNORMAL, dial_tcp
from actors.live.link import NORMAL, LeaveBy, Link, LinkLost, Opener, Renewed, Report, unheard
from actors.live.recall import recall
from actors.live.recovery import FIRST_PATIENCE, REFUSALS, STABLE_AFTER, Loss, Phase, decide
from actors.live.recovery import delay as wait
from actors.live.session import Session
from actors.live.setup import Built
from actors.live.signals import SetupComplete, Signal
from actors.live.transport import Transport, connected
from actors.live.vault import Vault
from pipeline import events as e
from pipeline.actor import Shared, section
from pipeline.channels import Inlet, Outlet
from pipeline.environment import Environment
from pipeline.errors import PlanError, Refused, TransportLost, first_error
from pipeline.graph import load_name
from pipeline.messages import CallNews, Reply, ReplyControl
from pipeline.secrets import fingerprint
from pipeline.settings import Within
from tools.toolbox import Toolbox

SETUP_DEADLINE = 8.0  # seconds for setupComplete
FIRST_DEADLINE = 7.0  # seconds for the first of them, dialling included: a wrong endpoint is told within ten
LAST_TRY = FIRST_PATIENCE + 0.1  # seconds after which a service that has never answered is tried no more
BOUNDARY_STEP = 0.5  # seconds between two looks for a turn boundary
LEAVE_MARGIN = 3.0  # seconds before goAway's deadline at which we leave, boundary or not
DOUBT_STEP = 1.0  # seconds between two looks whether the service has gone mute
FEWER_AFTER = 30.0  # seconds for which tools are missed before a link is made that does not name them
INVALID = 1007
NO_KEY = "no-key-needed"  # what a service other than Google's is given: the embedded one takes any credential


@attrs.define
class Outage:
    """How long the service has been out of reach, how many attempts have failed, and how many after the handshake."""

    since: float
    attempts: int = 0
    reached: int = 0


def _fewer(wanted: Sequence[Mapping[str, object]], declared: Sequence[Mapping[str, object]]) -> bool:
    """Whether nothing is wanted that is not declared, only less."""
    names = [[each for entry in told for each in _functions(entry)] for told in (wanted, declared)]
    return all(each in names[1] for each in names[0])


def _functions(entry: Mapping[str, object]) -> Sequence[object]:
    found = entry.get("functionDeclarations", (entry,))
    return found if isinstance(found, list | tuple) else ()


@attrs.define
class Connection:
    """Keeps a link under the session until the far end closes for good.

    Raises Refused, which ends the run, when the service will never talk to us as we are, and PlanError where endpoint
    or key cannot be one. `endpoint` is a base URL, empty for Google's. `dial` makes the stream: any callable from an
    address to a Trio stream, and `websocket` names what speaks on it: by_websockets, or by_trio_websocket. `tap`
    listens in on the wire. `handle_file` keeps the resumption handle on disk for `resume`, and `cache` the last setup
    that was built; empty keeps nothing. A ping goes out every `heartbeat` seconds; a link on which nothing comes for
    `patience` seconds after it is dead. `threads` may be switched off where time is virtual. The first setup waits
    `tools_within` seconds for tools that live elsewhere; those that come later, the next link names. Cancellation
    closes the socket in order, within half a second.
    """

    reports: Inlet[Report]
    uplink: Outlet[Link]
    downlink: Outlet[Link]
    reply: Outlet[Reply]
    control: Outlet[ReplyControl]
    calls: Outlet[CallNews]
    session: Shared[Session]
    toolbox: Shared[Toolbox]
    bus: e.Bus
    environment: Environment
    live: Mapping[str, Any] = section("live")
    endpoint: str = ""
    api_version: str = "v1beta"
    key_in: Literal["header", "query"] = "header"
    handle_file: str = ""
    cache: str = ""
    resume: bool = False
    heartbeat: Annotated[float, Within(0.1, 3600)] = 10.0
    patience: Annotated[float, Within(0.1, 3600)] = 60.0
    websocket: str = "actors.live.by_websockets:opened"
    dial: Callable[..., Any] = dial_tcp
    tap: Callable[..., Any] = unheard
    threads: bool = True
    tools_within: Annotated[float, Within(0, 600)] = 4.0
    _built: Built = attrs.field(init=False)
    _opened: Opener = attrs.field(init=False)
    _declared: Sequence[Mapping[str, object]] = attrs.field(factory=list, init=False)
    _searches: bool = attrs.field(default=True, init=False)
    _known: bool = attrs.field(default=False, init=False)
    _phase: Phase = attrs.field(default="dial", init=False)
    _linked_at: float | None = attrs.field(default=None, init=False)
    _turn_at_link: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Links, loses, recovers; returns when the far end has closed for good."""
        self._opened = load_name(self.websocket, "actors.connection.websocket")
        self._route(self.session.lost("the connection was started again", trio.current_time()))
        self._known = self.session.epoch > 0
        await self.toolbox.complete(self.tools_within)
        await self._build()
        await self._keep_linked()
        self.session.close("the service ended the session")

    async def _build(self) -> None:
        """Builds and checks the setup before anything is dialled; in a thread, as an import behind it is slow."""
        declarations = self._declared = self._wanted()
        bare = self.bus.secrets.redacted(self.live) == self.live  # else a secret would lie in the cache
        cache = Path(self.cache) if self.cache and bare else None

        def work() -> Built:
            return recall(cache, self.live, declarations, local_turns=self.session.local_turns)

        self._built = await trio.to_thread.run_sync(work, abandon_on_cancel=True) if self.threads else work()
        self.session.takes_history = self._built.takes_history
        self.session.calling.patient = frozenset(tool.name for tool in self.toolbox if tool.blocking is False)
        if left_out := ", ".join(self._built.left_out):
            why = "cannot call tools in the way these want to be called"
            self.bus.publish(e.Notice(f"left out: {left_out}; {self.live['model']} {why}"))

    # -- one link after the other ----------------------------------------------------------------------------

    async def _keep_linked(self) -> None:
        outage = Outage(trio.current_time())
        why = "the conversation begins"
        while True:
            self._route(self.session.dialling(why))
            if self._outgrown:
                await self._build()
            lost = await self._one_link(outage)
            now = trio.current_time()
            if self._linked_at is not None:
                outage = Outage(now) if self._stable(lost, now) else attrs.evolve(outage, since=now)
                self._linked_at = None
            outage.attempts += 1
            if lost is None:
                why = "to name new tools" if self._outgrown else "ahead of the service going away"
                self._route(self.session.lost(why, now))
                await trio.sleep(wait(outage.attempts))  # a service that sends everyone away at once is not stormed
                continue
            outage.reached += self._phase != "dial"
            self._route(self.session.lost(self.bus.secrets.redact(str(lost)), now))
            if (delay := self._recover(lost, outage, now)) is None:
                return
            why = f"attempt {outage.attempts}"
            await trio.sleep(delay if self._known else min(delay, outage.since + LAST_TRY - now))

    def _stable(self, lost: TransportLost | None, now: float) -> bool:
        """Whether the link that ended was a good one: it lived long or gave a reply; both, if it ended in a refusal."""
        assert self._linked_at is not None  # noqa: S101 - asked of links only
        lived, gave = now - self._linked_at > STABLE_AFTER, self.session.turn > self._turn_at_link
        return lived and gave if lost is not None and lost.code in REFUSALS else lived or gave

    def _recover(self, lost: TransportLost, outage: Outage, now: float) -> float | None:
        """Decides what follows a loss: gives the wait before the next attempt, None at the end, or raises Refused."""
        loss = Loss(
            lost.code,
            lost.reason,
            self._phase,
            has_handle=self.session.handle is not None,
            attempt=outage.attempts,
            reached=outage.reached,
            down_for=now - outage.since,
            known=self._known,
        )
        if self._refuses_search(lost):
            self._searches = False
            self.bus.publish(e.Notice(f"the service refused the setup ({lost.reason}); it is tried without search"))
            return 0.0
        decision = decide(loss, random.random())  # noqa: S311 - jitter
        if decision.action == "end":
            return None
        if decision.action == "give up":
            raise Refused(self.bus.secrets.redact(self._advice(lost)))
        if decision.action == "fresh":
            self.session.handle = None
            if lost.code == INVALID and self._phase == "session" and self.session.turn == self._turn_at_link:
                self.session.history.clear()  # nothing but what it was told can have displeased it
                self.bus.publish(e.Notice("the service refuses what it was told of the talk so far; it starts anew"))
        wait = f" in {decision.delay:.2g} s" if decision.delay else " at once"
        self.bus.publish(e.Trouble(f"connection lost: {decision.why}", lost.code, f"{decision.action}{wait}"))
        return decision.delay

    def _refuses_search(self, lost: TransportLost) -> bool:
        """Whether a first setup with both search and tools of ours was refused, as some models take but one of them."""
        both = len(self._declared) > 1 and any("googleSearch" in entry for entry in self._declared)
        key = "api key" in lost.reason.casefold()
        return lost.code == INVALID and self._phase == "setup" and not self._known and both and not key

    async def _one_link(self, outage: Outage) -> TransportLost | None:
        """Makes one link and keeps it; gives how it was lost, or None if we left ahead of the service's going."""
        self._phase = "dial"
        self.tap("dial", "")
        lost: TransportLost | None = TransportLost(ABNORMAL, "the link was given up")
        patience = trio.CancelScope(deadline=math.inf if self._known else outage.since + FIRST_DEADLINE)
        try:
            with patience:
                async with connected(self._address(), self.dial, self.tap, self._opened) as transport:
                    self._phase = "setup"
                    self.tap("open", "")
                    early, resumed = await self._set_up(transport)
                    self._phase, patience.deadline = "session", math.inf
                    self._announce(transport, outage, early, resumed=resumed)
                    ended: TransportLost | None = None
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._beat, transport)
                        nursery.start_soon(self._outgrow, nursery.cancel_scope)
                        nursery.start_soon(self._doubt, nursery.cancel_scope)
                        ended = await self._watch()
                        nursery.cancel_scope.cancel("the link is over")
                    lost = ended  # not reached where the transport was aborted
        except* TransportLost as group:
            lost = first_error(group)
        if patience.cancelled_caught:
            lost = TransportLost(ABNORMAL, f"it did not answer within {FIRST_DEADLINE:g} s")
        self.tap(*(("lost", f"{lost.code} {lost.reason}") if lost else ("left", "")))
        return lost

    @property
    def _where(self) -> str:
        return self.endpoint or self._built.base_url or self.environment.base_url or GOOGLE

    def _address(self) -> Address:
        endpoint, version = self._where, self._built.api_version or self.api_version
        key = self.environment.google_key or ("" if endpoint == GOOGLE else NO_KEY)
        if not key:
            raise Refused(
                "talking to Gemini needs an API key: set GOOGLE_API_KEY here or in .env, or use --backend local"
            )
        try:
            return Address.of(endpoint, version, key, key_in=self.key_in, headers=self._built.headers)
        except Refused as unusable:  # nobody was asked yet: it is the configuration that is wrong
            raise PlanError(str(unusable)) from None

    async def _set_up(self, transport: Transport) -> tuple[list[Signal], bool]:
        """Sends the setup and waits for its answer; gives what came up to it, and whether this is a resume."""
        self._take_saved()
        setup = dict(self._built.setup)
        handle = self.session.handle
        if handle and "sessionResumption" in setup:
            setup["sessionResumption"] = {**setup["sessionResumption"], "handle": handle}
        early: list[Signal] = []
        with trio.move_on_after(SETUP_DEADLINE):
            await transport.send(wire.encode(Setup(setup)))
            while True:
                early += wire.decode(await transport.receive())
                if any(isinstance(signal, SetupComplete) for signal in early):
                    return early, "handle" in setup.get("sessionResumption", ())
        raise TransportLost(ABNORMAL, f"the service did not answer the setup within {SETUP_DEADLINE:g} s")

    def _announce(self, transport: Transport, outage: Outage, early: list[Signal], *, resumed: bool) -> None:
        """The link stands: tells the session, the two ends of the wire and the world."""
        now = trio.current_time()
        again = self._known or resumed
        self._known, self._linked_at, self._turn_at_link = True, now, self.session.turn
        lost_ms = self.session.kept.lost_ms
        shown = fingerprint(self.session.handle) if self.session.handle else None
        replayed, effects = self.session.link(resumed=resumed)
        self._route(effects)
        link = Link(self.session.epoch, transport, tuple(early))
        self.downlink.send_nowait(link)
        self.uplink.send_nowait(link)
        if again:
            self.bus.publish(
                e.SessionResumed(
                    attempt=max(outage.attempts, 1),
                    gap_ms=e.milliseconds(now - outage.since),
                    replayed_ms=round(replayed, 1),
                    lost_ms=round(lost_ms, 1),
                    fresh=not resumed,
                    handle=shown if resumed else None,
                )
            )

    async def _watch(self) -> TransportLost | None:
        """Follows the link's reports until it is lost, or until it is time to leave ahead of goAway."""
        leave_at = float("inf")
        while True:
            with trio.move_on_at(leave_at) as deadline:
                report = await self.reports.receive()
            if deadline.cancelled_caught:
                return None
            if report.epoch != self.session.epoch:
                continue
            if isinstance(report, LinkLost):
                announced = report.code == NORMAL and leave_at < float("inf")
                return None if announced else TransportLost(report.code, report.reason)
            if isinstance(report, LeaveBy):
                left = report.deadline - trio.current_time()
                leave_at = report.deadline - min(LEAVE_MARGIN, left / 2)
            elif isinstance(report, Renewed):
                self._save()
            if leave_at < float("inf") and self.session.may_leave:
                return None

    def _wanted(self) -> list[dict[str, object]]:
        """Gives what the setup is to declare."""
        return [entry for entry in self.toolbox.declarations() if self._searches or "googleSearch" not in entry]

    @property
    def _outgrown(self) -> bool:
        return self._wanted() != self._declared

    async def _outgrow(self, link: trio.CancelScope) -> None:
        """Leaves at a turn boundary once there are other tools than this link's setup names.

        Where there are only fewer, a server is away, and may be back soon: nothing is lost by waiting for that.
        """
        since = trio.current_time()
        while not (self._outgrown and self.session.may_leave and trio.current_time() >= since):
            if not self._outgrown:
                await self.toolbox.changed()
                since = trio.current_time() + (FEWER_AFTER if _fewer(self._wanted(), self._declared) else 0.0)
            else:
                await trio.sleep(BOUNDARY_STEP)
                since = since if _fewer(self._wanted(), self._declared) else trio.current_time()
        link.cancel("there are other tools")

    async def _doubt(self, link: trio.CancelScope) -> None:
        """Leaves a service that has gone mute; what it left unanswered is said again on the next link."""
        while not self.session.mute(trio.current_time()):  # noqa: ASYNC110 - time alone may make it so
            await trio.sleep(DOUBT_STEP)
        self.session.patience.renew()
        self.bus.publish(e.Trouble("the service leaves everything unanswered", "mute", "another connection is made"))
        link.cancel("the service is mute")

    async def _beat(self, transport: Transport) -> None:
        while True:
            await trio.sleep(self.heartbeat)
            if not await transport.alive(self.patience):
                transport.abort()

    # -- the saved handle ------------------------------------------------------------------------------------

    def _take_saved(self) -> None:
        if self.resume and not self._known and self.session.handle is None:
            self.resume = False  # once: a handle that was refused is not tried again
            if not self.handle_file:
                self.bus.publish(e.Notice("no session is saved here, so there is none to resume; starting a new one"))
                return
            saved = self._vault().load(str(self._built.setup["model"]), self._built.setup)
            self.session.handle = saved.handle
            self.bus.secrets.hide(saved.handle, rotating=True)
            self.bus.publish(e.Notice(saved.note))

    def _vault(self) -> Vault:
        return Vault(Path(self.handle_file), self._address().shown)

    def _save(self) -> None:
        if self.handle_file and self.session.handle:
            try:
                self._vault().save(self.session.handle, str(self._built.setup["model"]), self._built.setup)
            except OSError as error:
                what = f"the session could not be saved to {self.handle_file}: {error.strerror}"
                self.bus.publish(e.Trouble(what, error.errno or 0, "--resume will not find it"))

    def _route(self, effects: tuple[Any, ...]) -> None:
        route(effects, self.bus, self.reply, self.control, self.calls)

    def _advice(self, lost: TransportLost) -> str:
        model = self.live.get("model")
        where = self._address().shown
        if self._phase == "dial":
            return f"{lost.reason}; check the network and the endpoint"
        answer = f"it answered {lost.code}: {lost.reason or 'no reason'}"
        if lost.code == ABNORMAL:
            answer = lost.reason or "the connection broke without a word"
        refused = self._phase == "setup" and lost.code == INVALID
        return f"asked {where} for a session with {model}, and {answer.rstrip('.')}; " + (
            advice(self._built.setup, lost.reason)
            if refused
            else "check the API key, the model (--model) and the endpoint"
        )
