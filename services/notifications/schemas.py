"""What the HTTP API of notifications looks like."""

from marshmallow import Schema, fields


class DeliverySchema(Schema):
    """The state of one message: no address, no text."""

    delivery_id = fields.String(required=True, metadata={"example": "mzxw6ytboi3dcmrtgq2tmnzyha.receipt"})
    version = fields.Integer(required=True, metadata={"example": 3})
    kind = fields.String(required=True, metadata={"example": "receipt"})
    channel = fields.String(required=True, metadata={"enum": ["sms", "email"], "example": "sms"})
    state = fields.String(
        required=True,
        metadata={"enum": ["pending", "sending", "sent", "delivered", "failed", "cancelled"], "example": "delivered"},
    )
    reason = fields.String(required=True, metadata={"description": "In plain words.", "example": "It arrived."})
    attempts = fields.Integer(required=True, metadata={"description": "Calls to a gateway.", "example": 1})
    created_at = fields.AwareDateTime(required=True, format="iso", metadata={"example": "2026-11-21T10:00:00+00:00"})
    updated_at = fields.AwareDateTime(required=True, format="iso", metadata={"example": "2026-11-21T10:00:01+00:00"})
