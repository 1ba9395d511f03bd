"""What XMPP clients ask the gateway itself."""
import signal

from support.waiting import eventually

GATEWAY = "xmpp-sip.test"
USER = "romeo*sip.test@xmpp-sip.test"


def test_the_gateway_says_what_it_is(site):
    identities, features = site.xmpp_user("juliet").disco(GATEWAY)

    assert identities == ["gateway/simple"]
    assert {"http://jabber.org/protocol/disco#info", "jabber:iq:version", "urn:xmpp:ping",
            "jid\\20escaping"} <= set(features)


def test_its_users_are_phones(site):
    identities, features = site.xmpp_user("juliet").disco(USER)
    assert identities == ["client/phone"]
    assert {"http://jabber.org/protocol/disco#info", "urn:xmpp:ping", "urn:xmpp:receipts",
            "http://jabber.org/protocol/chatstates"} <= set(features)
    assert not {"jabber:iq:last", "jabber:iq:gateway"} & set(features)


def test_it_lists_nothing(site):
    juliet = site.xmpp_user("juliet")
    for jid in GATEWAY, USER:
        assert len(juliet.ask(jid, "<query xmlns='http://jabber.org/protocol/disco#items'/>")) == 0


def test_it_answers_pings(site):
    juliet = site.xmpp_user("juliet")
    assert juliet.ping(GATEWAY) is None
    assert juliet.ping(USER) is None


def test_it_says_its_version(site):
    answer = site.xmpp_user("juliet").ask(GATEWAY, "<query xmlns='jabber:iq:version'/>")
    assert answer.findtext("{jabber:iq:version}name") == "stox"
    assert answer.findtext("{jabber:iq:version}version")


def test_what_it_does_not_know_is_told(site):
    juliet = site.xmpp_user("juliet")
    assert juliet.ask(GATEWAY, "<query xmlns='urn:unknown'/>") == "service-unavailable"
    assert juliet.ask(GATEWAY, "<query xmlns='urn:unknown'/>", type="set") == "service-unavailable"
    assert juliet.ask(USER, "<query xmlns='jabber:iq:private'/>") == "service-unavailable"


def test_how_to_write_to_a_sip_user(site):
    juliet = site.xmpp_user("juliet")
    assert juliet.ask(GATEWAY, "<query xmlns='jabber:iq:gateway'/>").findtext("{jabber:iq:gateway}prompt")
    answer = juliet.ask(GATEWAY, "<query xmlns='jabber:iq:gateway'><prompt>romeo@sip.test</prompt></query>", type="set")
    assert answer.findtext("{jabber:iq:gateway}jid") == USER
    assert juliet.ask(GATEWAY, "<query xmlns='jabber:iq:gateway'><prompt>?</prompt></query>",
                      type="set") == "jid-malformed"


def test_how_long_it_runs(site):
    answer = site.xmpp_user("juliet").ask(GATEWAY, "<query xmlns='jabber:iq:last'/>")
    assert 0 <= int(answer.get("seconds")) < 3600


def test_a_contact_who_cannot_be_is_refused(site):
    juliet = site.xmpp_user("juliet")
    assert juliet.subscribe("romeo*nowhere.invalid@xmpp-sip.test") == ["unsubscribed"]


def test_without_presence_every_contact_is_granted_and_offline(new_site):
    site = new_site(gateway={"presence": False}).start()
    juliet = site.xmpp_user("juliet")
    assert juliet.subscribe(USER) == ["subscribed"]
    assert {presence.type for presence in juliet.seen_of(USER)} <= {"subscribed", "unavailable"}

    # HUP does not bring it, to none of the processes.
    site.stox.configuration["gateway"]["presence"] = True
    site.stox.write()
    for name in site.stox.names:
        site.stox.processes[name].signal(signal.SIGHUP)
        eventually(lambda: "configuration read" in site.stox.log(name), f"{name} has read it")
    assert juliet.subscribe("benvolio*sip.test@xmpp-sip.test") == ["subscribed"]


def test_it_is_there_for_who_has_subscribed(site):
    """At once, and to the probe that the server sends when a client comes online."""
    juliet = site.xmpp_user("juliet")
    assert "subscribed" in juliet.subscribe(GATEWAY)
    juliet.presence_of(GATEWAY, "available")
    site.xmpp_user("juliet", "orchard").presence_of(GATEWAY, "available")


def test_invitations_are_declined(site):
    juliet = site.xmpp_user("juliet")
    juliet.send_raw(f"<message to='{USER}'><x xmlns='jabber:x:conference' jid='room@muc.test'/></message>")
    refusal = juliet.next_message()
    assert refusal.condition == "not-acceptable" and "group chats" in refusal.text
    juliet.send_raw(f"<message to='{USER}'><x xmlns='http://jabber.org/protocol/muc#user'>"
                    "<invite from='nurse@xmpp.test'/></x></message>")
    declined = juliet.next_message()
    assert declined.declined == "nurse@xmpp.test"
    assert "group chats" in declined.element.findtext("*/*/{http://jabber.org/protocol/muc#user}reason")


def test_a_features_node_that_does_not_exist(site):
    assert site.xmpp_user("juliet").ask(
        GATEWAY, "<query xmlns='http://jabber.org/protocol/disco#info' node='nowhere'/>") == "item-not-found"


def test_a_message_to_the_gateway_itself_has_no_recipient(site):
    juliet = site.xmpp_user("juliet")
    juliet.send(GATEWAY, "Hello, machine")
    assert juliet.next_message().condition in ("item-not-found", "service-unavailable")
