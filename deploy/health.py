"""A container's health check: `python -m deploy.health web|worker` ends with 0 when all is well, or says what is not.

`web` asks the web process, which asks its MongoDB; `worker` asks MongoDB for this worker's heartbeat, in which stand
its loops and the broker. Neither imports a service: an insights worker takes seconds to import, and is asked often.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT = 4  # seconds; below the health checks' own


def web() -> str:
    """What is wrong with the web process; empty when nothing is."""
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/health/ready"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT):
            return ""
    except urllib.error.HTTPError as e:
        return f"{e.code}: {e.read(2000).decode(errors='replace')}"
    except OSError as e:
        return f"the web process does not answer: {e}"


def worker() -> str:
    """What is wrong with the worker; empty when nothing is."""
    from pymongo.errors import PyMongoError

    from shared import health, mongo

    try:
        database = mongo.connect(os.environ["MONGO_URL"], patience=TIMEOUT, threads=1)
        return "; ".join(health.worker_problems(database, os.environ.get("WORKER_ID") or os.uname().nodename))
    except PyMongoError as e:
        return f"MongoDB does not answer ({e.__class__.__name__})"


if __name__ == "__main__":
    if wrong := {"web": web, "worker": worker}[sys.argv[1]]():
        sys.exit(wrong)
