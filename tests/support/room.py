"""A room (XEP-0045) of a real server, as one of its occupants sees it and rules it."""
from xml.sax.saxutils import escape, quoteattr

from support.waiting import eventually

MUC, ADMIN = "http://jabber.org/protocol/muc", "http://jabber.org/protocol/muc#admin"
OWNER, USER, FORMS = "http://jabber.org/protocol/muc#owner", "http://jabber.org/protocol/muc#user", "jabber:x:data"


class Occupant:
    """An XMPP user in a room: who comes first makes it and owns it."""

    def __init__(self, user, room, nick=None, password=None):
        """user: a support.xmpp_user.XmppUser, all of whose messages are of this room; room: its bare JID."""
        self.user, self.room = user, room
        self.nick = nick or user.bare.partition("@")[0]
        secret = f"<password>{escape(password)}</password>" if password else ""
        user.send_raw(f"<presence to={quoteattr(f'{room}/{self.nick}')}><x xmlns='{MUC}'><history maxstanzas='0'/>{secret}</x></presence>")
        self.sees(self.nick)

    def configure(self, **fields):
        """Of the room, without the prefix muc#roomconfig_; also opens a new one."""
        lines = "".join(f"<field var='muc#roomconfig_{name}'><value>{escape(str(value))}</value></field>" for name, value in fields.items())
        said = self.user.ask(self.room, f"<query xmlns='{OWNER}'><x xmlns='{FORMS}' type='submit'><field var='FORM_TYPE'>"
                             f"<value>http://jabber.org/protocol/muc#roomconfig</value></field>{lines}</x></query>", type="set")
        assert said is None, f"{self.room} is not configured: {said}"
        return self

    # Who is there.

    def _state(self, nick):
        types = [p.type for p in self.user.seen_of(self.room) if p.sender == f"{self.room}/{nick}"]
        return types[-1] if types else "unavailable"

    def sees(self, nick):
        eventually(lambda: self._state(nick) == "available", lambda: f"{nick} comes into {self.room}: {self.user.seen_of(self.room)}")

    def misses(self, nick):
        eventually(lambda: self._state(nick) == "unavailable", f"{nick} leaves {self.room}")

    # Who says what.

    def says(self, text):
        """Returns once all have it (or the room has at least sent it out)."""
        self.user.send(self.room, text, type="groupchat")
        while self._next() != (self.nick, text):
            pass

    def _next(self):
        """(nick, text) of the next message of the room; (nick, None) of one without text, as one about its configuration."""
        message = self.user.next_message()
        assert message.type == "groupchat" or not message.body, f"the room says {message}"
        return message.sender.partition("/")[2], message.body or None

    def hears(self, nick, text):
        """The next text that is said by another than this occupant."""
        while True:
            said = self._next()
            if said[0] != self.nick and said[1] is not None:
                assert said == (nick, text), f"heard {said}"
                return

    def heard_before(self, nick, text):
        """All texts that others say before this one."""
        heard = []
        while (said := self._next()) != (nick, text):
            if said[0] != self.nick and said[1] is not None:
                heard.append(said)
        return heard

    def says_topic(self, topic):
        self.user.send_raw(f"<message to='{self.room}' type='groupchat'><subject>{escape(topic)}</subject></message>")

    def is_told(self, nick, text):
        """By one occupant, alone."""
        while (message := self.user.next_message()).type != "chat":
            pass
        assert (message.sender, message.body) == (f"{self.room}/{nick}", text)

    # What moderators and owners do.

    def _set(self, item):
        said = self.user.ask(self.room, f"<query xmlns='{ADMIN}'>{item}</query>", type="set")
        assert said is None, f"{item}: {said}"

    def kick(self, nick, reason):
        self._set(f"<item nick={quoteattr(nick)} role='none'><reason>{escape(reason)}</reason></item>")

    def set_role(self, nick, role):
        self._set(f"<item nick={quoteattr(nick)} role='{role}'/>")

    def set_affiliation(self, jid, affiliation, reason=""):
        self._set(f"<item jid={quoteattr(jid)} affiliation='{affiliation}'><reason>{escape(reason)}</reason></item>")

    def destroy(self, reason, other_room=None):
        other = f" jid={quoteattr(other_room)}" if other_room else ""
        self.user.ask(self.room, f"<query xmlns='{OWNER}'><destroy{other}><reason>{escape(reason)}</reason></destroy></query>", type="set")

    def invite(self, jid, reason):
        self.user.send_raw(f"<message to='{self.room}'><x xmlns='{USER}'><invite to={quoteattr(jid)}>"
                           f"<reason>{escape(reason)}</reason></invite></x></message>")
