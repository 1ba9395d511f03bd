"""What people send without a body: it arrives in words, or its sender is told in words that it did not."""
import pytest

HINT = "<store xmlns='urn:xmpp:hints'/>"


@pytest.mark.parametrize("stanza, text", [
    ("<reactions xmlns='urn:xmpp:reactions:0' id='of-romeo'><reaction>👍</reaction></reactions>", "reacted with 👍"),
    ("<retract xmlns='urn:xmpp:message-retract:1' id='t1'/>", "retracted a message"),
    ("<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><name>a.png</name></file><sources>"
     "<url-data xmlns='http://jabber.org/protocol/url-data' target='https://upload.example/a.png'/></sources>"
     "</file-sharing>", "https://upload.example/a.png"),
    ("<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>45.44</lat><lon>10.99</lon></geoloc>", "geo:45.44,10.99"),
    ("<subject>At nine, by the wall</subject>", "At nine, by the wall"),
], ids=["reaction", "retraction", "file", "place", "subject"])
def test_it_arrives_in_words(site, stanza, text):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")

    juliet.send_raw(f"<message to='{site.jid_at_host(romeo)}' type='chat' id='w1'>{stanza}{HINT}</message>")

    assert romeo.next_request().text == text
    assert juliet.nothing_came()


@pytest.mark.parametrize("stanza, words", [
    ("<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
     "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'><key rid='31415'>AAAA</key><iv>BBBB</iv>"
     "</header><payload>CCCC</payload></encrypted>", "This message is encrypted; "),
    ("<x xmlns='jabber:x:data' type='form'><title>Vote</title></x>", "Forms cannot be carried to SIP; "),
], ids=["encrypted", "form"])
def test_it_is_refused_in_words(site, stanza, words):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")

    juliet.send_raw(f"<message to='{site.jid_at_host(romeo)}' type='chat' id='w1'>{stanza}{HINT}</message>")

    error = juliet.next_message()
    assert (error.type, error.id, error.condition, error.error_type) == ("error", "w1", "not-acceptable", "modify")
    assert error.text.startswith(words)
    assert romeo.inbox.empty()


def test_a_call_is_declined_at_once(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    to = site.jid_at_host(romeo)

    juliet.send_raw(f"<message to='{to}' type='chat' id='j1'><propose xmlns='urn:xmpp:jingle-message:0' id='call-77'>"
                    f"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose>{HINT}</message>")

    answer = juliet.next_message()
    rejected = answer.child("reject", "urn:xmpp:jingle-message:0")
    assert answer.sender == to and rejected.get("id") == "call-77"
    assert "not called from here" in "".join(rejected.itertext())
    assert romeo.inbox.empty()
