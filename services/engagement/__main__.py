"""The worker and the operators' commands: `python -m services.engagement --help`."""

from services.engagement import app
from shared import cli

if __name__ == "__main__":
    raise SystemExit(cli.main("engagement", app.operations))
