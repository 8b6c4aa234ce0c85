"""The toolbox of a relayed conversation: the plan's, without what the operator or the page has left out."""

from collections.abc import Iterable

import attrs

from pipeline.plan import Plan
from tools.registry import Tool
from tools.toolbox import Toolbox

NAME = "actors.gateway.relay_tools:chosen"


@attrs.define(eq=False)
class Chosen(Toolbox):
    """Knows no tool whose name is not in `allowed`, and the service's search by the name `google_search`."""

    allowed: frozenset[str] = attrs.field(factory=frozenset, kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._tools = {name: tool for name, tool in self._tools.items() if name in self.allowed}

    @property
    def google_search(self) -> bool:
        """Tells whether the service may search by itself."""
        return super().google_search and "google_search" in self.allowed

    def offer(self, server: str, tools: Iterable[Tool]) -> list[str]:
        """Takes those of a server's tools that are allowed."""
        return super().offer(server, [tool for tool in tools if tool.name in self.allowed])


def chosen(plan: Plan, *, allowed: list[str], inline: bool = False) -> Chosen:
    """Makes the toolbox of a plan with these tools alone."""
    return Chosen(plan.table("tools"), plan.folder, inline, plan.where, allowed=frozenset(allowed))
