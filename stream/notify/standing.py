"""Whether a destination has proven that it takes alerts, and what the others are told when it has not.

A cost monitor's worst failure is silence, so a destination is believed only once it has taken something, by
this address and with this key, and for as long as it goes on doing so.
"""

import hashlib
import json
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from stream.config_notify import Notify, Place
from stream.notify.memory import Memory
from stream.notify.notices import failing, resolved, unproven
from stream.schema.alerts import Alert
from stream.schema.notify_state import PROOF, Alarm, Proof, Trial, decode, encode

# Of what is repeated every minute, one proof an hour is written down.
_WRITTEN_EVERY_MS: Final = 3_600_000


class Standing:
    """The proof of one destination, kept in its memory. Pure: every time comes from the caller."""

    def __init__(self, settings: Place, rules: Notify, memory: Memory) -> None:
        self._settings = settings
        self._rules = rules
        self._memory = memory

    def proof(self, now_ms: int) -> Proof:
        """As it stands; a new one for a destination that is new, or has another address or key."""
        fingerprint = fingerprint_of(self._settings)
        kept = self._memory.get(PROOF)
        proof = decode(kept) if kept is not None else None
        if proof is None or proof.settings != fingerprint:
            new = Proof(destination=self._settings.name, settings=fingerprint, since_ms=now_ms)
            # What failed has not been seen to work by the new address or key either.
            proof = new if proof is None else _carried_over(proof, new)
            self._put(proof)
        return proof

    def taken(self, now_ms: int, *, repeated: bool = False) -> None:
        """It has taken something."""
        proof = self.proof(now_ms)
        fresh = proof.proven_ms is not None and now_ms - proof.proven_ms < _WRITTEN_EVERY_MS
        if repeated and fresh and proof.failing_since_ms is None:
            return
        self._change(proof, proven_ms=now_ms, failing_since_ms=None, detail="", blocked=False, waiting="")

    def failed(self, now_ms: int, detail: str, *, blocked: bool, waiting: str = "") -> None:
        """It has not taken the alert `waiting`, or something that nobody waits for."""
        proof = self.proof(now_ms)
        since_ms = now_ms if proof.failing_since_ms is None else proof.failing_since_ms
        self._change(
            proof,
            failing_since_ms=since_ms,
            detail=detail,
            blocked=blocked,
            waiting=waiting or proof.waiting,
        )

    def tried(self, trial: Trial) -> None:
        """A test has come to its end."""
        self._change(self.proof(trial.at_ms), trial=trial)

    def alarms(self, now_ms: int) -> list[Alert]:
        """What to tell the other destinations now: that this one is silent, or is no longer."""
        proof = self.proof(now_ms)
        kind = self._kind(proof, now_ms)
        if (proof.alarm.kind if proof.alarm is not None else "") == kind:
            return []
        told = []
        if proof.alarm is not None:
            told.append(resolved(self._notice(proof, proof.alarm), now_ms))
        alarm = None
        if kind:
            since_ms = proof.failing_since_ms if kind == "failing" else proof.since_ms
            assert since_ms is not None
            key = f"delivery/{proof.destination}@{since_ms // 1000}/{kind}"
            alarm = Alarm(kind=kind, dedup_key=key, since_ms=since_ms)
            told.append(self._notice(proof, alarm, now_ms))
        self._change(proof, alarm=alarm)
        return told

    def _kind(self, proof: Proof, now_ms: int) -> str:
        failing_ms = proof.failing_since_ms
        if failing_ms is not None and now_ms - failing_ms >= self._rules.alarm_after_s * 1000:
            return "failing"
        if proof.alarm is not None and proof.alarm.kind == "failing" and failing_ms is not None:
            return "failing"
        waited_ms = now_ms - proof.since_ms
        if proof.proven_ms is None and waited_ms >= self._rules.unproven_after_s * 1000:
            return "unproven"
        return ""

    def _notice(self, proof: Proof, alarm: Alarm, now_ms: int = 0) -> Alert:
        pages = "page" in self._settings.severities
        made = failing(proof, pages) if alarm.kind == "failing" else unproven(proof)
        return msgspec.structs.replace(
            made,
            dedup_key=alarm.dedup_key,
            onset_s=alarm.since_ms // 1000,
            time_s=now_ms // 1000,
            fired_s=alarm.since_ms // 1000,
            spent_ms=now_ms,
            emitted_ms=now_ms,
        )

    def _change(self, proof: Proof, **changes: Any) -> None:
        self._put(msgspec.structs.replace(proof, **changes))

    def _put(self, proof: Proof) -> None:
        self._memory.set(PROOF, encode(proof).decode())


def _carried_over(old: Proof, new: Proof) -> Proof:
    return msgspec.structs.replace(
        new,
        failing_since_ms=old.failing_since_ms,
        detail=old.detail,
        blocked=old.blocked,
        waiting=old.waiting,
        alarm=old.alarm,
    )


def fingerprint_of(settings: Place) -> str:
    """Tells one configuration from another; too short (32 bits) to find a weak secret by."""
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if name != "severities"
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
