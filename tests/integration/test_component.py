"""What XMPP clients ask the gateway itself."""

GATEWAY = "xmpp-sip.test"
USER = "romeo*sip.test@xmpp-sip.test"


def test_the_gateway_says_what_it_is(site):
    identities, features = site.xmpp_user("juliet").disco(GATEWAY)

    assert identities == ["gateway/simple"]
    assert {"http://jabber.org/protocol/disco#info", "jabber:iq:version", "urn:xmpp:ping",
            "jid\\20escaping"} <= set(features)


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
    assert juliet.ask(USER, "<vCard xmlns='vcard-temp'/>") == "service-unavailable"


def test_a_features_node_that_does_not_exist(site):
    assert site.xmpp_user("juliet").ask(
        GATEWAY, "<query xmlns='http://jabber.org/protocol/disco#info' node='nowhere'/>") == "item-not-found"


def test_a_message_to_the_gateway_itself_has_no_recipient(site):
    juliet = site.xmpp_user("juliet")
    juliet.send(GATEWAY, "Hello, machine")
    assert juliet.next_message().condition in ("item-not-found", "service-unavailable")
