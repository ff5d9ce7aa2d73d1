"""Finding the alert that somebody means, by its key or by the name of its scope."""

from collections.abc import Iterable

from aiohttp import web

from stream.alerts.consequence import problem
from stream.schema.alerts import Alert, State
from stream.serve.answers import refusal
from stream.serve.replica import Replica


def known(replica: Replica, since_s: int) -> list[Alert]:
    """What was told from `since_s` (event time) on, then what stands, which has gone on since."""
    standing = (one for one in replica.alerting().active() if one.state != State.PENDING)
    return [*replica.transitions(since_s), *standing]


def latest(alerts: Iterable[Alert], wanted: str) -> Alert | None:
    """The newest word on an alert, by any key of its problem or by the name of its scope."""
    told = [alert for alert in alerts if alert.digest is None]
    same = problem(wanted)
    found = (one for one in reversed(told) if wanted == one.scope or same == problem(one.dedup_key))
    return next(found, None)


def found(alerts: list[Alert], wanted: str) -> Alert:
    """The same. Raises 404 with the newest keys."""
    alert = latest(alerts, wanted)
    if alert is None:
        told = (one for one in reversed(alerts) if one.digest is None)
        newest = list(dict.fromkeys(one.dedup_key for one in told))[:3]
        hint = f"the newest are {', '.join(newest)}" if newest else "none was told in that time"
        raise refusal(web.HTTPNotFound, f"there is no alert {wanted[:300]!r}; {hint}")
    return alert
