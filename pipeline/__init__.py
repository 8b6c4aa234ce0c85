"""The ground of the house: messages, channels, the actor contract, supervision, the plan and its graph.

Nothing here imports an actor; the plan names them and `pipeline.graph` loads the names. The public API for
programs is `Plan`, `converse` and the types a user's own actor needs.
"""

from pipeline.actor import Shared, section
from pipeline.channels import Inlet, Outlet
from pipeline.conversation import Conversation, converse
from pipeline.events import Bus, Event
from pipeline.plan import Plan
from pipeline.settings import Within

__all__ = ["Bus", "Conversation", "Event", "Inlet", "Outlet", "Plan", "Shared", "Within", "converse", "section"]
