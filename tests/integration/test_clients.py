"""What real clients write, whole, as it was recorded or reported (tests/clients): each case goes through the gateway, between a
phone and an XMPP server that say what the case says, and what arrives is compared with it. doc/mapping.md has the table."""
import collections
import email.utils
import itertools
import re
import time
import zlib

import pytest

from support import client_cases
from support.client_cases import escape, unescape
from support.site import Site
from support.xmpp_server import NS, XmppServer

GATEWAY, XMPP, SIP = "sip-xmpp.example.org", "xmpp-sip.example.org", "sip.example.org"
JULIET_ON_SIP, ROMEO_ON_XMPP = f'"juliet" <sip:juliet*xmpp.example.org@{GATEWAY}>', f"romeo*{SIP}@{XMPP}"
FENCE = "fence@xmpp.example.org/wall"
SMALL = 1300  # bytes of a request by UDP
STATES = "{http://jabber.org/protocol/chatstates}"
WITHOUT_BODY = {f"{STATES}composing": "typing: composing", f"{STATES}paused": "typing: paused",
                "{urn:xmpp:receipts}received": "received: ", "{urn:xmpp:chat-markers:0}displayed": "displayed: ",
                "{urn:xmpp:jingle-message:0}reject": "call declined: ",
                ".//{http://jabber.org/protocol/muc#user}decline": "invitation declined: "}
BESIDE_BODY = {"{urn:xmpp:delay}delay": "delayed", "{urn:xmpp:receipts}request": "asks for a receipt",
               "{urn:xmpp:chat-markers:0}markable": "asks for a marker"}

numbers = itertools.count(1)

CASES = [case for file in client_cases.FILES for case in client_cases.read(file) if case.steps]


@pytest.fixture(scope="module")
def gateway():
    """A site whose phone takes whatever goes to SIP, and whose XMPP server whatever goes to XMPP."""
    server = XmppServer(next(Site._hosts))
    site = Site(xmpp_server=server, gateway={
        "gateway_domain": GATEWAY, "xmpp_domain": XMPP, "tel_domain": SIP,
        "sip_domains": ["*.example.org", "*.example", "192.0.2.0/24"],
        "aliases": {"+15551230002": "rosaline@xmpp.example.org", "@sms.provider.example": "rosaline@xmpp.example.org"},
    }, front={"asserted_identity_from": ["127.0.0.0/8"]})
    site.server, site.phone, site.tcp = server, site.sip_user("phone"), site.sip_user("phone", "tcp")
    site.phone.automatic = None
    site.stox.configuration["gateway"]["outbound_proxy"] = f"sip:{site.phone.host}:{site.phone.port};transport=udp"
    site.stox.write()
    site.start()
    yield site
    site.stop()
    server.close()


def words_of(content_type, body):
    """What a phone shows of a body."""
    if content_type.startswith("message/cpim"):
        headers, mime, inner = body.split("\r\n\r\n", 2)
        asks = re.search("imdn.Disposition-Notification: (.*)", headers)
        words = words_of(re.search("Content-Type: (.*)", mime)[1].strip(), inner)
        return words + (f" (asks for {asks[1].strip()})" if asks else "")
    if content_type.startswith("message/imdn+xml"):
        return "notification: " + re.search(r"<status><(\w+)/>", body)[1]
    if content_type.startswith("application/im-iscomposing+xml"):
        return "typing: " + re.search("<state>(.*)</state>", body)[1]
    if content_type.startswith("application/vnd.gsma.rcs-ft-http+xml"):
        told = "<file-name>(.*)</", "<file-size>(.*)</", "<content-type>(.*)</", '<data url="(.*?)"'
        *file, url = [found[1] for found in (re.search(each, body) for each in told) if found]
        return f"file: {url} ({', '.join(file)})"
    assert content_type.replace(" ", "") == "text/plain;charset=UTF-8", content_type
    return "text: " + escape(body)


class Talk:
    """One case: its romeo and juliet are nobody else's."""

    def __init__(self, site, number):
        self.site, self.number = site, number
        self.answers = collections.deque()
        date = lambda at: email.utils.formatdate(at, usegmt=True)
        self.variables = {"$NOW-5h": date(time.time() - 5 * 3600), "$NOW": date(time.time()),
                          "$FRONT": f"{site.stox.host}:{site.stox.port}"}

    def own(self, text):
        for name, value in self.variables.items():
            text = text.replace(name, value)
        return re.sub("(romeo|juliet)(?=[@*\\\\%])", rf"\g<1>{self.number}", text)

    def plain(self, text):
        return re.sub(f"(romeo|juliet){self.number}(?!\\d)", r"\g<1>", text)

    def step(self, inputs):
        """What is seen then."""
        seen = []
        for each in inputs:
            fields = [(name, self.own(value)) for name, value in each.fields]
            if each.start.startswith("<"):
                self.site.server.send(self.stanza(self.own(each.start)))
            elif each.start.startswith("answer: "):
                self.answers.append((*each.start[8:].split(" ", 1), fields))
            else:
                seen.append(self.ask(*self.own(each.start).split(" "), fields))
        return [self.plain(one) for one in seen + self.settle(seen)]

    def stanza(self, text):
        text = text.replace("\\n", "\n")
        head = text.partition(">")[0]
        juliet = f"juliet{self.number}@xmpp.example.org/balcony"
        return text if " from=" in head else re.sub(r"^<(\w+)", rf"<\1 from='{juliet}'", text)

    def ask(self, method, uri, fields):
        """The answer to a SIP request."""
        body = b"".join(zlib.compress(unescape(value)) if name == "deflated" else unescape(value)
                        for name, value in fields if name in ("body", "deflated"))
        headers = [(name, value) for name, value in fields if name not in ("body", "deflated")]
        headers += [("Contact", f"<{self.site.phone.contact}>")] if method == "SUBSCRIBE" else []
        sender = next((value for name, value in headers if name == "From"), f"<sip:romeo{self.number}@{SIP}>")
        headers = [(n, v) for n, v in headers if n != "From"] + [("From", sender if ";tag=" in sender else sender + ";tag=f1")]
        by = self.site.phone if len(body) < SMALL else self.site.tcp
        answer = by.send_request(by.make(method, uri, body, content_type=None, headers=headers)).answer()
        warning = answer.get("warning")
        return f"{answer.status} {answer.reason}" + (f" ({warning})" if warning else "")

    def settle(self, answered):
        """What the phone and the XMPP server have got. The fence goes from the server to the phone and comes back as an
        error, by the ways that all else has gone before it."""
        fence, seen = f"fence {next(numbers)}", []
        self.site.server.send(f"<message from='{FENCE}' to='romeo{self.number}*{SIP}@{XMPP}' id='{fence}'><body>{fence}</body>"
                              "</message>")
        while (request := self.site.phone.next_request()).text != fence:
            if request.method != "MESSAGE":  # presence, which has tests of its own
                request.respond(200 if request.method == "NOTIFY" else 489, "")
                continue
            status, reason, headers = self.answers.popleft() if self.answers else (200, "OK", [])
            request.respond(int(status), reason, headers)
            self.variables["$CALL-ID"] = request.get("call-id")
            seen.append(self.heard(request))
        request.respond(404, "Not found")
        while (stanza := self.site.server.next_stanza()).get("id") != fence:
            if stanza.tag == f"{NS}presence":
                continue
            self.variables["$ID"] = stanza.get("id", "")
            seen.append(self.told(stanza))
        return seen or ([] if answered else ["nothing"])

    def heard(self, request):
        """On the phone."""
        words = words_of(request.get("content-type"), request.text)
        sender = self.plain(re.sub(";tag=.*", "", request.get("from")))
        if self.plain(request.uri) != f"sip:romeo@{SIP}":
            words = f"at {self.plain(request.uri)}: {words}"
        return words if sender == JULIET_ON_SIP else f"from {sender}: {words}"

    def told(self, stanza):
        """In the client."""
        if stanza.get("type") == "error":
            error = stanza.find(f"{NS}error")
            text = error.findtext("{urn:ietf:params:xml:ns:xmpp-stanzas}text")
            said = f"error {error[0].tag.partition('}')[2]}" + (f": {text}" if text else "")
        elif stanza.tag == f"{NS}iq":
            said = "answer: " + ", ".join(e.get("var") or e.text for e in stanza[0] if e.get("var") or e.text)
        else:
            said = self.message(stanza)
        sender = self.plain(stanza.get("from"))
        return said if sender == ROMEO_ON_XMPP else f"from {sender}: {said}"

    def message(self, stanza):
        for tag, words in WITHOUT_BODY.items():
            if (found := stanza.find(tag)) is not None:
                return words + (found.get("id") if tag.endswith(("received", "displayed")) else "".join(found.itertext()))
        nick, subject = stanza.findtext("{http://jabber.org/protocol/nick}nick"), stanza.findtext(f"{NS}subject")
        about = [f'called "{nick}"'] if nick else []
        about += [f'subject "{subject}"'] if subject else []
        about += [f"answers {reply.get('id')}" for reply in stanza.findall("{urn:xmpp:reply:0}reply")]
        about += [words for tag, words in BESIDE_BODY.items() if stanza.find(tag) is not None]
        said = "file: " if stanza.find("{urn:xmpp:sfs:0}file-sharing") is not None else "text: "
        return said + escape(stanza.findtext(f"{NS}body")) + (f" ({', '.join(about)})" if about else "")


@pytest.mark.parametrize("number, case", enumerate(CASES), ids=[f"{case.client}: {case.does}" for case in CASES])
def test_it_arrives_as_the_table_says(gateway, number, case):
    talk = Talk(gateway, number)
    for step in case.steps:
        assert talk.step(step.inputs) == step.seen
