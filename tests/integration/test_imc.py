"""Rooms of a SIP proxy (Kamailio's imc) with XMPP users in them, who write to a room as to any SIP user."""
from support.waiting import eventually

SITE = {"with_proxy": True, "proxy": {"imc": True}}
ROOM = "chat-1*sip.test@xmpp-sip.test"


def next_of_room(user):
    message = user.next_message()
    assert (message.sender, message.type) == (ROOM, "chat")
    return message.body


def test_xmpp_users_are_in_a_room_of_kamailio(site):
    juliet, nurse, romeo = site.xmpp_user("juliet"), site.xmpp_user("nurse"), site.sip_user("romeo", registered=True)
    juliet.send(ROOM, "#join")
    assert next_of_room(juliet) == "*** Room was created"
    assert romeo.message_through_proxy("sip:chat-1@sip.test", "#join").status == 200
    assert romeo.next_request().text == next_of_room(juliet) == "*** [romeo] has joined the room"
    nurse.send(ROOM, "#join")
    assert {next_of_room(juliet), next_of_room(nurse), romeo.next_request().text} == {"*** [nurse*xmpp.test] has joined the room"}

    juliet.send(ROOM, "hello")
    assert next_of_room(nurse) == romeo.next_request().text == "[juliet*xmpp.test]: hello"
    assert romeo.message_through_proxy("sip:chat-1@sip.test", "hi").status == 200
    assert next_of_room(nurse) == next_of_room(juliet) == "[romeo]: hi"
    nurse.send(ROOM, "#members")
    assert next_of_room(nurse) == "Members:\n*[juliet*xmpp.test]\n[nurse*xmpp.test]\n[romeo]"
    nurse.send(ROOM, "#leave")
    assert {next_of_room(juliet), next_of_room(nurse), romeo.next_request().text} == {"*** [nurse*xmpp.test] has left the room"}
    assert juliet.nothing_came() and nurse.nothing_came()


def test_a_client_that_takes_it_for_a_room_of_xmpp_is_told(site):
    juliet = site.xmpp_user("juliet")
    juliet.send_raw(f"<presence to='{ROOM}/juliet' id='j1'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    eventually(lambda: [each.refusal for each in juliet.seen_of(ROOM)], "the refusal came")
    assert [each.refusal for each in juliet.seen_of(ROOM)] == ["not-acceptable: This is a SIP user, not a room"]
