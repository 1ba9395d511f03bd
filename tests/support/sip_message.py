"""SIP messages as a test needs them: read leniently, written exactly as told."""

COMPACT = {"i": "call-id", "l": "content-length", "c": "content-type", "f": "from", "t": "to", "v": "via"}


class SipMessage:
    def __init__(self, start_line, headers, body=b""):
        """headers: list of (name, value) in order."""
        self.start_line, self.headers, self.body = start_line, list(headers), body
        self.respond = None  # of a received request: respond(status, reason, headers)

    @classmethod
    def parse(cls, head, body):
        lines = head.decode(errors="surrogateescape").split("\r\n")
        return cls(lines[0], [(name.strip(), value.strip()) for name, _, value in
                              (line.partition(":") for line in lines[1:])], body)

    def bytes(self):
        lines = [self.start_line] + [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode(errors="surrogateescape") + b"\r\n\r\n" + self.body

    def all(self, name):
        name = name.lower()
        return [value for header, value in self.headers if COMPACT.get(header.lower(), header.lower()) == name]

    def get(self, name, default=None):
        return next(iter(self.all(name)), default)

    @property
    def is_response(self):
        return self.start_line.startswith("SIP/2.0 ")

    @property
    def status(self):
        return int(self.start_line.split(" ")[1])

    @property
    def reason(self):
        return self.start_line.split(" ", 2)[2]

    @property
    def method(self):
        return self.start_line.split(" ")[0]

    @property
    def uri(self):
        return self.start_line.split(" ")[1]

    @property
    def branch(self):
        return self.get("via").partition("branch=")[2].partition(";")[0]

    @property
    def text(self):
        return self.body.decode()

    @property
    def sender(self):
        """The URI of From, without display name and brackets."""
        value = self.get("from")
        return value.partition("<")[2].partition(">")[0] if "<" in value else value.partition(";")[0]

    def __repr__(self):
        return f"<{self.start_line} | {self.body[:60]!r}>"


class Framer:
    """Cuts a byte stream into messages by Content-Length."""

    def __init__(self):
        self._bytes = b""

    def feed(self, data):
        self._bytes += data
        while True:
            self._bytes = self._bytes.lstrip(b"\r\n")
            head, end, rest = self._bytes.partition(b"\r\n\r\n")
            if not end:
                return
            message = SipMessage.parse(head, b"")
            length = int(message.get("content-length", "0"))
            if len(rest) < length:
                return
            message.body, self._bytes = rest[:length], rest[length:]
            yield message
