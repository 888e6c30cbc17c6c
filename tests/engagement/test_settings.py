"""The settings: everything wrong is said at once, with its meaning; what is empty is off."""

import pytest

from services.engagement import app
from services.engagement.settings import Settings
from shared import settings


def test_the_defaults_switch_every_gateway_off(environment: dict[str, str]) -> None:
    needed = {name: environment[name] for name in ("MONGO_URL", "KAFKA_BOOTSTRAP", "SECRET_KEY", "PUBLIC_URL")}

    hub = app.build(settings.load(Settings, needed))

    assert hub.gateways == {}
    assert (hub.settings.answer_days, hub.settings.sms_number, hub.settings.operator) == (28, "", "")
    hub.database.client.close()


def test_everything_wrong_is_said_at_once(environment: dict[str, str]) -> None:
    wrong = {**environment, "SIMULATOR_SECRET": "abc", "ANSWER_DAYS": "soon", "MONGO_URL": "", "PUBLIC_URL": "hub"}

    with pytest.raises(settings.SettingsError) as error:
        settings.load(Settings, wrong)

    for name in ("SIMULATOR_SECRET", "ANSWER_DAYS", "MONGO_URL", "PUBLIC_URL"):
        assert name in error.value.detail
    assert "abc" not in error.value.detail
