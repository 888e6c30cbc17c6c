"""Sends everything out to people: one message per reply that is due, in the person's language, at most once where the
gateway allows; law: nothing is sent to somebody who asked us to stop, and every message's end has a plain reason.
"""

OWNS = ("deliveries", "people")
CONSUMES = ("engagement.people", "engagement.replies")
PRODUCES = ("notifications.deliveries",)
