"""`python -m services.insights COMMAND`: the commands that operators give."""

from services.insights import app
from shared import cli

raise SystemExit(cli.main("insights", app.operations))
