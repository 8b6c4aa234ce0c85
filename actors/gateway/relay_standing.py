"""Where relayed conversations stand, as any gateway may read it in the store, so that another can go on."""

import attrs
import msgspec

from actors.gateway.offer import Wish
from actors.gateway.relay_talk import Talk
from actors.gateway.store import Store


@attrs.frozen
class Standing:
    """Where a conversation stands; `gateway` is who has it now, `since` when it began, in seconds of wall time."""

    secret: str
    user: str
    gateway: str
    handle: str = attrs.field(repr=False)
    settled: int
    received: int
    played: int
    answered: int
    since: float = 0.0
    model: str | None = None
    voice: str | None = None
    language: str | None = None
    tools: tuple[str, ...] | None = None

    @classmethod
    def of(cls, talk: Talk, wish: Wish, gateway: str) -> "Standing | None":
        """Tells where a conversation stands; None while no session could be resumed."""
        if talk.session is None or talk.session.handle is None:
            return None
        received = talk.page.received
        settled = talk.settled
        if talk.quiet:
            settled, talk.answered = received, talk.said
        return cls(
            talk.secret, talk.user, gateway, talk.session.handle, settled, received, talk.page.ring.position,
            talk.answered, talk.since, wish.model, wish.voice, wish.language, wish.tools,
        )  # fmt: skip

    @property
    def wish(self) -> Wish:
        """What its page asked for."""
        return Wish(self.model, self.voice, self.language, self.tools)


@attrs.frozen
class Shelf:
    """The store, as one gateway uses it for standings; each is kept for `life` seconds after it was saved last."""

    store: Store
    gateway: str
    life: float

    async def load(self, session: str) -> Standing | None:
        """Gives where a conversation stands."""
        kept = await self.store.load_relay(session)
        return None if kept is None else msgspec.json.decode(kept, type=Standing)

    async def save(self, session: str, standing: Standing | None) -> None:
        """Keeps where a conversation stands, if that is known."""
        if standing is not None:
            await self.store.save_relay(session, msgspec.json.encode(standing), self.life)

    async def take(self, session: str, standing: Standing) -> None:
        """Says that this gateway has a conversation now; the other, should it live, lets go of it from here on."""
        await self.save(session, attrs.evolve(standing, gateway=self.gateway))

    async def gone_elsewhere(self, session: str) -> bool:
        """Tells whether another gateway has a conversation."""
        kept = await self.load(session)
        return kept is not None and kept.gateway != self.gateway
