"""Names of scopes: how a set of labels becomes `service=shop/checkout`, and back; and owner rules."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from stream.config import OwnerRule, ScopeRule
from stream.schema.spend import CALIBRATION

TOTAL: Final = "total"
UNMAPPED: Final = "unmapped"
UNPRICED: Final = "unpriced"
BILLING: Final = "billing"
POLICY: Final = "policy"
SOURCE: Final = "source"
PRICE: Final = "price"


def scope_name(kind: str, values: Sequence[str]) -> str:
    """`service=shop/checkout`. A slash inside a value is escaped, so that the name can be taken apart."""
    if not values:
        return kind
    if len(values) > 1:
        values = [value.replace("%", "%25").replace("/", "%2F") for value in values]
    return f"{kind}={'/'.join(values)}"


def policy_scope(name: str) -> str:
    """What breaks the policy of that name adds up in it."""
    return scope_name(POLICY, [name])


def source_scope(name: str) -> str:
    """What alerts about a source call it. No money adds up in it."""
    return scope_name(SOURCE, [name])


def price_scope(provider: str, region: str, driver: str, sku: str) -> str:
    """What alerts about a unit price call it; what is empty is left out."""
    return scope_name(PRICE, [part for part in (provider, region, driver, sku) if part])


def about_meter(scope: str) -> bool:
    """Whether alerts on the scope are about what burnline sees, not about what is spent."""
    return scope.startswith((f"{SOURCE}=", f"{PRICE}="))


def calibrated_scope(billing: Iterable[str]) -> str:
    """What factors added to the estimates of one (provider, account, service)."""
    return scope_name(BILLING, (*billing, CALIBRATION))


def scope_labels(scope: str, rules: Iterable[ScopeRule]) -> dict[str, str]:
    """The labels a scope stands for, the inverse of `scope_name`."""
    kind, _, value = scope.partition("=")
    for rule in rules:
        if rule.name == kind and value:
            if len(rule.labels) == 1:
                return {rule.labels[0]: value}
            parts = [part.replace("%2F", "/").replace("%25", "%") for part in value.split("/")]
            return dict(zip(rule.labels[len(rule.labels) - len(parts) :], parts, strict=False))
    return {}


def partition_of(scope: str, partitions: int) -> int:
    """Where a scope lives, with all its components. Fixed for good once `spend` holds data."""
    return zlib.crc32(scope.encode()) % partitions


def owned_labels(labels: Mapping[str, str], owners: Iterable[OwnerRule]) -> dict[str, str]:
    """The labels with those that owner rules add."""
    owned = dict(labels)
    for rule in owners:
        if fits(rule.match, owned):
            for key, template in rule.set.items():
                if key not in owned:
                    owned[key] = _fill(template, owned)
    return owned


def fits(patterns: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every pattern fits the label of its name; a missing label is empty."""
    return all(fnmatchcase(labels.get(key, ""), pattern) for key, pattern in patterns.items())


def _fill(template: str, labels: Mapping[str, str]) -> str:
    for key, value in labels.items():
        template = template.replace("{" + key + "}", value)
    return template
