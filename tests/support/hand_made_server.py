"""A server of another domain, or of as many as one likes, that says what a test makes it say. Dialback, with TLS if it has
a certificate; it judges every key as it is told to, and takes stanzas from the gateway on streams that it accepts."""
import queue
import re
import socket
import ssl
import threading

from support import loopback
from support.waiting import PATIENCE

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
          "xmlns:db='jabber:server:dialback' from='{own}' to='{to}' {more}version='1.0'>")
FEATURES = ("<stream:features>{more}<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>")
BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>"
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
STREAM_ERROR = re.compile(r"<stream:error><([a-z-]+)")


class HandMadeServer:
    def __init__(self, host, domain, gateway, files=None):
        """gateway: (host, port) of its S2S listener, and its domain; files: certificate and key."""
        self.tls = None
        if files:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*files)
        self.host, self.domain, self.gateway = host, domain, gateway
        self.verdict = "valid"
        self.judges_us = True  # by our dialback key
        self.bidi = True
        self.answers_pings = True
        self.reads = True
        self.spell = str  # a domain of an answer to an IQ
        self.says = ""  # instead of features, where it has proved who it is or cannot
        self.connections = 0
        self.latest = None  # connection of the gateway
        self._unanswered = []
        self.stanzas = queue.Queue()  # messages, as text
        self.answers = queue.Queue()  # to IQs, the same
        self.port = loopback.free_port(host, 5269)
        self._listener = socket.create_server((host, self.port), backlog=1024)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def next_answer(self, within=PATIENCE):
        return self.answers.get(timeout=within)

    def next_stanza(self, within=PATIENCE):
        return self.stanzas.get(timeout=within)

    def answer_late(self):
        """From now on it answers pings, first those that it has not."""
        self.answers_pings = True
        for peer, reply in self._unanswered:
            peer.sendall(reply.encode())

    def open(self, own=None):
        """A stream to the gateway, its features read."""
        return Stream(self, own or self.domain)

    def authenticated(self):
        stream = self.open()
        stream.send(f"<db:result from='{self.domain}' to='{self.gateway[2]}'>key</db:result>")
        stream.until("type='valid'")
        return stream

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.latest = peer
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        text = ""
        try:
            while self.reads:
                data = peer.recv(65536)
                if not data:
                    break
                text = self._take(peer, text + data.decode())
                if text is None:
                    peer = self.latest = self.tls.wrap_socket(peer, server_side=True)
                    text = ""
            if not self.reads:
                threading.Event().wait(300)
        except OSError:
            pass
        peer.close()

    def _take(self, peer, text):
        """Answers what is whole in the text, and gives back the rest; None: TLS begins."""
        pattern = re.compile(r"<stream:stream[^>]*>|<(?:bidi|starttls)[^>]*/>|<db:(result|verify)[^>]*>[^<]*</db:\1>|"
                             r"<(message|iq)\b.*?</\2>|<iq\b[^>]*/>|</stream:stream>", re.S)
        end = 0
        for found in pattern.finditer(text):
            end = found.end()
            one = found[0]
            names = dict(re.findall(r"([a-z]+)='([^']*)'", one.partition(">")[0]))
            if one.startswith("<stream:stream"):
                offer = STARTTLS if self.tls and not isinstance(peer, ssl.SSLSocket) else BIDI if self.bidi else ""
                reply = (HEADER.format(own=names.get("to", self.domain), to=names.get("from", ""), more="id='theirs' ") +
                         (self.says if self.says and offer != STARTTLS else FEATURES.format(more=offer)))
            elif one.startswith("<starttls"):
                peer.sendall(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                return None
            elif one.startswith("<db:result"):
                reply = f"<db:result from='{names['to']}' to='{names['from']}' type='valid'/>" if self.judges_us else ""
            elif one.startswith("<db:verify"):
                reply = (f"<db:verify from='{names['to']}' to='{names['from']}' id='{names['id']}' "
                         f"type='{self.verdict}'/>")
            elif one.startswith("<iq") and "urn:xmpp:ping" in one:
                reply = f"<iq type='result' id='{names['id']}' from='{self.spell(names['to'])}' to='{names['from']}'/>"
                if not self.answers_pings:
                    self._unanswered.append((peer, reply))
                    reply = ""
            else:
                reply = ""
                if one.startswith("<message"):
                    self.stanzas.put(one)
                elif one.startswith("<iq"):
                    self.answers.put(one)
            peer.sendall(reply.encode())
        return text[end:]


class Stream:
    """A connection to the gateway; the test speaks."""

    def __init__(self, server, own):
        self.socket = socket.create_connection(server.gateway[:2], timeout=PATIENCE, source_address=(server.host, 0))
        self.text = ""
        self.send(HEADER.format(own=own, to=server.gateway[2], more=""))
        self.until("</stream:features>", "<stream:features/>")

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, *wanted):
        while not any(one in self.text for one in wanted):
            data = self.socket.recv(65536)
            assert data, f"closed before {wanted}: {self.text}"
            self.text += data.decode()

    def error(self):
        """The stream error with which the gateway ends it."""
        while True:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                break
            self.text += data.decode()
        found = STREAM_ERROR.search(self.text)
        return found[1] if found else f"none: {self.text[-300:]}"
