"""What notifications is told from outside: which gateways exist, and which of them sends what."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.settings import Common, address, secret, setting


def mail_server(text: str) -> str:
    """A reader for a mail server's address: smtp:// (STARTTLS where offered) or smtps://, a host, perhaps a port."""
    parts = urlsplit(text)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("it does not look like smtp://user:password@host:port")
    return text


def one_of(*names: str):
    """A reader for a choice between names."""

    def read_choice(text: str) -> str:
        if text not in names:
            raise ValueError(f"it is none of {', '.join(names)}")
        return text

    return read_choice


@dataclass(frozen=True)
class Settings(Common):
    """A gateway without an address or account is off. With none for a channel its messages fail with that reason."""

    simulator_url: str = setting(
        "the SMS simulator's address; without it the simulator is off", default="", read=address
    )
    simulator_secret: bytes = setting(
        "the secret shared with the simulator: openssl rand -hex 32", default=b"", read=secret
    )
    twilio_account_sid: str = setting("the Twilio account; without it Twilio is off", default="")
    twilio_auth_token: str = setting("the Twilio account's auth token", default="")
    sms_number: str = setting("the number that texts come from, in the form +447700900000", default="")
    smtp_url: str = setting(
        "the mail server: smtp://user:password@host:587; without it no e-mail is sent", default="", read=mail_server
    )
    email_from: str = setting("the address that e-mails come from", default="")
    sms_gateway: str = setting(
        "which gateway sends texts: simulator or twilio; if not given, the simulator where it is on",
        default="",
        read=one_of("simulator", "twilio"),
    )
    email_gateway: str = setting(
        "which gateway sends e-mails: simulator or smtp; if not given, the simulator where it is on",
        default="",
        read=one_of("simulator", "smtp"),
    )
