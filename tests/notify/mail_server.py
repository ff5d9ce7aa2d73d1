"""A real mail server on loopback: TLS, login, and refusals as it is told."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.services import free_ports

USER, PASSWORD = "burnline", "pa55word"


class MailServer:
    """Keeps what it takes. `script` holds answers to the next texts, `unknown` addresses that it refuses."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        self.password = PASSWORD
        self.script: list[str] = []
        self.unknown: set[str] = set()
        self.messages: list[Message] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.port = 0

    async def handle_RCPT(
        self, _: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, session: Session, envelope: Envelope) -> str:
        if self.script:
            return self.script.pop(0)
        assert session.ssl is not None, "never in the clear"
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        return "250 2.0.0 queued"

    def _login(self, *arguments: Any) -> AuthResult:
        given = arguments[-1]
        right = LoginPassword(USER.encode(), self.password.encode())
        return AuthResult(success=given == right, handled=False)

    @contextmanager
    def running(self) -> Iterator["MailServer"]:
        [self.port] = free_ports(1)
        controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=self.context,
            require_starttls=True,
            auth_required=True,
            authenticator=self._login,
        )
        controller.start()
        try:
            yield self
        finally:
            controller.stop()
