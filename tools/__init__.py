"""Tools that a model may call: the registry, and the house's own weather, clock and search.

`tool` marks a function, `Toolbox` holds those of a conversation; see `tools.registry` for how to write one.
"""

from tools.registry import Emit, Given, Tool, tool
from tools.toolbox import Toolbox
from tools.values import Bounds

__all__ = ["Bounds", "Emit", "Given", "Tool", "Toolbox", "tool"]
