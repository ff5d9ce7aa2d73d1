"""What the meter has counted since it was first started: the terms of the identity, and the defects."""

import msgspec


class Counters(msgspec.Struct):
    """Counts of estimates and their dollars; part of the meter's state, so they survive a crash.

    `sent` is counted where a message is decoded, `accepted` where spend rows leave; the identity
    sent = accepted + duplicate + rejected therefore compares two ends of the stage, in events and in
    nano-dollars. A message that can't be decoded counts as one rejected event of 0 dollars.
    """

    sent_events: int = 0
    sent_nusd: int = 0
    accepted_events: int = 0
    accepted_nusd: int = 0
    duplicate_events: int = 0
    duplicate_nusd: int = 0
    rejected_events: int = 0
    rejected_nusd: int = 0
    late_events: int = 0
    late_nusd: int = 0
    unpriced_events: int = 0
    unmapped_nusd: int = 0
    rejected_by_reason: dict[str, int] = {}

    @property
    def balanced(self) -> bool:
        """Whether the identity holds, in events and in dollars."""
        return (
            self.sent_events == self.accepted_events + self.duplicate_events + self.rejected_events
            and self.sent_nusd == self.accepted_nusd + self.duplicate_nusd + self.rejected_nusd
        )
