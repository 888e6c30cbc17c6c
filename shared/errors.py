"""The categories of failure: each has a stable slug and says what was wrong and what to do; none knows HTTP."""

from collections.abc import Mapping, Sequence


class HubError(Exception):
    """What every error of the hub is.

    `slug` never changes once published, so programs may branch on it. `detail` is one or two sentences for a
    person. `fields` maps the name of an input field to what is wrong with it.
    """

    def __init__(self, slug: str, detail: str, *, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.fields = {name: list(messages) for name, messages in (fields or {}).items()}


class Invalid(HubError):
    """What was given cannot be accepted as it is; giving it again unchanged fails again."""


class NotFound(HubError):
    """Nothing with that name or number is here, or it is not for the asker to see."""


class Conflict(HubError):
    """It was well formed, but does not fit the present state."""


class Forbidden(HubError):
    """The asker did not prove to be who may do this."""


class Unavailable(HubError):
    """Nothing was wrong with the request: something behind us is away. Trying again later is right.

    `retry_after`: seconds after which trying again is reasonable.
    """

    def __init__(self, slug: str, detail: str, *, retry_after: int = 5) -> None:
        super().__init__(slug, detail)
        self.retry_after = retry_after
