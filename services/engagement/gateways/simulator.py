"""The SMS simulator: JSON, signed as Standard Webhooks (https://www.standardwebhooks.com).

POST /sms/simulator
webhook-id: msg_2f7c, webhook-timestamp: 1795300000, webhook-signature: v1,K5oZ…
{"id": "msg_2f7c", "from": "+447700900123", "to": "+447700900999", "text": "The bus no longer stops here"}
"""

from services.engagement import bodies
from services.engagement.gateways import Answer, Call, InboundText
from shared.errors import Invalid
from shared.signing import verify_webhook

NAME = "simulator"


class Simulator:
    """The simulator's side, for one secret."""

    answer = Answer("{}", "application/json")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def verify(self, call: Call) -> None:
        """Raise Forbidden unless the simulator signed this within five minutes."""
        verify_webhook(self._secret, call.headers, call.body)

    def parse(self, call: Call) -> InboundText:
        """The text. Raises Invalid."""
        given = bodies.read_json(call.body, call.charset)
        values = given if isinstance(given, dict) else {}
        strings = {name: values[name] for name in ("id", "from", "to", "text") if isinstance(values.get(name), str)}
        if not (strings.get("id") and strings.get("from")) or "text" not in strings:
            raise Invalid("text-incomplete", 'A text needs "id", "from" and "text", each a string.')
        return InboundText(NAME, strings["id"], strings["from"], strings["text"], strings.get("to", ""))
