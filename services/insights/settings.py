"""What insights is told by its environment. Limits that keep people unrecognisable are constants, not settings."""

from dataclasses import dataclass

from shared.settings import Common, on_off, setting


@dataclass(frozen=True)
class Settings(Common):
    """The settings of insights."""

    theming: bool = setting("whether contributions are read for their themes: on or off", default=True, read=on_off)
