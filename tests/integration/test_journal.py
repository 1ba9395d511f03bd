"""The worker dies with stanzas in hand: each is delivered once, or its sender gets one error."""
import subprocess

import pytest

from support import loopback
from support.stox import PROGRAMS, toml
from support.waiting import eventually
from support.xmpp_server import NS, XmppServer

COUNT = 5


def take_in(site, juliet, romeo, count=COUNT):
    """Messages that the worker has accepted, and that have not ended."""
    before = site.stox.in_flight("component-1") or 0
    sent = [juliet.send(site.jid_at_host(romeo), f"number {i}") for i in range(count)]
    eventually(lambda: site.stox.in_flight("component-1") == before + count, "the worker has them")
    return sent


def worker_dies(site):
    site.stox.kill("component-1")
    site.stox.start("component-1")


def nothing_left(site):
    eventually(lambda: site.stox.in_flight("component-1") == 0, "all have ended")
    assert site.stox.status()["component-1"]["journal"]["held"] == 0


def test_the_phone_was_silent(new_site):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.automatic = None
    take_in(site, juliet, romeo)
    ringing = romeo.next_request()  # the others queue behind it

    worker_dies(site)
    site.stox.ready()
    juliet.send(site.jid_at_host(romeo), "and one more")

    romeo.automatic = (200, "OK")
    ringing.respond(200, "OK")
    assert romeo.texts(COUNT) == [f"number {i}" for i in range(1, COUNT)] + ["and one more"]
    nothing_left(site)
    assert romeo.inbox.empty() and juliet.nothing_came()


def test_the_phone_says_no_after_the_restart(new_site):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.automatic = None
    sent = take_in(site, juliet, romeo)
    request = romeo.next_request()

    worker_dies(site)
    site.stox.ready()
    romeo.automatic = (486, "Busy Here")
    request.respond(486, "Busy Here")

    assert sorted(juliet.next_message().id for _ in range(COUNT)) == sorted(sent)
    nothing_left(site)
    assert juliet.nothing_came()


@pytest.mark.parametrize("fault", ["frozen", "killed"])
def test_no_mapper_passed_them_on(new_site, fault):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    mapper = site.stox.processes["mapper-1"]
    mapper.freeze() if fault == "frozen" else mapper.kill()
    take_in(site, juliet, romeo)

    worker_dies(site)
    mapper.thaw() if fault == "frozen" else mapper.start()
    site.stox.ready()

    assert romeo.texts(COUNT) == [f"number {i}" for i in range(COUNT)]
    nothing_left(site)
    assert romeo.inbox.empty() and juliet.nothing_came()


def test_the_front_was_frozen(new_site):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    front = site.stox.processes["sip-1"]
    front.freeze()
    sent = take_in(site, juliet, romeo)

    worker_dies(site)
    front.thaw()
    site.stox.ready()

    arrived, told = [], []

    def all_ended():
        while not romeo.inbox.empty():
            arrived.append(romeo.next_request().text)
        while not juliet.inbox.empty():
            told.append(juliet.next_message().id)
        return len(arrived) + len(told) >= COUNT

    eventually(all_ended, "each was delivered or its sender told")
    nothing_left(site)
    assert juliet.nothing_came() and all_ended()
    bodies = {f"number {i}": sent[i] for i in range(COUNT)}
    assert sorted([bodies[text] for text in arrived] + told) == sorted(sent)


def test_the_front_died_too(new_site):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.automatic = None
    sent = take_in(site, juliet, romeo)
    romeo.next_request()

    for name in "sip-1", "component-1":
        site.stox.kill(name)
    site.stox.start("sip-1", "component-1")
    site.stox.ready()

    errors = [juliet.next_message() for _ in range(COUNT)]
    assert sorted(error.id for error in errors) == sorted(sent)
    assert {(error.condition, error.error_type) for error in errors} == {("remote-server-timeout", "wait")}
    assert all("may have been delivered" in error.text for error in errors)
    nothing_left(site)
    assert juliet.nothing_came()


def test_an_error_that_found_no_stream_is_sent_by_the_next_process(new_site):
    server = XmppServer(loopback.address(201))
    site = new_site(xmpp_server=server)
    site.stox.start().ready()
    romeo = site.sip_user("romeo")
    romeo.automatic = None
    server.send(f"<message from='juliet@xmpp.test/balcony' to='{site.jid_at_host(romeo)}' id='m1' type='chat'>"
                "<body>hello</body></message>")
    request = romeo.next_request()
    server.refuse_with = "internal-server-error"
    server.disconnect()
    eventually(lambda: site.stox.state("component-1") != "ready", "the stream is down")
    request.respond(603, "Decline")
    eventually(lambda: site.stox.in_flight("component-1") == 0, "the worker knows how it ended")
    assert site.stox.status()["component-1"]["journal"]["held"] == 1

    worker_dies(site)
    server.refuse_with = None
    error = server.next_stanza()

    assert (error.tag, error.get("type"), error.get("id")) == (NS + "message", "error", "m1")
    assert error.get("to") == "juliet@xmpp.test/balcony"
    nothing_left(site)
    assert server.stanzas.empty()
    server.close()


def test_switched_off(new_site):
    site = new_site(worker={"journal": False}).start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    juliet.send(site.jid_at_host(romeo), "hello")
    assert romeo.next_request().text == "hello"
    assert not list((site.stox.folder / "state").glob("component-1*"))
    assert site.stox.status()["component-1"]["journal"] is None


def test_every_commit_waits_for_the_disk(new_site):
    site = new_site(worker={"journal_sync": "full"}).start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    for i in range(20):
        juliet.send(site.jid_at_host(romeo), f"number {i}")
    assert romeo.texts(20) == [f"number {i}" for i in range(20)]
    nothing_left(site)


def test_a_second_process_of_the_name_is_kept_out(new_site):
    site = new_site().start()
    other = {**site.stox.configuration, "runtime": {**site.stox.configuration["runtime"],
                                                    "directory": str(site.stox.folder / "other")}}
    file = site.stox.folder / "other.toml"
    file.write_text(toml(other))
    done = subprocess.run([PROGRAMS / "stox-xmpp-worker", "-f", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "component-1.journal" in done.stderr and "twice" in done.stderr
