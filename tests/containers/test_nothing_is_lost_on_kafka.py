"""The kill drill on Apache Kafka, which keeps what it acknowledged: no operator's command may be needed."""

import pytest

from tests.flows import drill

pytestmark = [pytest.mark.containers, pytest.mark.timeout(480)]


def test_on_real_kafka_nothing_is_lost_or_doubled_and_nobody_has_to_help(make_hub, kafka_maker, eventually):
    people = make_hub(make_broker=kafka_maker)

    drill.run(people, eventually, republish=False)
