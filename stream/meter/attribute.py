"""Which scopes an estimate adds to. Worked out once per distinct set of the labels that decide it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from stream.config import OwnerRule, ScopeRule
from stream.config_policy import Policy
from stream.schema.spend import CALIBRATION, CHILD, DRIVER, IDLE, NOTE, UNOWNED, Name
from stream.scopes import (
    BILLING,
    TOTAL,
    UNMAPPED,
    UNPRICED,
    calibrated_scope,
    fits,
    owned_labels,
    policy_scope,
    scope_name,
)

# What an invoice line and the price book know estimates by.
_BILLED: Final = ("provider", "account", "cloud_service", "service", "region")
# What policies know beside labels.
DRIVER_LABEL, SKU = "driver", "sku"
_PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """`labels` are those that matter: which decide what follows, or the price. `rows` are what the money adds
    to.

    `narrowest` is the last of the scopes, or None where that is `total`. `billing` is (provider, account,
    service), the key that an invoice line has too, or None.
    """

    driver: str
    labels: dict[str, str]
    rows: tuple[Name, ...]
    narrowest: str | None
    billing: tuple[str, str, str] | None
    unmapped: bool

    @property
    def unpriced(self) -> tuple[Name, ...]:
        """What an estimate without cost or price adds to besides."""
        return _special(UNPRICED, self.driver, self.narrowest)

    @property
    def notes(self) -> tuple[Name, ...]:
        """The same scopes' remarks on calibrated money. The last note of a billed label set is a scope of its
        own, since components are held for days, scopes for weeks."""
        notes = tuple(Name(row.scope, CALIBRATION, NOTE) for row in self.rows if row.role == DRIVER)
        if self.billing is not None:
            notes = (*notes, Name(calibrated_scope(self.billing), CALIBRATION, DRIVER))
        return notes


class Attributor:
    """Ownership rules and scope rules, applied to one label set at a time. Pure and deterministic.

    Most labels (a pod's name) decide nothing, so thousands of label sets get the same attribution. At most
    `remembered` are kept; then all are forgotten.
    """

    def __init__(
        self,
        scopes: Iterable[ScopeRule],
        owners: Iterable[OwnerRule],
        owner_label: str,
        remembered: int,
        policies: Iterable[Policy] = (),
    ) -> None:
        self._scopes = tuple(scopes)
        self._owners = tuple(owners)
        self._owner_label = owner_label
        self._policies = tuple(policies)
        self._by_sku = any(SKU in (rule.match | rule.allow) for rule in self._policies)
        self._matter = sorted(self._mattering())
        self._remembered = remembered
        self._known: dict[tuple[str | None, ...], Attribution] = {}

    def _mattering(self) -> set[str]:
        matter = {self._owner_label, *_BILLED}
        for scope in self._scopes:
            matter.update(scope.labels)
        for policy in self._policies:
            matter.update({*policy.match, *policy.allow} - {DRIVER_LABEL, SKU})
        for rule in self._owners:
            matter.update(rule.match, rule.set)
            for template in rule.set.values():
                matter.update(_PLACEHOLDER.findall(template))
        return matter

    def attribute(self, labels: Mapping[str, str], driver: str, sku: str = "") -> Attribution:
        """The scopes of one label set. An estimate without an owner also counts in `unmapped`, one
        without cost or price in `unpriced`: both are scopes like any other."""
        sku = sku if self._by_sku else ""
        key = (driver, sku, *map(labels.get, self._matter))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self._remembered:
                self._known.clear()
            matter = {label: labels[label] for label in self._matter if label in labels}
            found = self._known[key] = self._attribute(matter, driver, sku)
        return found

    def _attribute(self, labels: Mapping[str, str], driver: str, sku: str) -> Attribution:
        owned = owned_labels(labels, self._owners)
        member = {rule.name: self._member(rule, owned) for rule in self._scopes}
        unmapped = not owned.get(self._owner_label)
        rows: list[Name] = []
        narrowest = None
        for rule in self._scopes:
            scope = member[rule.name]
            if scope is None:
                continue
            narrowest = scope
            rows.append(Name(scope, driver, DRIVER))
            child = member.get(rule.children) if rule.children else None
            if unmapped and rule.name == TOTAL:
                child = UNMAPPED
            if child is not None:
                rows.append(Name(scope, child, CHILD))
        if narrowest == TOTAL:
            narrowest = None
        remarks = [UNOWNED] * unmapped + [IDLE] * (IDLE in owned.values())
        rows += [
            Name(scope, remark, NOTE) for remark in remarks for scope in member.values() if scope is not None
        ]
        if unmapped:
            rows += _special(UNMAPPED, driver, narrowest)
        for policy in self._policies:
            if _breaks(policy, owned | {DRIVER_LABEL: driver, SKU: sku}):
                rows += _special(policy_scope(policy.name), driver, narrowest)
        billing = self._billing(owned)
        if billing is not None:
            rows.append(Name(scope_name(BILLING, billing), driver, DRIVER))
        return Attribution(driver, owned, tuple(rows), narrowest, billing, unmapped)

    @staticmethod
    def _member(rule: ScopeRule, labels: Mapping[str, str]) -> str | None:
        """The scope of this kind, or None where the label that names it is missing."""
        values = [value for key in rule.labels if (value := labels.get(key))]
        if rule.labels and not labels.get(rule.labels[-1]):
            return None
        return scope_name(rule.name, values)

    @staticmethod
    def _billing(labels: Mapping[str, str]) -> tuple[str, str, str] | None:
        """`cloud_service` is the provider's name for the service where `service` names a workload."""
        service = labels.get("cloud_service") or labels.get("service")
        if not (service and labels.get("provider") and labels.get("account")):
            return None
        return labels["provider"], labels["account"], service


def _breaks(policy: Policy, labels: Mapping[str, str]) -> bool:
    """Whether a policy concerns what has these labels, and does not allow it."""
    return fits(policy.match, labels) and not (policy.allow and fits(policy.allow, labels))


def _special(scope: str, driver: str, narrowest: str | None) -> tuple[Name, ...]:
    own = Name(scope, driver, DRIVER)
    return (own,) if narrowest is None else (own, Name(scope, narrowest, CHILD))
