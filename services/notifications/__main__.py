"""`python -m services.notifications COMMAND`: the worker and the operators' commands."""

from services.notifications import app
from shared import cli

raise SystemExit(cli.main("notifications", app.operations))
