"""Only hosts that somebody has named are contacted."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from stream.errors import UserError


def check(what: str, urls: Sequence[str], allowed: Sequence[str]) -> None:
    """Raise `UserError` for an address that is no URL, or whose host is not allowed; it is not shown whole,
    since it may hold a secret."""
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "smtp") or not parts.hostname:
            raise UserError(f"{what}: give its url as http://host or https://host")
        if parts.hostname not in {host.lower() for host in allowed}:
            raise UserError(
                f"{what} is on host {parts.hostname!r}, which is not in"
                " notify.allowed_hosts: add it there if alerts may go to it"
            )
