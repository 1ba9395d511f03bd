"""Linphone's own library, registered at Kamailio, and an XMPP user at Prosody: what it displays, and what each is told of it."""
import pytest

from support import loopback
from support.file_server import FileServer
from support.phone import LinphoneUser
from support.waiting import eventually

SITE = {"with_proxy": True, "gateway": {"long_messages": "split"}}
RECEIPTS, MARKERS, STATES = "urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "http://jabber.org/protocol/chatstates"
ASKED = f"<request xmlns='{RECEIPTS}'/><markable xmlns='{MARKERS}'/>"
ROMEO = "romeo*sip.test@xmpp-sip.test"
PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d494844520000000100000001010000000037"
                        "6ef9240000000a49444154789c6360000000020001e221bc330000000049454e44ae426082")


@pytest.fixture(scope="module")
def files():
    server = FileServer(loopback.address(215))
    yield server
    server.close()


@pytest.fixture(scope="module")
def romeo(standing_site, files, tmp_path_factory):
    user = LinphoneUser(tmp_path_factory.mktemp("linphone") / "romeo", loopback.address(214), standing_site.kamailio, "romeo",
                        standing_site.sip_uri("juliet@xmpp.test"), files.url).start()
    yield user
    user.kill()


@pytest.fixture
def juliet(site):
    return site.xmpp_user("juliet")


def tell(juliet, inside, id):
    juliet.send_raw(f"<message to='{ROMEO}' type='chat' id='{id}'>{inside}</message>")


def id_in(message, name, namespace):
    """Of the message that this receipt or marker is about."""
    return message.child(name, namespace).get("id")


def test_all_texts_of_a_thread_are_displayed_and_each_is_told_of(romeo, juliet):
    long = " ".join(f"word{n};" for n in range(300))
    texts = ["one of a thread", "another of it", long, "the last of it"]
    for number, text in enumerate(texts):
        tell(juliet, f"<thread>t</thread><body>{text}</body>{ASKED}", f"m{number}")
        assert id_in(juliet.next_message(), "received", RECEIPTS) == f"m{number}"
    for word in [*texts[:2], *long.split(), texts[3]]:
        romeo.shows(word)

    romeo.reads()
    told = {id_in(juliet.next_message(), "displayed", MARKERS) for _ in texts}
    assert told == {"m0", "m1", "m2", "m3"}
    assert juliet.nothing_came()


def test_two_clients_of_a_person_are_one_conversation(site, romeo, juliet):
    phone = site.xmpp_user("juliet", resource="phone")
    for client in juliet, phone:
        client.send(ROMEO, f"from {client.full}")
        romeo.shows(f"{romeo.contact} shows: from {client.full}")
    assert romeo.rooms() == [romeo.contact]


def test_a_text_and_a_reply_come_and_are_told_of(romeo, juliet):
    romeo.say("Good evening, Юлия ☕")
    message = juliet.next_message()
    assert (message.body, message.sender) == ("Good evening, Юлия ☕", ROMEO)
    romeo.shows("Good evening, Юлия ☕: Delivered")

    juliet.send(ROMEO, "Who is there?")
    romeo.shows("shows: Who is there?")
    romeo.reply("It is me")
    assert juliet.next_message().body.endswith("It is me")


def test_typing_is_seen_both_ways(romeo, juliet):
    tell(juliet, f"<body>hello</body><active xmlns='{STATES}'/>", "t1")
    romeo.shows("shows: hello")
    romeo.types()
    assert juliet.next_message().child("composing", STATES) is not None
    romeo.say("typed")
    assert juliet.next_message().body == "typed"
    tell(juliet, f"<composing xmlns='{STATES}'/>", "t2")
    romeo.shows(f"{romeo.contact} is typing")
    stopped = romeo.shown().count(f"{romeo.contact} stopped")  # by each text that comes
    tell(juliet, f"<paused xmlns='{STATES}'/>", "t3")
    eventually(lambda: romeo.shown().count(f"{romeo.contact} stopped") > stopped, "it is seen that she stopped")


def test_a_picture_goes_both_ways(files, romeo, juliet, tmp_path):
    picture = tmp_path / "rose.png"
    picture.write_bytes(PICTURE)
    romeo.send_file(picture)
    message = juliet.next_message()
    assert message.body == f"{files.url}/rose.png" and message.child("file-sharing", "urn:xmpp:sfs:0") is not None
    assert files.files["rose.png"] == PICTURE

    files.files["moon.png"] = PICTURE
    url = f"{files.url}/moon.png"
    tell(juliet, f"<body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x>", "f1")
    romeo.shows(f"{romeo.contact} has the file: moon.png")
    assert (romeo.folder / "moon.png").read_bytes() == PICTURE


def test_one_that_sends_cpim_sees_what_others_see(site, files, juliet, tmp_path):
    """And still gets pictures as such."""
    paris = LinphoneUser(tmp_path / "paris", loopback.address(216), site.kamailio, "paris", site.sip_uri(juliet), files.url,
                         cpim=True).start()
    paris.say("Good morrow")
    message = juliet.next_message()
    for name, namespace, state in ("received", RECEIPTS, "DeliveredToUser"), ("displayed", MARKERS, "Displayed"):
        juliet.send_raw(f"<message to='{message.sender}' type='chat'><{name} xmlns='{namespace}' id='{message.id}'/></message>")
        paris.shows(f"Good morrow: {state}")

    # It sends typing deflated, in a CPIM, so that nobody before the mapper sees what it is.
    juliet.send_raw(f"<message to='{message.sender}' type='chat'><body>hi</body><active xmlns='{STATES}'/></message>")
    paris.shows("shows: hi")
    paris.types()
    assert juliet.next_message().child("composing", STATES) is not None
    juliet.send_raw(f"<message to='{message.sender}' type='chat'><composing xmlns='{STATES}'/></message>")
    paris.shows(f"{paris.contact} is typing")

    juliet.send_raw(f"<message to='{message.sender}' type='chat' id='q1'><body>Who is there?</body>{ASKED}</message>")
    paris.shows("shows: Who is there?")
    assert id_in(juliet.next_message(), "received", RECEIPTS) == "q1"
    paris.reply("It is I")
    answer = juliet.next_message()
    assert (answer.body, id_in(answer, "reply", "urn:xmpp:reply:0")) == ("It is I", "q1")

    files.files["star.png"] = PICTURE
    url = f"{files.url}/star.png"
    juliet.send_raw(f"<message to='{message.sender}' type='chat' id='c1'><body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x>"
                    f"{ASKED}</message>")
    paris.shows(f"{paris.contact} has the file: star.png")
    assert id_in(juliet.next_message(), "received", RECEIPTS) == "c1"
    paris.kill()


def test_what_did_not_arrive_is_shown_so(site, romeo):
    romeo.type(f"say {site.sip_uri('nobody@xmpp.test')} Is anybody there?")
    romeo.shows("Is anybody there?: NotDelivered")
