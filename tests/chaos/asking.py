"""An operator who looks at the gateway all the time: stoxctl must answer whatever is going on, if only by saying who
does not."""
import itertools
import subprocess
import threading
import time

EVERY = 5.0  # seconds
LIMIT = 20.0
QUESTIONS = ["status", "queues", "failed", "streams"]


class Asking(threading.Thread):
    def __init__(self, site, violated):
        super().__init__(daemon=True)
        self.site, self.violated = site, violated
        self.took = []  # (seconds, question)
        self.done = threading.Event()

    def run(self):
        for question in itertools.cycle(QUESTIONS):
            if self.done.wait(EVERY):
                return
            began = time.monotonic()
            try:
                answer = self.site.ctl(question, within=LIMIT)
            except subprocess.TimeoutExpired:
                self.violated(f"stoxctl {question} did not end within {LIMIT:.0f} s")
                continue
            self.took.append((time.monotonic() - began, question))
            # With a process that does not answer, a list of what the others have may be empty.
            if answer.returncode not in (0, 1, 3) or not (answer.stdout + answer.stderr).strip():
                self.violated(f"stoxctl {question} ended with {answer.returncode} and said: "
                              f"{answer.stdout[:500]}{answer.stderr[:500]}")

    def stop(self):
        self.done.set()
        self.join()

    def lines(self):
        if not self.took:
            return []
        slowest, question = max(self.took)
        median = sorted(self.took)[len(self.took) // 2][0]
        return [f"stoxctl asked {len(self.took)} times: answered after {median:.2f} s, at most {slowest:.2f} s ({question})"]
