"""The destinations of a configuration."""

from collections.abc import Sequence
from typing import assert_never

from stream import config_notify as config
from stream.notify.alertmanager import Alertmanager
from stream.notify.destination import Destination
from stream.notify.mail import Email
from stream.notify.pagerduty import PagerDuty
from stream.notify.slack import Slack
from stream.notify.ticket import Ticket
from stream.notify.webhook import Webhook


def destinations(settings: config.Notify) -> Sequence[Destination]:
    """All of them, in the order of the file."""
    return [destination(one, settings) for one in settings.destinations]


def destination(one: config.AnyDestination, settings: config.Notify) -> Destination:
    """One of them, which knows of no alert yet."""
    match one:
        case config.Alertmanager():
            return Alertmanager(one, settings.resend_s)
        case config.Email():
            return Email(one)
        case config.PagerDuty():
            return PagerDuty(one)
        case config.Slack():
            return Slack(one)
        case config.Ticket():
            return Ticket(one)
        case config.Webhook():
            return Webhook(one)
        case _:
            assert_never(one)
