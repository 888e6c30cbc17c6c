"""Twilio's incoming messages: a form, signed over the public address
(https://www.twilio.com/docs/messaging/guides/webhook-request and /docs/usage/security).

    POST /sms/twilio
    X-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=
    ToCountry=GB&SmsMessageSid=SM2b…&NumMedia=0&From=%2B447700900123&To=%2B447700900999&Body=Hello&MessageSid=SM2b…
    &NumSegments=1&AccountSid=AC2f…&ApiVersion=2010-04-01
"""

from services.engagement import bodies
from services.engagement.gateways import Answer, Call, InboundText
from shared.errors import Invalid
from shared.signing import verify_twilio

NAME = "twilio"


class Twilio:
    """Twilio's side, for one account's auth token."""

    # An empty response: the answer comes later, by notifications (https://www.twilio.com/docs/messaging/twiml).
    answer = Answer('<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml")

    def __init__(self, auth_token: str) -> None:
        self._auth_token = auth_token

    def verify(self, call: Call) -> None:
        """Raise Forbidden unless Twilio signed this address and these fields."""
        form = bodies.read_form(call.body, call.charset)
        verify_twilio(self._auth_token, call.url, form, call.headers.get("X-Twilio-Signature", ""))

    def parse(self, call: Call) -> InboundText:
        """The text. One of pictures alone has no words, and counts as empty. Raises Invalid."""
        form = dict(bodies.read_form(call.body, call.charset))
        provider_id = form.get("MessageSid") or form.get("SmsMessageSid") or form.get("SmsSid")
        if not provider_id or not form.get("From"):
            raise Invalid("text-incomplete", "A message needs MessageSid and From.")
        return InboundText(NAME, provider_id, form["From"], form.get("Body", ""), form.get("To", ""))
