"""A telephone in the browser: plays an SMS provider, a mail server and everybody's phones, so that a hub can be tried
without an account anywhere; never for a public hub, because whoever opens it can text as anyone.
"""
