"""How money, times and alerts are written for people. The only place that does."""

import datetime as dt
import re
from typing import Final
from urllib.parse import quote

from detectors.scoring import span
from stream.config_alerts import Alerting
from stream.schema.alerts import METER, Alert, Planned, State

_KEY: Final = re.compile(r"[?&]\w+=\{key\}")
NANO: Final = 1_000_000_000


def usd(amount: float) -> str:
    """Dollars as people read them: cents below ten dollars, whole dollars above, thousands apart.

    >>> usd(412.3), usd(0.42), usd(18_204), usd(-3.5), usd(0), usd(0.004)
    ('$412', '$0.42', '$18,204', '-$3.50', '$0', '<$0.01')
    """
    sign = "-" if amount < 0 else ""
    amount = abs(amount)
    if amount == 0:
        return "$0"
    if amount < 0.005:
        return f"{sign}<$0.01"
    if round(amount, 2) < 10:
        return f"{sign}${amount:.2f}"
    return f"{sign}${amount:,.0f}"


def usd_of(nusd: int) -> str:
    """Nano-dollars, written as `usd` does."""
    return usd(nusd / NANO)


def ratio(now: float, normal: float | None) -> str:
    """How many times normal, with its sign; empty when normal is not known or nothing.

    >>> ratio(412, 21), ratio(4120, 21), ratio(5, None)
    ('×19.6', '×196', '')
    """
    if normal is None or normal <= 0:
        return ""
    times = now / normal
    return f"×{times:,.0f}" if times >= 100 else f"×{times:.1f}"


def clock(time_s: int, today_s: int | None = None) -> str:
    """A time in UTC, with its day unless it is the day of `today_s`.

    >>> clock(1767276120, 1767280000), clock(1767276120)
    ('14:02 UTC', '1 Jan 14:02 UTC')
    """
    moment = dt.datetime.fromtimestamp(time_s, dt.UTC)
    if today_s is not None and moment.date() == dt.datetime.fromtimestamp(today_s, dt.UTC).date():
        return f"{moment:%H:%M} UTC"
    return f"{moment.day} {moment:%b %H:%M} UTC"


def burn(alert: Alert) -> str:
    """`$412/h, normally $21/h (×19.6)`."""
    now, normal = alert.burn_usd_per_hour, alert.baseline_usd_per_hour
    if normal is None:
        return f"{usd(now)}/h, what is normal is not known yet"
    times = ratio(now, normal)
    return f"{usd(now)}/h, normally {usd(normal)}/h" + (f" ({times})" if times else "")


def summary(alert: Alert) -> str:
    """The alert in one sentence; of what is about the meter, the first of its reason."""
    if alert.about == METER:
        if alert.state == State.RESOLVED:
            return f"{alert.scope} is well again after {span(alert.time_s - alert.onset_s)}"
        return alert.reason.partition(". ")[0].removesuffix(".")
    verb = "is back to" if alert.state == State.RESOLVED else "burns"
    excess = f"{usd_of(alert.excess_nusd)} beyond normal since {clock(alert.onset_s, alert.time_s)}"
    return f"{alert.scope} {verb} {burn(alert)}; {excess}"


def over_plan(plan: Planned, burn_usd_per_hour: float) -> str:
    """`$520/h is above the planned $400/h (load test, by ana, until 18:00 UTC).`"""
    about = ", ".join(filter(None, (plan.note, f"by {plan.by}" if plan.by else "")))
    until = clock(plan.until_s)
    return f"{usd(burn_usd_per_hour)}/h is above the planned {usd(plan.ceiling_usd_per_hour)}/h" + (
        f" ({about}, until {until})." if about else f" (until {until})."
    )


def runbook_url(rules: Alerting, detector: str, scope: str, key: str = "") -> str:
    """`runbook_url` with {detector}, {scope} and {key} filled in; other braces are left as they are.

    Without a key its parameter is left out.
    """
    url = rules.runbook_url if key else _KEY.sub("", rules.runbook_url)
    for place, value in (("{detector}", detector), ("{scope}", scope), ("{key}", key)):
        url = url.replace(place, quote(value, safe=""))
    return url


def console_url(rules: Alerting, scope: str) -> str:
    return f"{rules.console_url.rstrip('/')}/?scope={quote(scope, safe='')}"


def feedback_url(rules: Alerting, scope: str, key: str) -> str:
    """Where to say what the alert was."""
    return f"{console_url(rules, scope)}&alert={quote(key, safe='')}"
