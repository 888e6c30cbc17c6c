"""The time from a POST to its theme being visible in the feed, through a whole hub: p50 and p95.

Each contribution comes from an outward postcode of its own (not all of them exist), so each makes a new line in the
feed. One at a time, then at
a steady 10 a second beside it. `python -m benchmarks.visible`
"""

import itertools
import statistics
import string
import tempfile
import threading
import time
from pathlib import Path

import urllib3

from deploy import local, servers

SAMPLES = 100
POLL = 0.01  # seconds between two looks at the feed
PATIENCE = 30  # seconds
BESIDE = 10  # contributions a second, in the second measurement
AREAS = map("{0[0]}{0[1]}{0[2]}".format, itertools.product("ABDEG", string.ascii_uppercase[:8], range(1, 10)))
COMMENT = "The doctor listened and the nurse was kind, but I waited six weeks for an appointment."


def main() -> int:
    """Measure and print. Returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        hub = local.Hub(Path(folder) / "hub", {name: servers.free_port() for name in local.PORTS})
        hub.start()
        http = urllib3.PoolManager(timeout=10, retries=False)
        try:
            _measure(hub, http, samples=10)  # warm up
            _print("one at a time", _measure(hub, http, samples=SAMPLES))
            stop = threading.Event()
            beside = threading.Thread(target=_post_beside, args=(hub, stop))
            beside.start()
            try:
                _print(f"with {BESIDE} a second beside it", _measure(hub, http, samples=SAMPLES))
            finally:
                stop.set()
                beside.join()
        finally:
            hub.stop()
    return 0


def _measure(hub: local.Hub, http: urllib3.PoolManager, *, samples: int) -> list[float]:
    times, cursor = [], _end_of_feed(hub, http)
    for _ in range(samples):
        area = next(AREAS)
        began = time.monotonic()
        _post(hub, http, area)
        seen = False
        while not seen:
            page = http.request("GET", hub.url("insights") + "/api/v1/feed", fields=_after(cursor)).json()
            cursor = page["next"] or cursor
            seen = any(item["area"] == area for item in page["items"])
            if time.monotonic() - began > PATIENCE:
                raise SystemExit(f"not in the feed within {PATIENCE} seconds")
            if not seen:
                time.sleep(POLL)
        times.append(time.monotonic() - began)
    return times


def _post(hub: local.Hub, http: urllib3.PoolManager, area: str) -> None:
    answer = http.request("POST", hub.url("engagement") + "/api/v1/feedback", json={"text": COMMENT, "area": area})
    if answer.status != 201:
        raise SystemExit(f"not accepted: {answer.status} {answer.data[:300]!r}")


def _post_beside(hub: local.Hub, stop: threading.Event) -> None:
    http = urllib3.PoolManager(timeout=10, retries=False)
    while not stop.wait(1 / BESIDE):
        _post(hub, http, "BB1")


def _end_of_feed(hub: local.Hub, http: urllib3.PoolManager) -> str:
    cursor = ""
    while True:
        page = http.request("GET", hub.url("insights") + "/api/v1/feed", fields=_after(cursor)).json()
        cursor = page["next"] or cursor
        if not page["more"]:
            return cursor


def _after(cursor: str) -> dict[str, str]:
    return {"after": cursor} if cursor else {}


def _print(what: str, times: list[float]) -> None:
    cuts = statistics.quantiles(times, n=100)
    print(
        f"POST to feed, {what}: p50 {cuts[49] * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f} ms, n={len(times)}", flush=True
    )


if __name__ == "__main__":
    raise SystemExit(main())
