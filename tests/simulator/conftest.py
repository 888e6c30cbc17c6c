"""A simulator on a free port, and a hub on loopback that answers as told."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3
from werkzeug.serving import make_server

from deploy.simulator import app
from deploy.simulator.calling import Caller
from shared.signing import webhook_headers

SECRET = bytes(range(16))


@dataclass
class Hub:
    """What the simulator calls. `answer(path, body)` returns a status; `got` holds path, headers and body."""

    url: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[str, dict], int] = lambda path, body: 200

    def bodies(self, path: str) -> list[dict]:
        """The JSON bodies that came to a path."""
        return [json.loads(body) for at, _, body in list(self.got) if at == path]


@dataclass
class Telephone:
    """A running simulator: its address, settings, and what makes its calls."""

    url: str
    settings: app.Settings
    caller: Caller
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=20))

    def send(self, body: dict, *, key: str | None = None, secret: bytes = SECRET) -> urllib3.BaseHTTPResponse:
        """Send as the hub does, signed."""
        raw = json.dumps(body).encode()
        headers = webhook_headers(secret, id=key or "none", body=raw) | ({"Idempotency-Key": key} if key else {})
        return self.http.request("POST", self.url + "/simulator/api/send", body=raw, headers=headers)

    def text(self, **body: str) -> urllib3.BaseHTTPResponse:
        """Text the hub as a person."""
        return self.http.request("POST", self.url + "/simulator/api/text", json=body)

    def messages(self, **wanted: str) -> list[dict]:
        """What the phones hold."""
        return self.http.request("GET", self.url + "/simulator/api/messages", fields=wanted).json()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Engagement and notifications as the simulator sees them."""
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.answer(self.path, json.loads(body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # A client that hangs up is what some tests are about.
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(hub: Hub, tmp_path) -> Iterator[Callable[[], Telephone]]:
    """Start a simulator; each one has the same file, as after a restart."""
    running = []

    def begin() -> Telephone:
        settings = app.Settings(
            simulator_secret=SECRET,
            simulator_db=str(tmp_path / "simulator.sqlite3"),
            engagement_url=hub.url,
            notifications_url=hub.url,
        )
        application, caller = app.build(settings)
        server = make_server("127.0.0.1", 0, application, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        caller.start()
        running.append((server, caller))
        return Telephone(f"http://127.0.0.1:{server.server_port}", settings, caller)

    yield begin
    for server, caller in running:
        caller.stop.set()
        server.shutdown()


@pytest.fixture
def phone(start: Callable[[], Telephone]) -> Telephone:
    """A simulator at work."""
    return start()
