"""A stream that hands everything through, for tests that want one with a habit of its own."""

import attrs
import trio


@attrs.define(slots=False)
class Through(trio.abc.Stream):
    """Does as `stream` does; whoever wants something else overrides it."""

    stream: trio.abc.Stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()
