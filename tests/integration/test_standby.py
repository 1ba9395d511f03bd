"""Two workers of one component on Prosody, which lets only one in: the other stands by and takes over."""
import concurrent.futures
import signal
import subprocess

import pytest

from support.prosody import Prosody
from support.waiting import eventually

NAMES = {"component-1", "component-2"}


@pytest.fixture
def site(new_site):
    return new_site(workers=2).start()


def active_and_standby(site):
    def found():
        states = {name: site.stox.state(name) for name in NAMES}
        return sorted(states.values()) == ["ready", "standby"] and sorted(states, key=states.get)

    return eventually(found, "one is ready, one stands by")


def test_one_is_ready_and_the_other_says_why_it_is_not(site):
    active, standby = active_and_standby(site)

    assert site.stox.ctl("status").returncode == 0
    assert f"{active} is connected" in site.stox.status()[standby]["reason"]
    assert "another program" not in site.stox.status()[standby]["reason"]
    assert site.sip_user("romeo").message(site.sip_uri("juliet@xmpp.test"), "hi").status == 200
    assert site.stox.metrics(standby)["stox_xmpp_streams_total"] == 0


@pytest.mark.parametrize("way", ["killed", "asked to stop"])
def test_the_standby_takes_over_under_way(site, way):
    active, standby = active_and_standby(site)
    juliet = site.xmpp_user("juliet")
    senders = [site.sip_user(f"romeo{i}") for i in range(4)]

    def talk(sender):
        bodies = [f"{sender.uri} {i}" for i in range(30)]
        return [body for body in bodies if sender.message(site.sip_uri(juliet), body, within=40).status == 200]

    with concurrent.futures.ThreadPoolExecutor(len(senders)) as pool:
        talks = [pool.submit(talk, sender) for sender in senders]
        arrived = juliet.bodies(20)
        site.stox.kill(active) if way == "killed" else site.stox.processes[active].stop()
        accepted = [body for talk in talks for body in talk.result()]
    site.stox.until(standby, "ready")
    assert senders[0].message(site.sip_uri(juliet), "the last").status == 200
    while "the last" not in arrived:
        arrived.append(juliet.next_message().body)
    assert set(accepted) <= set(arrived), "accepted and lost"
    assert len(arrived) == len(set(arrived)), "arrived twice"
    if way == "asked to stop":
        assert len(accepted) == 120, "a stop costs no message"
    else:
        assert len(accepted) > 60

    juliet.send(site.jid_at_host(senders[0]), "and back")
    assert senders[0].next_request().text == "and back"

    # Who comes back finds the place taken.
    site.stox.start(active)
    site.stox.until(active, "standby")
    assert site.stox.state(standby) == "ready"


def test_the_standby_owes_an_error_that_only_the_other_can_send(site):
    """The worker that has a message loses its place to the other before the phone has refused."""
    before, after = active_and_standby(site)
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    romeo.automatic = None
    juliet.send(site.jid_at_host(romeo), "Wherefore art thou?")
    request = romeo.next_request()

    juliet.close()
    site.xmpp_server.kill()
    site.stox.processes[before].freeze()
    site.xmpp_server.start()
    site.stox.until(after, "ready")
    site.stox.processes[before].thaw()
    site.stox.until(before, "standby")
    juliet = site.xmpp_user("juliet")
    request.respond(486, "Busy Here")
    assert juliet.next_message().type == "error"


@pytest.mark.parametrize("status", [200, 486])
def test_one_that_is_asked_to_stop_waits_for_a_phone_but_not_with_its_place(site, status):
    active, standby = active_and_standby(site)
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    romeo.automatic = None
    slow = juliet.send(site.jid_at_host(romeo), "slow")
    request = romeo.next_request()
    process = site.stox.processes[active]
    process.signal(signal.SIGTERM)
    site.stox.until(standby, "ready")
    assert process.running(), "it waits for the phone"
    request.respond(status, "As it says")
    if status != 200:
        error = juliet.next_message()
        assert (error.type, error.id) == ("error", slow)
    eventually(lambda: not process.running(), "it ends")
    assert process.process.returncode == 0
    juliet.send(site.jid_at_host(romeo), "by the other")
    while (request := romeo.next_request()).text == "slow":
        pass  # a copy
    request.respond(200, "OK")
    site.stox.start(active)
    site.stox.until(active, "standby")
    assert juliet.nothing_came(), "told once, and never that the gateway is being restarted"


@pytest.fixture
def hosts(network):
    made = [network.host(name) for name in ("xmpp", "a", "b")]
    yield made
    for host in made:
        host.close()


def test_the_host_of_the_other_is_lost(hosts, new_site):
    """Prosody hears nothing of that. Its system does, with the settings that README names."""
    at_server, *of_workers = hosts
    for key, value in ("time", 10), ("intvl", 5), ("probes", 3):
        setting = f"/proc/sys/net/ipv4/tcp_keepalive_{key}"
        if subprocess.run(list(map(str, at_server.command("sh", "-c", f"echo {value} >{setting}")))).returncode != 0:
            pytest.skip(f"{setting} cannot be set here")

    def server(*args, **how):
        made = Prosody(*args, **how)
        at_server.enclose(made)
        return made

    site = new_site(workers=2, xmpp_server_at=at_server.address, server=server)
    hosts_of = dict(zip(sorted(NAMES), of_workers))
    for name, host in hosts_of.items():
        host.enclose(site.stox.processes[name])
    site.start()
    active, standby = active_and_standby(site)
    hosts_of[active].unplug()
    site.stox.until(standby, "ready", within=120)
    juliet = site.xmpp_user("juliet")
    for i in range(6):  # in each conversation, whose worker the other may have been
        romeo = site.sip_user(f"romeo{i}")
        eventually(lambda: romeo.message(site.sip_uri(juliet), f"hi {i}").status in (200, 202), "it crosses")
        assert juliet.next_message().body == f"hi {i}"
    hosts_of[active].plug()
