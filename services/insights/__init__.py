"""Insights: says what contributions mean, in numbers that give nobody away; what partners read.

Law: every number that leaves passes `domain.disclose`.
"""

OWNS = ("facts", "counts", "feed", "ledger")
CONSUMES = ("engagement.feedback",)
PRODUCES = ()
