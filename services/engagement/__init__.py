"""Engagement takes everything in: the web form, the API and texts. It keeps the words and says what became of them.

Law: nobody is told that their words are kept before they are, and nothing sent twice is kept twice.
"""

OWNS = ("feedback", "people")
CONSUMES = ("notifications.deliveries",)
PRODUCES = ("engagement.feedback", "engagement.people", "engagement.replies")
