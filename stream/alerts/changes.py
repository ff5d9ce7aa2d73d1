"""Deploys and what else happened of late: kept for a day, and found again for an alert."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from stream.config import OwnerRule
from stream.schema.deploys import Deploy
from stream.scopes import owned_labels

KEPT_S: Final = 24 * 3600  # as far back as the longest window puts an onset
MOST: Final = 10_000  # 24 h of one every 9 s; bounds memory against a flood
_ROW: Final = b"deploy/"
# What names a workload where `service` does not, the surest first. Of a repository its own name, without the
# owner's.
_NAMES: Final = ("deployment", "application", "repository")


class Changes:
    """By id, or by place in the log of those that have none. Part of the state of the alerts stage."""

    def __init__(self, owners: Sequence[OwnerRule]) -> None:
        self._owners = owners
        self._known: dict[str, Deploy] = {}
        self._located: dict[str, Deploy] = {}
        self._rows: dict[bytes, bytes] = {}

    def take(self, deploys: Iterable[Deploy], offset: int) -> None:
        """What a record at this offset says."""
        for place, deploy in enumerate(deploys):
            key = f"id/{deploy.id}" if deploy.id else f"{offset}/{place}"
            self._put(key, _joined(self._known[key], deploy) if key in self._known else deploy)

    def all(self) -> list[Deploy]:
        """All that is known, in order of time, with the labels that scopes have."""
        return sorted(self._located.values(), key=lambda deploy: (deploy.time_s, deploy.what))

    def forget(self, now_s: int) -> None:
        """Drop what is a day old, and the oldest of too many."""
        order = sorted(self._known, key=lambda key: (self._known[key].time_s, key))
        for index, key in enumerate(order):
            if self._known[key].time_s < now_s - KEPT_S or index < len(order) - MOST:
                del self._known[key], self._located[key], self._rows[_row(key)]

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self._rows.items()

    def restore(self, key: bytes, value: bytes) -> bool:
        """Take a state row, if it is one of these."""
        if not key.startswith(_ROW):
            return False
        self._put(key.removeprefix(_ROW).decode(), msgspec.json.decode(value, type=Deploy))
        return True

    def _put(self, key: str, deploy: Deploy) -> None:
        self._known[key] = deploy
        self._located[key] = msgspec.structs.replace(deploy, labels=located(deploy.labels, self._owners))
        self._rows[_row(key)] = msgspec.json.encode(deploy)


def located(labels: Mapping[str, str], owners: Iterable[OwnerRule]) -> dict[str, str]:
    """The labels of a deploy, with those that owner rules add, and with a service: what tools name their
    objects is what most people call their services."""
    known = owned_labels(labels, owners)
    if "service" not in known:
        name = next((known[label] for label in _NAMES if known.get(label)), "")
        if name:
            known["service"] = name.rpartition("/")[2]
    return known


def _row(key: str) -> bytes:
    return _ROW + key.encode()


def _joined(one: Deploy, other: Deploy) -> Deploy:
    """Two words on the same deploy: it begins with the first and ends with the last."""
    ends = [end_s for end_s in (one.end_s, other.end_s) if end_s is not None]
    return msgspec.structs.replace(
        other,
        time_s=min(one.time_s, other.time_s),
        end_s=max(ends, default=None),
        labels=one.labels | other.labels,
        url=other.url or one.url,
    )
