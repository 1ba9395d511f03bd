"""SIPp, playing one of the scenarios in tests/support/sipp."""
import itertools
import pathlib
import re

from support import loopback
from support.child import Child
from support.waiting import eventually

SCENARIOS = pathlib.Path(__file__).parent / "sipp"
_numbers = itertools.count(1)


class Sipp(Child):
    def __init__(self, folder, scenario, host, target=None, transport="udp", values=(), port=None, **keys):
        """values: what replaces @NAME@ in the scenario; keys: what replaces [name] while it plays."""
        folder.mkdir(exist_ok=True)
        number = next(_numbers)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for name, value in dict(values).items():
            text = text.replace(f"@{name}@", str(value))
        file = folder / f"{scenario}-{number}.xml"
        file.write_text(text)
        self.host, self.port = host, port or loopback.free_port(host, 5060)
        self.messages = folder / f"{scenario}-{number}.messages"
        command = ["sipp", "-sf", file, "-i", host, "-p", self.port, "-t", {"udp": "u1", "tcp": "t1"}[transport],
                   "-m", 1, "-l", 1, "-nostdin", "-timeout", 60, "-timeout_error", "-trace_msg", "-message_file",
                   self.messages]
        for name, value in keys.items():
            command += ["-key", name, value]
        if target:
            command.append("%s:%d" % target)
        super().__init__(f"sipp-{scenario}-{number}", command, folder)

    def play(self):
        """From start to end; fails unless everything came as the scenario has it."""
        self.start()
        return self.finish()

    def finish(self):
        eventually(lambda: not self.running(), f"{self.name} is through", within=70)
        status = self.stop()
        assert status == 0, f"{self.name} ended with {status}:\n{self.log()}\n{self.traffic()}"
        return self

    def traffic(self):
        return self.messages.read_text(errors="replace") if self.messages.exists() else ""

    def received(self):
        """Start lines and bodies of the messages that came in, as (start line, body)."""
        parts = re.split(r"-{20,}[^\n]*\n(?:UDP|TCP) message ", self.traffic())
        found = []
        for part in parts:
            if part.startswith("received"):
                head, _, body = part.partition("\n\n")[2].replace("\r\n", "\n").partition("\n\n")
                found.append((head.split("\n")[0], body.strip("\n")))
        return found
