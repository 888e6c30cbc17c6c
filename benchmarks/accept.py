"""Accepted contributions a second, durable, against a bare Flask route that does one majority insert.

Both run under the same gunicorn settings against the same mongod, in turn, several rounds; the load comes from one
process with many kept connections. Only answers 201 count. `python -m benchmarks.accept`
"""

import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from deploy import servers
from deploy.local import ROOT

ROUNDS = 5
SECONDS = 6  # each measurement
CONNECTIONS = 32
COMMENT = "I rang every morning at eight for two weeks and when I got through there was no appointment left."

BARE = """
import os
from flask import Flask, jsonify, request
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

def web():
    app = Flask("bare")
    posts = MongoClient(os.environ["MONGO_URL"], maxPoolSize=40).get_default_database().get_collection(
        "posts", write_concern=WriteConcern(w="majority"))

    @app.post("/api/v1/feedback")
    def post():
        posts.insert_one({"text": request.get_json()["text"]})
        return jsonify({"ok": True}), 201

    return app
"""


def main() -> int:
    """Measure and print. Returns the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare_app.py").write_text(BARE)
        mongod = servers.start_mongod(folder / "mongod", servers.free_port())
        started = [_gunicorn(folder, "bare_app:web()", mongod.port),
                   _gunicorn(folder, "services.engagement.app:web()", mongod.port)]  # fmt: skip
        try:
            for _, port in started:
                _until_up(port)
                _load(port, 2)  # warm up
            rates: list[list[float]] = [[], []]
            for _ in range(ROUNDS):
                for measured, (_, port) in zip(rates, started, strict=True):
                    measured.append(_load(port, SECONDS))
        finally:
            for process, _ in started:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)
            mongod.stop()
    ratios = [ours / bare for bare, ours in zip(*rates, strict=True)]
    print(f"bare route with one majority insert: {statistics.median(rates[0]):7.0f} a second  {_span(rates[0])}")
    print(f"accepted contributions:              {statistics.median(rates[1]):7.0f} a second  {_span(rates[1])}")
    print(f"ratio, round by round: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
    return 0


def _gunicorn(folder: Path, application: str, mongo_port: int) -> tuple[subprocess.Popen, int]:
    port = servers.free_port()
    database = application.partition(":")[0].replace(".", "_")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{folder}",
        "MONGO_URL": f"mongodb://127.0.0.1:{mongo_port}/{database}?replicaSet=rs0",
        "KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "SECRET_KEY": secrets.token_hex(32),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WEB_CONCURRENCY": "2",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"),
               "-b", f"127.0.0.1:{port}", application]  # fmt: skip
    with open(folder / f"{port}.log", "wb") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        ), port


def _until_up(port: int) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            with urllib.request.urlopen(_request(port), timeout=5) as answer:
                assert answer.status == 201
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"nothing accepts on port {port}")


def _request(port: int) -> urllib.request.Request:
    headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
    body = json.dumps({"text": COMMENT}).encode()
    return urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/feedback", body, headers)


def _load(port: int, seconds: float) -> float:
    """Answers 201 a second over `seconds`, from CONNECTIONS kept connections."""
    counts = [0] * CONNECTIONS
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_post_until, args=(port, until, counts, n)) for n in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def _post_until(port: int, until: float, counts: list[int], n: int) -> None:
    """Post over one kept connection; sockets and bytes only, so that the load costs little of the two cores."""
    body = json.dumps({"text": COMMENT}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            head = (
                f"POST /api/v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {secrets.token_hex(12)}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            answer = connection.recv(65_536)
            if not answer.startswith(b"HTTP/1.1 201"):
                raise SystemExit(f"not accepted: {answer[:300]!r}")
            length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            missing = length - len(answer.partition(b"\r\n\r\n")[2])
            while missing > 0:
                missing -= len(connection.recv(missing))
            counts[n] += 1


def _span(rates: list[float]) -> str:
    return f"({min(rates):.0f} to {max(rates):.0f} in {len(rates)} rounds of {SECONDS} s)"


if __name__ == "__main__":
    raise SystemExit(main())
