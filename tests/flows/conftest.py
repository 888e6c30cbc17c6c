"""A whole hub for the flow tests: real servers, real processes, on ports and in a folder of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from deploy import local, servers
from tests.flows.citizens import Citizens


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[Callable[..., Citizens]]:
    """Start a whole hub; it is stopped at the end of the test. Keyword arguments are settings laid over all."""
    running: list[local.Hub] = []

    def make(make_broker: Callable[[Path, int], servers.Broker] = servers.start_broker, **extra: str) -> Citizens:
        ports = {name: servers.free_port() for name in local.PORTS}
        hub = local.Hub(tmp_path / "hub", ports, extra=extra, make_broker=make_broker)
        running.append(hub)
        hub.start()
        return Citizens(hub, urllib3.PoolManager(maxsize=20, timeout=10, retries=False))

    yield make
    for hub in running:
        hub.stop()
