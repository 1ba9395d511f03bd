"""Waiting for a condition instead of sleeping."""
import time

PATIENCE = 30.0  # seconds; what a loaded machine may need, never what a test expects


def eventually(condition, what, within=PATIENCE):
    """Calls condition() until it returns something true, and returns that. what: a text, or what makes it at the end."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.02)
