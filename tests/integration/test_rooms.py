"""Phones in XMPP rooms: registered at Kamailio, they write to sip:ROOM*conference.xmpp.test@GATEWAY, and others are there on clients."""
import functools
import itertools
import threading

import pytest

from support import loopback
from support.ejabberd import Ejabberd
from support.federation import DOMAIN, prosody
from support.phone import Baresip, LinphoneUser, Sofia
from support.profanity import Profanity
from support.prosody import Prosody
from support.room import Occupant
from support.site import Site
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

ROOMS, WITH_ARCHIVE = "conference.xmpp.test", "archive.xmpp.test"
LISTED = {"rooms": "listed", "room_domains": [ROOMS, WITH_ARCHIVE]}
SITE = {"server": functools.partial(Prosody, rooms=[ROOMS, WITH_ARCHIVE], archives=[WITH_ARCHIVE]), "with_proxy": True,
        "gateway": LISTED}
HEARD = [f"juliet: heard {number}" for number in range(1, 7)]
INSIDE = "* You are in this room now, as "
_names = (f"room{n}@{ROOMS}" for n in itertools.count(1))


class Phone:
    """A SIP user in one room."""

    def __init__(self, site, name, room):
        self.sip, self.name, self.room = site.sip_user(name, registered=True), name, room
        self.uri, self.jid = site.sip_uri(room), site.jid(self.sip)

    def writes(self, text, to=None, **how):
        """The final response."""
        return self.sip.message_through_proxy(to or self.uri, text, within=40, **how)

    def comes_in(self, nick=None):
        assert self.writes("#join").status == 200
        self.shows(f"{INSIDE}{nick or self.name}. Write #help to see what else you can do")
        return self

    def shown(self):
        """The text of the next message, which is the room's."""
        message = self.sip.next_request()
        assert message.sender == self.uri, f"{message} is from {message.sender}"
        return message.text

    def shown_so_far(self):
        return [self.shown() for _ in range(self.sip.inbox.qsize())]

    def shows(self, text):
        assert (shown := self.shown()) == text, f"shows {shown!r}"


@pytest.fixture
def room():
    return next(_names)


@pytest.fixture
def phone():
    """Makes phones that are registered for one test: phone(...) takes what Phone takes."""
    phones = []

    def make(*how):
        phones.append(Phone(*how))
        return phones[-1]

    yield make
    for made in phones:
        made.sip.register(expires=0)


def is_refused(answer, status, why):
    assert answer.status == status and why in answer.reason, f"{answer.status} {answer.reason}"


def test_who_writes_to_a_room_is_in_it(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    assert romeo.writes("Good evening").status == 200
    juliet.sees("romeo")
    juliet.hears("romeo", "Good evening")
    assert romeo.shown().startswith(INSIDE + "romeo")

    juliet.says("Who is there?")
    romeo.shows("juliet: Who is there?")
    assert romeo.writes("#verona It is I").status == 200
    juliet.hears("romeo", "#verona It is I")
    juliet.says("Come up")
    romeo.shows("juliet: Come up")  # and what he said himself was not shown


def test_all_who_are_in_it_hear_each_other(site, phone, room):
    juliet, romeo, paris = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room), phone(site, "paris", room)
    romeo.comes_in()
    paris.comes_in()
    assert romeo.writes("one").status == 200
    paris.shows("romeo: one")
    assert paris.writes("two").status == 200
    romeo.shows("paris: two")
    assert juliet.heard_before("paris", "two") == [("romeo", "one")]


def test_the_way_of_a_line_is_one_trace(site, phone, room):
    Occupant(site.xmpp_user("juliet"), room).configure()
    romeo, paris, tybalt = (phone(site, name, room).comes_in() for name in ("romeo", "paris", "tybalt"))
    for number in range(2):
        assert romeo.writes("hello", call_id=f"{room}-{number}").status == 200
    for each in paris, tybalt:
        each.shows("romeo: hello")
        each.shows("romeo: hello")
    ways = {(hop["from"], hop["to"]) for hop in site.stox.ctl_json("trace", f"{room}-1")["hops"] if hop["process"] == "sip-1"}
    heard = {each: [way for way in ways if each.sip.uri in way] for each in (romeo, paris, tybalt)}
    assert {each.name: len(way) for each, way in heard.items()} == {"romeo": 1, "paris": 1, "tybalt": 1}, ways
    assert heard[romeo] == [(romeo.sip.uri, romeo.uri)] and heard[paris] == [(romeo.uri, paris.sip.uri)]
    assert len(ways) == 3


def test_what_is_written_for_the_gateway(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    romeo.comes_in()
    assert romeo.writes("#members").status == 200
    assert romeo.shown() in ("* 2 here: juliet, romeo", "* 2 here: romeo, juliet")

    assert romeo.writes("#nick The Montague").status == 200
    romeo.shows("* You are called The Montague here now")
    juliet.sees("The Montague")

    juliet.says_topic("The balcony")
    romeo.shows("* juliet has changed the topic to: The balcony")
    assert romeo.writes("#topic").status == 200
    romeo.shows("* The topic is: The balcony")

    nurse = site.xmpp_user("nurse")
    assert romeo.writes("#invite xmpp:nurse@xmpp.test").status == 200
    assert nurse.next_message().sender == room

    assert romeo.writes("#help").status == 200
    assert "#leave" in romeo.shown()
    assert romeo.writes("#leave").status == 200
    juliet.misses("The Montague")
    is_refused(romeo.writes("#members"), 406, "#join")


def test_a_password(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(roomsecret="sesame"), phone(site, "romeo", room)
    is_refused(romeo.writes("hello"), 403, "write #join PASSWORD")
    is_refused(romeo.writes("#join simsim"), 403, "write #join PASSWORD")
    assert romeo.writes("#join sesame").status == 200
    assert romeo.shown().startswith(INSIDE)
    assert romeo.writes("hello").status == 200
    juliet.hears("romeo", "hello")


def test_who_may_not_come_in_is_told_why(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    juliet.set_affiliation(romeo.jid, "outcast")
    is_refused(romeo.writes("hello"), 403, "banned")
    juliet.configure(membersonly=1).set_affiliation(romeo.jid, "none")
    is_refused(romeo.writes("hello"), 403, "only for its members")
    juliet.set_affiliation(romeo.jid, "member")
    assert romeo.writes("hello").status == 200
    juliet.hears("romeo", "hello")
    is_refused(phone(site, "paris", f"nowhere@{ROOMS}").writes("hello"), 403, "does not exist")


def test_who_may_not_speak_is_told_so(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(moderatedroom=1), phone(site, "romeo", room)
    romeo.comes_in()
    is_refused(romeo.writes("hello"), 403, "the room is moderated")
    juliet.set_role("romeo", "participant")
    assert romeo.writes("hello").status == 200
    juliet.hears("romeo", "hello")


def test_who_is_put_out_is_told_by_whom(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    romeo.comes_in()
    juliet.kick("romeo", "too loud")
    romeo.shows("* You were removed from this room by juliet: too loud. Write #join to come back")
    assert romeo.writes("#join").status == 200
    assert romeo.shown().startswith(INSIDE)

    juliet.set_affiliation(romeo.jid, "outcast", "still too loud")
    romeo.shows("* You were banned from this room by juliet: still too loud.")
    juliet.set_affiliation(romeo.jid, "none")
    romeo.comes_in()

    juliet.destroy("the sun is up", f"garden@{ROOMS}")
    romeo.shows(f"* This room was closed: the sun is up. Go on in garden@{ROOMS}")


def test_a_room_that_has_moved_says_where_to(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(persistentroom=1), phone(site, "romeo", room).comes_in()
    juliet.destroy("the sun is up", f"garden@{ROOMS}")
    romeo.shows(f"* This room was closed: the sun is up. Go on in garden@{ROOMS}")
    answer = romeo.writes("Anybody?")
    is_refused(answer, 301, f"This room is now garden@{ROOMS}")
    assert answer.get("contact") == f"<{site.sip_uri(f'garden@{ROOMS}')}>"


def test_a_nick_that_another_has(site, phone, room):
    juliet, nurse = Occupant(site.xmpp_user("juliet"), room).configure(), Occupant(site.xmpp_user("nurse"), room, "romeo")
    romeo = phone(site, "romeo", room)
    assert romeo.writes("hello").status == 200
    juliet.hears("romeo2", "hello")
    nurse.hears("romeo2", "hello")
    assert romeo.shown().startswith(INSIDE + "romeo2")


def test_an_invitation_is_shown_and_taken(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    juliet.invite(romeo.jid, "The nurse is away")
    romeo.shows("* juliet invites you to this room: The nurse is away. Write #join to come in")
    romeo.comes_in()
    juliet.sees("romeo")


def test_two_speak_alone(site, phone, room):
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    romeo.comes_in()
    juliet.user.send(f"{room}/romeo", "Come alone")
    message = romeo.sip.next_request()
    assert (message.text, message.sender) == ("Come alone", f"{romeo.uri};gr=juliet")
    assert romeo.writes("I will", to=message.sender).status == 200
    juliet.is_told("romeo", "I will")
    assert romeo.writes("#msg juliet At once").status == 200
    juliet.is_told("romeo", "At once")


def test_linphone_shows_the_room_as_one_conversation(site, room, tmp_path):
    juliet = Occupant(site.xmpp_user("juliet"), room).configure()
    romeo = LinphoneUser(tmp_path / "romeo", loopback.address(214), site.kamailio, "romeo", site.sip_uri(room)).start()
    romeo.say("Good evening")
    juliet.hears("romeo", "Good evening")
    romeo.shows("Good evening: Delivered")
    juliet.says("Who is there?")
    romeo.shows(f"{romeo.contact} shows: juliet: Who is there?")
    assert romeo.rooms() == [romeo.contact]
    romeo.kill()


def test_baresip_and_profanity_hear_each_other(site, room, tmp_path):
    Occupant(site.xmpp_user("juliet"), room).configure()
    nurse = Profanity(tmp_path / "nurse", site.xmpp_server, "nurse").start()
    nurse.type(f"/join {room} nick nurse")
    nurse.shows("You have joined the room as nurse")
    romeo = Baresip(tmp_path / "romeo", loopback.address(215), site.kamailio, "romeo", site.sip_uri(room)).start()
    romeo.say("Is she here?")
    nurse.shows("romeo: Is she here?")
    nurse.type("She is at church")
    romeo.shows("nurse: She is at church")
    romeo.kill()
    nurse.kill()


def test_sofia_sip_is_in_a_room(site, room, tmp_path):
    juliet = Occupant(site.xmpp_user("juliet"), room).configure()
    romeo = Sofia(tmp_path / "romeo", loopback.address(216), site.stox, "romeo", site.sip_uri(room)).start()
    proxy = site.stox.configuration["gateway"]["outbound_proxy"]
    site.stox.send_all_to(f"sip:{romeo.host}:{romeo.port}")
    try:
        romeo.say("Good evening")
        juliet.hears("romeo", "Good evening")
        romeo.shows("answered 200")
        juliet.says("Who is there?")
        romeo.shows("juliet: Who is there?")
        romeo.say("#leave")
        romeo.shows("answered 200", times=2)
    finally:
        romeo.kill()
        site.stox.send_all_to(proxy)


def speaks_until(phone, stop):
    """Numbered texts, one after the other, of which some arrive: the thread, and {text: status} of those that were
    answered. They are fewer than a room keeps."""
    statuses = {}

    def speak():
        for number in itertools.count(1):
            if stop.is_set() or list(statuses.values()).count(200) >= 12:
                return
            statuses[f"said {number}"] = phone.writes(f"said {number}").status

    thread = threading.Thread(target=speak)
    thread.start()
    return thread, statuses


def stays_in_while(juliet, romeo, breaks):
    """What is broken and healed costs nothing that was said in the room, and doubles nothing. Returns what he was shown."""
    stop = threading.Event()
    speaker, statuses = speaks_until(romeo, stop)
    eventually(lambda: len(statuses) >= 3, "he speaks")
    for number in range(1, len(HEARD) + 1):
        juliet.user.send(juliet.room, f"heard {number}", type="groupchat")
        if number == 3:
            breaks()
    spoken = len(statuses)
    eventually(lambda: list(statuses.values())[spoken:].count(200) >= 3 or not speaker.is_alive(), lambda: f"he speaks again: {statuses}", within=90)
    stop.set()
    speaker.join()
    assert romeo.writes("the end").status == 200
    heard = [text for nick, text in juliet.heard_before("romeo", "the end")]
    assert len(heard) == len(set(heard)), f"doubled: {heard}"
    lost = {text for text, status in statuses.items() if status == 200} - set(heard)
    assert not lost, f"answered 200 and not said: {lost} of {statuses}"

    juliet.says("the end")
    shown = []
    eventually(lambda: shown.extend(romeo.shown_so_far()) or set(shown) >= {*HEARD, "juliet: the end"}, lambda: f"all is shown: {shown}")
    assert len(shown) == len(set(shown)), f"doubled: {shown}"
    return [text for text in shown if text in HEARD]


@pytest.mark.parametrize("domain", [ROOMS, WITH_ARCHIVE])
def test_the_gateway_may_die_in_a_room(site, phone, room, domain):
    room = room.replace(ROOMS, domain)
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    romeo.comes_in()

    def worker_dies():
        site.stox.kill("component-1")
        site.stox.start("component-1")
        site.stox.ready()

    # What was said while nobody listened is asked for, and comes behind what was said meanwhile.
    assert set(stays_in_while(juliet, romeo, worker_dies)) == {*HEARD}


def test_the_room_may_start_anew(site, phone, room):
    Occupant(site.xmpp_user("juliet"), room).configure(persistentroom=1)
    romeo = phone(site, "romeo", room).comes_in()
    site.xmpp_server.stop()
    site.xmpp_server.start()
    juliet = Occupant(site.xmpp_user("juliet"), room)
    juliet.sees("romeo")
    juliet.says("Here again?")
    romeo.shows("juliet: Here again?")


@pytest.fixture(scope="module")
def standing_two_workers():
    site = Site(server=functools.partial(Ejabberd, modules=("muc",)), with_proxy=True, gateway=LISTED, workers=2).start()
    yield site
    site.stop()


@pytest.fixture
def two_workers(standing_two_workers):
    yield standing_two_workers
    standing_two_workers.users_leave()


def test_two_workers_are_one_occupant(two_workers, phone, room):
    site = two_workers
    juliet = Occupant(site.xmpp_user("juliet"), room).configure()
    phones = [phone(site, name, room).comes_in() for name in ("romeo", "paris", "tybalt")]
    for each in phones:
        assert each.writes("hello").status == 200
        juliet.hears(each.name, "hello")
        for other in phones:
            if other is not each:
                other.shows(f"{each.name}: hello")
    juliet.says("Who is there?")
    for each in phones:
        each.shows("juliet: Who is there?")
    listed = [row for row in site.stox.ctl_json("rooms")["rooms"] if row["room"] == room]
    assert [(row["user"], row["nick"], row["state"], row["acts"]) for row in listed] == [
        (f"{name}*sip.test@xmpp-sip.test", name, "in", True) for name in ("paris", "romeo", "tybalt")]
    assert phones[0].writes("#leave").status == 200
    juliet.misses("romeo")
    left = site.stox.ctl("rooms", "leave", "--user", "sip:paris@sip.test", phones[1].uri)
    assert (left.returncode, left.stdout) == (0, f"sip:paris@sip.test has left {phones[1].uri}\n")
    juliet.misses("paris")
    assert site.stox.ctl("rooms", "leave", "--user", "sip:paris@sip.test", room).returncode == 1
    shown = [row["nick"] for row in site.stox.ctl_json("rooms", "--user", phones[2].jid)["rooms"] if row["room"] == room]
    assert shown == ["tybalt"]


def test_any_domain_may_have_rooms(two_workers, phone, room, request):
    """It is asked whether it has (XEP-0030)."""
    site = two_workers

    def set_rooms(**keys):
        site.stox.configuration["gateway"].update(keys)
        site.stox.write()
        site.stox.ctl("reload")

    set_rooms(rooms="any", room_domains=[])
    request.addfinalizer(lambda: set_rooms(**LISTED))
    juliet, nurse = Occupant(site.xmpp_user("juliet"), room).configure(), site.xmpp_user("nurse")
    romeo = phone(site, "romeo", room)
    assert romeo.writes("Good evening").status == 200
    juliet.hears("romeo", "Good evening")
    assert romeo.shown().startswith(INSIDE + "romeo")
    juliet.says("Who is there?")
    romeo.shows("juliet: Who is there?")

    assert romeo.writes("#join", to=site.sip_uri(nurse.bare)).status == 200
    message = nurse.next_message()
    assert (message.type, message.body, message.sender.partition("/")[0]) == ("chat", "#join", romeo.jid), "she is no room"


def test_a_room_that_is_full(two_workers, phone, room):
    Occupant(two_workers.xmpp_user("juliet"), room).configure(maxusers=1)
    is_refused(phone(two_workers, "romeo", room).writes("hello"), 486, "is full")


@pytest.mark.parametrize("dies", ["component-1", "component-2"])
def test_either_of_two_workers_may_die(two_workers, phone, room, dies):
    site = two_workers
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), phone(site, "romeo", room)
    romeo.comes_in()

    def worker_dies():
        site.stox.kill(dies)
        site.stox.missed(dies)
        site.stox.start(dies)
        site.stox.ready()

    # The other one asks the room at once for what may be lost, and what was in hand is sent by the next process.
    stays_in_while(juliet, romeo, worker_dies)


def test_a_room_of_another_server(federation):
    """Without a server of our own between: streams to the rooms' domain, by dialback."""
    def records(site, peer):
        port = loopback.free_port(peer, 5269)
        return {XMPP_DOMAIN: (site.host, site.port), DOMAIN: (peer, port), ROOMS: (peer, port)}

    site = federation(make=prosody(f'Component "{ROOMS}" "muc"\n'), worker={"insecure_domains": [DOMAIN, ROOMS]}, records=records)
    site.stox.configuration["gateway"].update(LISTED)
    site.stox.write()
    site.start()
    room = f"garden@{ROOMS}"
    juliet, romeo = Occupant(site.xmpp_user("juliet"), room).configure(), site.sip_user("romeo")
    romeo.uri = f"sip:romeo@{romeo.host}:{romeo.port}"  # where he is found without a proxy
    assert romeo.message(site.sip_uri(room), "Good evening").status == 200
    juliet.hears("romeo", "Good evening")
    assert romeo.next_request().text.startswith(f"{INSIDE}romeo")
    juliet.says("Who is there?")
    assert romeo.next_request().text == "juliet: Who is there?"
