"""What tests/chaos makes of what it measured: a process that grows is found, one that is level is not; what fails a run."""
import pytest
from chaos.levels import LONG, SPAN, WARM, Levels
from chaos.report import Report


def life(memory, descriptors=lambda at: 30, seconds=LONG + 60):
    levels = Levels(["sip-1"])
    for at in range(0, int(seconds), 2):
        levels.add("sip-1", 4711, float(at), int(memory(at) * 1024), descriptors(at))
    return levels


def test_a_level_process_has_not_grown():
    assert life(lambda at: min(10 + at / 10, 35)).grown() == []


def test_a_leak_is_found():
    grown = life(lambda at: 30 + max(0, at - WARM) * 0.03).grown()
    assert len(grown) == 1 and grown[0].startswith("sip-1 grew from 31")


def test_one_burst_is_no_leak():
    assert life(lambda at: 90 if WARM + SPAN < at < WARM + SPAN + 60 else 30).grown() == []


def test_descriptors_that_are_not_closed_are_found():
    assert "descriptors" in life(lambda at: 30, lambda at: 30 + at // 20).grown()[0]


def test_a_short_life_says_nothing():
    levels = life(lambda at: 30 + at, seconds=LONG - 60)
    assert levels.long_lives() == [] and levels.grown() == []


ROOMS = {"rooms": 6, "phones": 18, "users": 12, "lines_of_phones": 73, "lines_of_users": 55, "told": {}}
IN_ROOM = {"in-room": {"counts": {"prosody": {"accepted": 300, "accepted_and_delivered": 297, "died_with_server": 1, "left_out": 2},
                                  "remote": {"accepted": 145, "accepted_and_delivered": 145}}}}


def report(violations=(), **figures):
    presence = {"pairs": 3, "changes": 70, "wrong": 0, "between_servers": 0, "broken": {}, "settled_s": 1.5, **figures}
    return Report(None, {"lost": 0, "doubled": 0, "reordered": 0, "presence": presence, "rooms": ROOMS, **IN_ROOM}, [], "", None,
                  None, list(violations))


def test_presence_that_is_as_it_should_be():
    assert report().good()
    assert report(between_servers=1).good()
    assert report()._presence() == ["presence: 3 pairs, 70 changes; all see what is so, 1.5 s after the end"]


@pytest.mark.parametrize("figures, said", [
    ({"wrong": 2}, "presence: 3 pairs, 70 changes; 2 pairs see what is not so"),
    ({"broken": {"an XMPP user got unsubscribed": 1}}, "       1  an XMPP user got unsubscribed")])
def test_presence_fails_a_run(figures, said):
    assert not report(**figures).good()
    assert said in report(**figures)._presence()


def test_rooms_are_counted():
    assert report().good()
    assert report()._rooms() == ["rooms: 6 with 18 phones and 12 XMPP users, 73 lines of phones and 55 of XMPP users; "
                                 "445 hearings are owed: 442 heard, 1 died with server, 2 left out"]


def test_a_phone_that_is_put_out_fails_a_run():
    put_out = report()
    put_out.ledger["rooms"] = {**ROOMS, "told": {"* You are not in this room any more": 1}}
    assert not put_out.good()
    assert put_out._rooms()[1] == "       1  * You are not in this room any more"
