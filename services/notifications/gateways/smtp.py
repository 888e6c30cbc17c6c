"""E-mail by SMTP (RFC 5321): handed to a mail server, which tells nothing afterwards; "sent" is the last we know."""

import smtplib
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from services.notifications import domain
from services.notifications.domain import Attempt, Message, Receipt
from services.notifications.gateways import Inbound
from shared.errors import NotFound

TIMEOUT = 10  # seconds for each step of the conversation
PORTS = {"smtp": 587, "smtps": 465}
MAILBOX_GONE = (550, 551, 553)  # RFC 5321 4.2.3: no such mailbox, or not here


class Smtp:
    """A gateway for e-mails."""

    name = "smtp"

    def __init__(self, url: str, *, sender: str, clock: Callable[[], datetime]) -> None:
        """`url` is smtp://user:password@host:port (STARTTLS where the server offers it) or smtps://…"""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self._tls_from_start = parts.scheme == "smtps"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._clock = sender, clock

    def send(self, message: Message) -> Attempt:
        """Hand over one e-mail. Its Message-ID is our own id, so that a copy sent after a crash is known as one."""
        try:
            with self._connection() as server:
                if not self._tls_from_start and server.has_extn("starttls"):
                    server.starttls(context=ssl.create_default_context())
                    server.ehlo()
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(self._email(message), self._sender, [message.to])
        except smtplib.SMTPAuthenticationError:
            return Attempt(False, domain.ACCOUNT_REFUSED, retryable=True)
        except smtplib.SMTPRecipientsRefused as e:
            return _refused(next(iter(e.recipients.values()))[0])
        except smtplib.SMTPResponseException as e:
            return _refused(e.smtp_code)
        except (smtplib.SMTPException, OSError):
            return Attempt(False, domain.NO_ANSWER, retryable=True)
        except (UnicodeError, ValueError):  # An address that no mail server could take.
            return Attempt(False, domain.NOT_IN_USE)
        return Attempt(True, domain.ON_ITS_WAY, provider_id=message.delivery_id)

    def read_receipt(self, inbound: Inbound) -> Receipt | None:
        """Mail servers send none. Raises NotFound."""
        raise NotFound("gateway-without-receipts", "Mail servers send no receipts.")

    def _connection(self) -> AbstractContextManager[smtplib.SMTP]:
        if self._tls_from_start:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=ssl.create_default_context())
        return smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)

    def _email(self, message: Message) -> EmailMessage:
        email = EmailMessage()
        email["From"] = self._sender
        email["To"] = message.to
        email["Subject"] = message.subject
        email["Date"] = format_datetime(self._clock())
        email["Message-ID"] = f"<{message.delivery_id}@{self._sender.rpartition('@')[2].rstrip('>')}>"
        email["Auto-Submitted"] = "auto-replied"  # RFC 3834: no holiday reply is wanted.
        email.set_content(message.text)
        email["Content-Language"] = message.language  # After set_content, which drops Content-* headers.
        return email


def _refused(code: int) -> Attempt:
    if 500 <= code < 600:
        return Attempt(False, domain.NOT_IN_USE if code in MAILBOX_GONE else domain.REFUSED)
    return Attempt(False, domain.GATEWAY_BUSY, retryable=True)
