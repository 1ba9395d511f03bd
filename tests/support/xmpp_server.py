"""The server end of an XEP-0114 component stream, which says what a test makes it say, bad things too."""
import asyncio
import hashlib
import queue
import xml.etree.ElementTree as ElementTree

from support import background, loopback
from support.waiting import PATIENCE

NS = "{jabber:component:accept}"
STREAM_ERROR = "{http://etherx.jabber.org/streams}error"
PING = "{urn:xmpp:ping}ping"


class XmppServer:
    def __init__(self, host, secret="secret"):
        self.host, self.secret = host, secret
        self.component_port = loopback.free_port(host, 5347)
        self.stanzas = queue.Queue()  # as elements; pings are answered and not kept
        self.answers_pings = True
        self.mute = set()  # domains that answer none
        self.pings = queue.Queue()  # those that were not answered
        self.refuse_with = None  # a stream error instead of the handshake's success
        self.streams = 0  # handshakes that succeeded
        self.stream_errors = []  # conditions that the component sent
        self._writer = None
        background.call(self._open)

    async def _open(self):
        self._server = await asyncio.start_server(self._accepted, self.host, self.component_port)

    # What a test asks for.

    def send(self, xml):
        background.call(self._write, xml)

    def send_slowly(self, xml, step=1):
        """Each `step` bytes in a segment of their own."""

        async def write():
            data = xml.encode()
            for i in range(0, len(data), step):
                self._writer.write(data[i:i + step])
                await asyncio.sleep(0)

        background.call(write)

    def next_stanza(self, within=PATIENCE):
        try:
            return self.stanzas.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"the component sent nothing within {within:.0f} s") from None

    def disconnect(self):
        background.call(lambda: self._writer.close())

    def close(self):
        def close():
            self._server.close()
            if self._writer:
                self._writer.close()

        background.call(close)

    # On the loop.

    async def _accepted(self, reader, writer):
        self._writer = writer
        parser = ElementTree.XMLPullParser(["start", "end"])
        depth, identifier = 0, "stream-id"
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                for event, element in parser.read_events():
                    depth += 1 if event == "start" else -1
                    if event == "start" and depth == 1:
                        self._write(f"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
                                    f"xmlns:stream='http://etherx.jabber.org/streams' id='{identifier}' "
                                    f"from='{element.get('to')}'>")
                    elif event == "end" and depth == 1:
                        self._element(element, identifier)
        except (ConnectionError, ElementTree.ParseError):
            pass
        writer.close()

    def _element(self, element, identifier):
        if element.tag == NS + "handshake":
            right = hashlib.sha1((identifier + self.secret).encode()).hexdigest()
            error = self.refuse_with or (None if element.text == right else "not-authorized")
            if error:
                self._write(f"<stream:error><{error} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
                            "</stream:stream>")
                self._writer.close()
                return
            self._write("<handshake/>")
            self.streams += 1
        elif element.tag == STREAM_ERROR:
            self.stream_errors.append(element[0].tag.partition("}")[2])
        elif element.find(PING) is not None and element.get("type") == "get":
            if not self.answers_pings or element.get("to") in self.mute:
                self.pings.put(element)
            else:
                self._write(f"<iq type='result' id='{element.get('id')}' from='{element.get('to')}' "
                            f"to='{element.get('from')}'/>")
        else:
            self.stanzas.put(element)

    def _write(self, xml):
        self._writer.write(xml.encode(errors="surrogateescape"))
