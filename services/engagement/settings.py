"""What engagement is told at its start, beyond what every service is told."""

from dataclasses import dataclass

from shared.settings import Common, secret, setting, whole_number


@dataclass(frozen=True)
class Settings(Common):
    """The settings of engagement. An SMS gateway without its secret is switched off."""

    simulator_secret: bytes = setting(
        "the secret that the SMS simulator signs with: openssl rand -hex 32; empty switches the simulator off",
        default=b"",
        read=secret,
    )
    twilio_auth_token: str = setting(
        "the auth token of the Twilio account whose number citizens text; empty switches Twilio off", default=""
    )
    sms_number: str = setting("the number citizens text, as the page shows it; empty: the page shows none", default="")
    operator: str = setting(
        "who reads what people send, as the page says it in every language; empty: the local health and care partners",
        default="",
    )
    answer_days: int = setting(
        "within how many days somebody reads a contribution, as the page promises",
        default=28,
        read=whole_number(1, 365),
    )
