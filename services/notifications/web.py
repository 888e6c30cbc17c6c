"""HTTP in: receipts from gateways, and the state of a message for programs."""

from collections.abc import Mapping
from typing import Protocol

from flask import Blueprint as Pages
from flask import Flask, Response, jsonify, request
from flask_smorest import Api, Blueprint

from services.notifications.domain import Receipt, published
from services.notifications.gateways import Inbound
from services.notifications.schemas import DeliverySchema
from services.notifications.usecases import Notifications
from shared.errors import NotFound
from shared.web import PROBLEM, Problem


class ReadsReceipts(Protocol):
    """A gateway as the web sees it."""

    def read_receipt(self, inbound: Inbound) -> Receipt | None:
        """The receipt in a request. Raises Forbidden or Invalid."""


def register(
    app: Flask, api: Api, notifications: Notifications, *, gateways: Mapping[str, ReadsReceipts], public_url: str
) -> None:
    """Put the routes into an application. `gateways` holds those that are switched on, by name."""
    app.register_blueprint(_receipts(notifications, gateways, public_url))
    api.register_blueprint(_deliveries(notifications))


def _receipts(notifications: Notifications, gateways: Mapping[str, ReadsReceipts], public_url: str) -> Pages:
    receipts = Pages("receipts", __name__)

    @receipts.post("/receipts/<gateway>")
    def take_receipt(gateway: str) -> Response:
        """A receipt that fits no message of ours is answered 200 too: sending it again would not help."""
        if gateway not in gateways:
            raise NotFound("gateway-unknown", "No gateway with this name is switched on here.")
        query = request.query_string.decode("ascii", "replace")
        url = f"{public_url}{request.path}" + (f"?{query}" if query else "")
        inbound = Inbound(request.headers, request.get_data(), url, request.args)
        receipt = gateways[gateway].read_receipt(inbound)
        known = receipt is not None and notifications.note_receipt(gateway, receipt)
        return jsonify({"known": known})

    return receipts


def _deliveries(notifications: Notifications) -> Blueprint:
    deliveries = Blueprint("deliveries", __name__, url_prefix="/api/v1/deliveries", description="Messages to people")

    @deliveries.get("/<delivery_id>")
    @deliveries.response(200, DeliverySchema)
    @deliveries.alt_response(404, schema=Problem, content_type=PROBLEM, description="No message has this id.")
    @deliveries.alt_response(503, schema=Problem, content_type=PROBLEM, description="The database is away; try again.")
    def show_delivery(delivery_id: str):
        """What became of a message.

        The id is the reply's: a contribution's `feedback_id` and `.receipt`.
        """
        return published(notifications.delivery(delivery_id))

    return deliveries
