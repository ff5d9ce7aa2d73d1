"""The section `actions` of `burnline.yaml`: containment that is proposed, and waits for an approval."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stream.config_section import Section
from stream.schema.commands import Match

# The names of stream/alerts/recipes.py; a test compares them.
StepName = Literal[
    "roll-back", "cap-autoscaler", "scale-workload", "quiet-logs", "stop-function", "close-bucket",
    "deny-bucket-reads", "close-security-group", "deny-egress", "cap-nodes", "cancel-runs",
    "disable-workflow",
]  # fmt: skip


class ActionRule(Section):
    """Proposes one containment step for alerts. burnline never runs it: once somebody has approved it by
    name, it is handed to `destination` and to the topic `actions`. Without rules nothing is proposed."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
    """what people call it; ids of actions begin with it"""
    step: StepName
    """what to do, by its name in [operations](operations.md#actions); proposed where no label is missing"""
    scopes: tuple[str, ...] = ()
    """scopes by name (shell patterns: `*`, `?`)"""
    labels: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """or the scopes with all of these labels (shell patterns)"""
    severity: Literal["page", "ticket"] = "page"
    """the least that an alert must be"""
    destination: str = ""
    """the webhook of `notify.destinations` that is told; without one only the topic is"""
    dry_run: bool = True
    """all is done as if it were meant, under other types, so that nobody acts on it; false: it is meant"""
    expires_s: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """how long it may be approved"""

    @model_validator(mode="after")
    def _is_about_something(self) -> "ActionRule":
        self.about()
        return self

    def about(self) -> Match:
        """Which scopes. Raises ValueError where none is named."""
        return Match(scopes=self.scopes, labels=self.labels)
