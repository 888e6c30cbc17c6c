"""gunicorn for every web container: threads, a clean stop, and no log of who asked for what."""

import logging
import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "16"))
timeout = 60  # seconds a worker may be silent before it is replaced
graceful_timeout = 20  # seconds; below the containers' stop_grace_period
worker_tmp_dir = "/dev/shm"  # The heartbeat file: the root file system is read-only, and a disk can stall.
control_socket_disable = True  # Services that share a HOME would take each other's socket.
preload_app = False  # MongoClient is made in the process that uses it, after the fork.
accesslog = None  # A path or a query may tell who gave which contribution.
# In a container nobody but the proxy reaches this port, and its address changes; elsewhere set the proxy's own.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")


def _without_address(record: logging.LogRecord) -> bool:
    """Hide what gunicorn says of a request that failed: its whole address, which may hold a reference."""
    if "request" in str(record.msg) and record.args:
        record.args = tuple("[address]" if isinstance(value, str) else value for value in record.args)
    return True


logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without-address": {"()": lambda: _without_address}},
    "formatters": {"json": {"()": "shared.logs.JsonFormatter", "service": os.environ.get("SERVICE", "")}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["without-address"]}},
    "loggers": {
        "gunicorn.error": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO"), "propagate": False},
        "gunicorn.access": {"handlers": [], "propagate": False},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
