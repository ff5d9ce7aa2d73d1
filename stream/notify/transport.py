"""The only I/O of notify: one request out, one answer back. Every failure is an answer, no exception."""

import datetime as dt
import email.utils
import logging
import ssl
from collections.abc import Callable
from email.utils import parseaddr
from typing import Final

import aiohttp
import aiosmtplib

from stream.notify.destination import Answer, Mail, Request

_EXCERPT: Final = 200  # characters of an answer that people are shown
_MOST_BYTES: Final = 256 * 1024  # of an answer that are read

_log = logging.getLogger(__name__)


class Transport:
    """Sends for one destination. `timeout_s` is the limit of one attempt."""

    def __init__(self, session: aiohttp.ClientSession, timeout_s: float, now_ms: Callable[[], int]) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._now_ms = now_ms

    async def send(self, outgoing: Request | Mail) -> Answer:
        return await (self._mail(outgoing) if isinstance(outgoing, Mail) else self._request(outgoing))

    async def _mail(self, mail: Mail) -> Answer:
        server = mail.server
        password = server.password.get_secret_value() if server.password is not None else None
        try:
            context = ssl.create_default_context(cafile=server.ca_file)
            refused, said = await aiosmtplib.send(
                mail.message,
                sender=parseaddr(server.sender)[1],
                recipients=[parseaddr(each)[1] for each in server.recipients],
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=password,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                tls_context=context,
                timeout=self._timeout.total,
            )
            if refused:  # the others have it: to send it again would be worse
                _log.error("%s: the mail server refused %s", server.name, ", ".join(sorted(refused)))
            return Answer(250, _excerpt(said.encode()))
        except aiosmtplib.SMTPRecipientsRefused as error:
            worst = max(error.recipients, key=lambda one: one.code)
            return Answer(worst.code, _excerpt(worst.message.encode()), body=b"RCPT")
        except aiosmtplib.SMTPResponseException as error:
            phase = b"DATA" if isinstance(error, aiosmtplib.SMTPDataError) else b""
            return Answer(error.code, _excerpt(error.message.encode()), body=phase)
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            return Answer(None, f"{type(error).__name__} {error}".strip())

    async def _request(self, request: Request) -> Answer:
        try:
            # A redirect could lead to a host that is not allowed. Alerts are rare: a kept connection would
            # mostly be one that the server has closed by then, and cost an attempt.
            async with self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers={**request.headers, "Connection": "close"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(_MOST_BYTES)
                retry_after_s = self._retry_after_s(response.headers.get("Retry-After"))
                return Answer(response.status, _excerpt(body), retry_after_s, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(None, f"{type(error).__name__} {error}".strip())

    def _retry_after_s(self, header: str | None) -> float | None:
        """Seconds, from either form of the header: a number or a date."""
        if header is None:
            return None
        if header.strip().isdecimal():
            return float(header)
        try:
            moment = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return max(0.0, aware.timestamp() - self._now_ms() / 1000)


def _excerpt(body: bytes) -> str:
    return " ".join(body[:_EXCERPT].decode(errors="replace").split())
