"""A user of the XMPP server, on slixmpp."""
import asyncio
import dataclasses
import queue

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from support import background
from support.waiting import PATIENCE, eventually


_CONDITIONS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


@dataclasses.dataclass
class Message:
    """A stanza as it came; of an error, what the error says."""

    sender: str
    to: str
    id: str
    type: str
    body: str
    thread: str = ""
    condition: str = ""
    error_type: str = ""
    text: str = ""
    declined: str = ""  # who is told that the invitation to a group chat was declined
    element: object = None

    def child(self, name, namespace):
        """The stanza's child of this name, as an ElementTree element; None if there is none."""
        return self.element.find(f"{{{namespace}}}{name}")


@dataclasses.dataclass(frozen=True)
class Presence:
    """A stanza as it came."""

    sender: str
    type: str  # "available" if it has none
    show: str = ""
    status: str = ""
    priority: int = 0
    refusal: str = ""  # of an error: its condition and text


class _Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password, inbox, online):
        super().__init__(jid, password)
        self.inbox, self.online = inbox, online
        self["feature_mechanisms"].unencrypted_plain = True
        for plugin in "xep_0030", "xep_0092", "xep_0199":
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self._came_online)
        self.presences = queue.Queue()  # (from, type), the type of presence itself being "available"
        self.seen = []  # every Presence that came
        self.auto_authorize = self.auto_subscribe = None  # the test says what is done
        self.register_handler(Callback("every presence", MatchXPath("{jabber:client}presence"), self._saw))
        self.register_handler(Callback("every message", MatchXPath("{jabber:client}message"), self._took_in))
        self.add_event_handler("failed_all_auth", lambda _: self.online.put("authentication failed"))
        self.add_event_handler("connection_failed", lambda reason: self.online.put(f"connection failed: {reason}"))

    async def _came_online(self, _):
        self.send_presence()
        await self.get_roster()
        self.online.put("online")

    def _saw(self, stanza):
        text = lambda name: stanza.xml.findtext(f"{{jabber:client}}{name}") or ""
        self.seen.append(Presence(str(stanza["from"]), stanza.xml.get("type", "available"), text("show"), text("status"),
                                  int(text("priority") or 0), self._refusal_in(stanza)))
        self.presences.put((self.seen[-1].sender, self.seen[-1].type))

    @staticmethod
    def _refusal_in(presence):
        error = presence.xml.find("{jabber:client}error")
        if error is None:
            return ""
        conditions = (child.tag.rpartition("}")[2] for child in error if not child.tag.endswith("}text"))
        return f"{next(conditions, '')}: {error.findtext(_CONDITIONS + 'text') or ''}"

    def _took_in(self, stanza):
        message = Message(str(stanza["from"]), str(stanza["to"]), stanza["id"], stanza["type"], stanza["body"],
                          stanza["thread"], element=stanza.xml)
        if message.type == "error":
            error = stanza["error"]
            message.error_type, message.text = error["type"], error["text"]
            # slixmpp's own list of conditions lacks policy-violation.
            names = (child.tag for child in error.xml if child.tag.startswith(_CONDITIONS))
            message.condition = next((name[len(_CONDITIONS):] for name in names if not name.endswith("}text")), "")
        decline = stanza.xml.find("*/{http://jabber.org/protocol/muc#user}decline")
        message.declined = "" if decline is None else decline.get("to", "")
        self.inbox.put(message)


class XmppUser:
    def __init__(self, server, user, password="pw", resource="balcony", authority=None):
        """server: the support.prosody.Prosody on which the user is registered; authority: of its certificate, for
        TLS (support.certificates.Authority)."""
        self._authority = authority
        self.bare = f"{user}@{server.domain}"
        self.full = f"{self.bare}/{resource}"
        self.inbox = queue.Queue()
        said = self._come_online(server, password)
        if said != "online":
            self.close()  # else it would try again, and take what comes for the next of its name
        assert said == "online", f"{self.bare}: {said}"

    def _come_online(self, server, password):
        """COMPAT(jabberd2 2.7): now and then it never answers the stream header of a connection that got the
        descriptor of one closed a moment ago; people's clients try again, too."""
        for _ in range(3):
            online = queue.Queue()
            background.call(self._connect, server, password, online)
            try:
                return online.get(timeout=PATIENCE / 3)
            except queue.Empty:
                background.call(self._client.abort)
        return f"not online after three times {PATIENCE / 3:.0f} s"

    def _connect(self, server, password, online):
        self._client = _Client(self.full, password, self.inbox, online)
        if self._authority:
            self._client.ca_certs = self._authority.ca
        self._client.connect((server.host, server.c2s_port), disable_starttls=not self._authority)

    def send(self, to, body, type="chat", id=None, thread=None):
        """Sends a message and returns its id."""

        def make():
            stanza = self._client.make_message(mto=to, mbody=body, mtype=type)
            stanza["id"] = id or self._client.new_id()
            if thread:
                stanza["thread"] = thread
            stanza.send()
            return stanza["id"]

        return background.call(make)

    def send_raw(self, xml):
        background.call(self._client.send_raw, xml)

    def next_message(self, within=PATIENCE):
        """The next message or error that has come."""
        try:
            return self.inbox.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"{self.full} received nothing within {within:.0f} s") from None

    def bodies(self, count, within=PATIENCE):
        return [self.next_message(within).body for _ in range(count)]

    def nothing_came(self):
        """True if no message waits, after a round trip to the own server: what it had sent by then is here."""
        self.ping(self.bare.partition("@")[2])
        return self.inbox.empty()

    def disco(self, jid):
        """(identities as "category/type", features), or the condition of the error."""

        async def ask():
            try:
                info = (await self._client["xep_0030"].get_info(jid=jid, timeout=PATIENCE))["disco_info"]
                return sorted(f"{i[0]}/{i[1]}" for i in info["identities"]), sorted(info["features"])
            except IqError as error:
                return error.condition

        return background.call(ask)

    def ask(self, to, child, type="get"):
        """Sends an IQ with this child (XML text); the answer's child as an element, or the error's condition."""

        async def ask():
            iq = self._client.make_iq(ito=to, itype=type)
            iq.set_payload(slixmpp.xmlstream.ET.fromstring(child))
            try:
                payload = (await iq.send(timeout=PATIENCE)).xml
                return payload[0] if len(payload) else None
            except IqError as error:
                return error.condition

        return background.call(ask)

    def subscribe(self, jid):
        """Asks for presence, as for a new contact: the types of presence that came by the first one."""
        came = queue.Queue()

        def ask():
            self._client.add_event_handler("presence_error", lambda p: came.put(p["type"]))
            self._client.add_event_handler("presence_subscribed", lambda p: came.put(p["type"]))
            self._client.add_event_handler("presence_unsubscribed", lambda p: came.put(p["type"]))
            self._client.send_presence_subscription(pto=jid)

        background.call(ask)
        types = [came.get(timeout=PATIENCE)]
        self.ping(self.bare.partition("@")[2])
        while not came.empty():
            types.append(came.get())
        return types

    def presence_of(self, jid, wanted, within=PATIENCE):
        """Waits for presence of this type."""
        while (came := self._client.presences.get(timeout=within)) != (jid, wanted):
            assert came != (jid, "error"), f"{jid} answers with an error"

    def say_presence(self, to=None, type=None, show=None, status=None, priority=None):
        """To everybody who may see it, or to one."""
        background.call(lambda: self._client.send_presence(pto=to, ptype=type, pshow=show, pstatus=status,
                                                           ppriority=priority))

    def seen_of(self, jid):
        """What has come from this bare address so far, oldest first."""
        return [p for p in list(self._client.seen) if p.sender.partition("/")[0] == jid]

    def sees(self, jid, type="available", show="", status=None, within=PATIENCE):
        """Waits until the last state of this contact is so; status: None for any."""

        def is_so():
            states = [p for p in self.seen_of(jid) if p.type in ("available", "unavailable")]
            return states and (states[-1].type, states[-1].show) == (type, show) and status in (None, states[-1].status)

        try:
            eventually(is_so, f"{self.full} sees {jid} {type} {show} {status or ''}", within)
        except AssertionError as why:
            raise AssertionError(f"{why}; saw {self.seen_of(jid)}") from None

    def asked_by(self, jid, within=PATIENCE):
        """Waits until this contact has asked to see us."""
        eventually(lambda: any(p.type == "subscribe" for p in self.seen_of(jid)), f"{jid} asks {self.full}", within)

    def roster(self):
        """{bare address: subscription, with "+ask" while an answer is waited for}."""
        query = self.ask(self.bare, "<query xmlns='jabber:iq:roster'/>")
        return {item.get("jid"): item.get("subscription") + ("+ask" if item.get("ask") else "") for item in query}

    def ping(self, jid):
        """None if it answered, else the error's condition."""
        return self.ask(jid, "<ping xmlns='urn:xmpp:ping'/>")

    def close(self):
        background.call(self._leave)

    async def _leave(self):
        self._client.abort()
        # What the client left running, so that nothing complains at the end.
        for task in asyncio.all_tasks():
            if "run_filters" in repr(task.get_coro()) and task.get_coro().cr_frame.f_locals.get("self") is self._client:
                task.cancel()
