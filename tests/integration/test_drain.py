"""Processes that are told to take nothing new, and restarts of a running site: nothing is lost or doubled."""
import collections
import json
import threading

import pytest

from support.child import Child
from support.stox import NAMES, PROGRAMS, XMPP_DOMAIN
from support.waiting import eventually


def test_a_drained_front_sends_phones_elsewhere_until_it_is_resumed(new_site):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert site.stox.ctl("drain", "sip-1").returncode == 0
    assert site.stox.state("sip-1") == "draining"

    answer = romeo.message(site.sip_uri(juliet), "not now")
    assert answer.status == 503 and answer.get("retry-after")

    assert site.stox.ctl("resume", "sip-1").returncode == 0
    site.stox.ready()
    assert romeo.message(site.sip_uri(juliet), "now").status == 200
    assert juliet.next_message().body == "now"


def test_a_drained_worker_refuses_and_finishes(new_site):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    romeo.automatic = None
    juliet.send(site.jid_at_host(romeo), "before")
    request = romeo.next_request()
    assert site.stox.ctl("drain", "component-1").returncode == 0

    refused = juliet.send(site.jid_at_host(romeo), "while it drains")
    error = juliet.next_message()
    assert (error.id, error.condition, error.error_type) == (refused, "resource-constraint", "wait")
    request.respond(200, "OK")
    eventually(lambda: site.stox.in_flight("component-1") == 0, "what was in flight has ended")

    assert site.stox.ctl("resume", "component-1").returncode == 0
    site.stox.ready()
    romeo.automatic = (200, "OK")
    juliet.send(site.jid_at_host(romeo), "after")
    assert romeo.next_request().text == "after"
    assert juliet.nothing_came()


def test_a_drained_mapper_gets_nothing_new(new_site):
    site = new_site()
    stox = site.stox
    stox.configuration["mapper"].append({"name": "mapper-2", "bind": f"ipc://{stox.folder}/run/mapper-2.sock"})
    stox.write()
    stox.processes["mapper-2"] = Child("mapper-2", [PROGRAMS / "stox-mapper", "-f", stox.file, "-n", "mapper-2"],
                                       stox.folder)
    stox.names.append("mapper-2")
    site.start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert site.stox.ctl("drain", "mapper-1").returncode == 0
    for i in range(10):
        assert romeo.message(site.sip_uri(juliet), f"number {i}", call_id=f"c{i}").status == 200
        hops = site.stox.ctl_json("trace", f"c{i}")["hops"]
        assert "mapper-1" not in {hop["process"] for hop in hops}
    assert site.stox.ctl("resume", "mapper-1").returncode == 0
    site.stox.ready()
    assert juliet.bodies(10) == [f"number {i}" for i in range(10)]


def test_nobody_of_that_name(new_site):
    site = new_site().start()
    assert site.stox.ctl("drain", "no-such-process").returncode == 2
    assert site.stox.ctl("resume", "no-such-process").returncode == 2


class Load:
    """Messages both ways until it is told to stop."""

    def __init__(self, site, domains=(XMPP_DOMAIN,)):
        """domains: in which the XMPP user writes SIP users, one after the other."""
        self.site, self.domains, self.stopping = site, domains, threading.Event()
        self.juliet = site.xmpp_user("juliet")
        self.senders = [site.sip_user(f"romeo{i}") for i in range(3)]
        self.receiver = site.sip_user("mercutio")
        self.answers = {}  # body: status
        self.sent = {}  # stanza id: body
        self.threads = [threading.Thread(target=self._from_sip, args=[s]) for s in self.senders]
        self.threads.append(threading.Thread(target=self._from_xmpp))
        for thread in self.threads:
            thread.start()

    def _from_sip(self, sender):
        for i in range(10**6):
            if self.stopping.is_set():
                return
            body = f"{sender.uri} {i}"
            self.answers[body] = sender.message(self.site.sip_uri(self.juliet), body, within=60).status

    def _from_xmpp(self):
        for i in range(10**6):
            if self.stopping.is_set():
                return
            to = self.site.jid_at_host(self.receiver).replace(XMPP_DOMAIN, self.domains[i % len(self.domains)])
            self.sent[self.juliet.send(to, f"number {i}")] = f"number {i}"
            self.stopping.wait(0.01)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def check(self):
        arrived, told, received = collections.Counter(), collections.Counter(), collections.Counter()

        def all_ended():
            while not self.juliet.inbox.empty():
                message = self.juliet.next_message()
                if message.type == "error":
                    told[self.sent[message.id]] += 1
                else:
                    arrived[message.body] += 1
            while not self.receiver.inbox.empty():
                received[self.receiver.next_request().text] += 1
            accepted = {body for body, status in self.answers.items() if status == 200}
            return accepted <= set(arrived) and set(self.sent.values()) <= set(told) | set(received)

        eventually(all_ended, "each message arrived, or its sender was told", within=60)
        assert self.juliet.nothing_came() or all_ended()
        assert not [body for body, n in (arrived + received).items() if n > 1], "doubled"
        assert not [body for body, n in told.items() if n > 1], "two errors for one message"
        assert not [body for body, status in self.answers.items() if status == 503 and body in arrived]
        assert set(self.answers.values()) <= {200, 503}, self.site.stox.ctl("failed", "sip-1").stdout
        assert sum(arrived.values()) > 20 and sum(received.values()) > 20
        numbers = [int(body.split()[1]) for body in received]
        for each in range(len(self.domains)):
            order = [number for number in numbers if number % len(self.domains) == each]
            assert order == sorted(order), "out of order"


@pytest.fixture
def supervised(new_site):
    site = new_site(supervised=True)
    configuration = site.stox.folder / "supervisord.conf"
    site.stox.configuration["runtime"]["restart_command"] = f"supervisorctl -c {configuration} restart {{program}}"
    site.stox.write()
    return site


def test_a_rolling_restart_under_load(supervised):
    site = supervised.start()
    before = {name: site.stox.pid(name) for name in NAMES}
    load = Load(site)
    eventually(lambda: len(load.answers) > 20 and len(load.sent) > 20, "the load is on")
    done = site.stox.ctl("rolling-restart", "--timeout", 60)
    load.stop()

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stderr for name in NAMES)
    assert not {name for name in NAMES if site.stox.pid(name) == before[name]}
    load.check()


def test_a_rolling_restart_stops_at_what_does_not_come_back(supervised):
    site = supervised
    command = site.stox.configuration["runtime"]["restart_command"]
    site.stox.configuration["runtime"]["restart_command"] = command.replace("restart {program}", "stop {program}")
    site.stox.write()
    site.start()
    before = {name: site.stox.pid(name) for name in NAMES}
    done = site.stox.ctl("rolling-restart", "--timeout", 1)
    assert done.returncode == 1
    stopped_at = next(name for name in NAMES if f"stopped at {name}" in done.stderr)
    assert {name for name in NAMES if site.stox.status()[name]["pid"] != before[name]} == {stopped_at}
    again = site.stox.ctl("rolling-restart", "--timeout", 1)
    assert again.returncode == 1 and "nothing was restarted" in again.stderr


def test_without_a_command_each_ends_by_itself_and_the_supervisor_starts_it_again(new_site):
    site = new_site(supervised=True).start()
    before = {name: site.stox.pid(name) for name in NAMES}
    done = site.stox.ctl("rolling-restart", "--timeout", 60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not {name for name in NAMES if site.stox.pid(name) == before[name]}
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "after it").status == 200


def test_what_was_given_up_is_listed_and_sent_once_more(new_site):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert site.stox.ctl_json("failed")["failed"] == []
    site.xmpp_server.stop()
    eventually(lambda: site.stox.state("component-1") != "ready", "the stream is down")
    answer = romeo.message(site.sip_uri(juliet), "to be sent again", within=60)
    assert answer.status == 503

    [given_up] = site.stox.ctl_json("failed")["failed"]
    assert given_up["process"] == "sip-1" and given_up["reason"] == "LINK_DOWN" and given_up["text"]
    assert given_up["retry"] is True and given_up["doubt"] is False
    assert "juliet" in given_up["conversation"]
    table = site.stox.ctl("failed", "sip-1")
    assert table.returncode == 0 and "LINK_DOWN" in table.stdout and "to be sent again" not in table.stdout

    site.xmpp_server.start()
    site.stox.ready(60)
    juliet = site.xmpp_user("juliet")
    assert site.stox.ctl("retry", given_up["trace"][:8]).returncode == 0
    assert juliet.next_message().body == "to be sent again"
    twice = site.stox.ctl("retry", given_up["id"])
    assert twice.returncode == 1 and "already" in twice.stderr and "--again" in twice.stderr
    assert juliet.nothing_came()
    assert "was sent again" in site.stox.ctl("failed").stdout
    assert site.stox.ctl("retry", given_up["id"], "--again").returncode == 0
    assert juliet.next_message().body == "to be sent again"
    assert site.stox.ctl_json("failed", "purge") == {"forgotten": 1}
    assert site.stox.ctl_json("failed") == {"failed": [], "refused": []}
    assert site.stox.ctl("retry", "sip-1.1.1").returncode == 1
    assert site.stox.ctl("retry", "nobody.1.1").returncode == 2


def test_what_all_processes_share_waits_for_a_rolling_restart(new_site):
    site = new_site(supervised=True).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    before, after = site.sip_uri(juliet), site.sip_uri(juliet).replace("*", "!")
    assert romeo.message(before, "before it").status == 200
    site.stox.configuration["gateway"]["domain_separator"] = "!"
    site.stox.write()
    site.stox.ctl("reload")
    pending = {name: process.get("restart_pending") for name, process in site.stox.status().items()}
    assert pending == {name: ["gateway.domain_separator"] for name in NAMES}
    assert "gateway.domain_separator" in site.stox.ctl("status").stdout
    assert romeo.message(before, "as before").status == 200

    done = site.stox.ctl("rolling-restart", "--timeout", 60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any("restart_pending" in process for process in site.stox.status().values())
    assert romeo.message(after, "after it").status == 200
    assert [juliet.next_message().body for _ in range(3)] == ["before it", "as before", "after it"]


def test_another_domain_of_ours_comes_by_a_rolling_restart_under_load(supervised):
    site, stox, new = supervised, supervised.stox, "new-sip.test"
    with open(site.xmpp_server.folder / "prosody.cfg.lua", "a") as configuration:
        configuration.write(f'Component "{new}"\n component_secret = "{site.xmpp_server.secret}"\n')
    # The status before each of them is restarted, in a file of its name.
    runtime = stox.configuration["runtime"]
    runtime["restart_command"] = (f"{PROGRAMS}/stoxctl -f {stox.file} status --json >{stox.folder}/before-{{name}}; "
                                  + runtime["restart_command"])
    stox.write()
    site.start()
    stox.configuration["gateway"]["xmpp_domain"] = new
    stox.write()
    stox.ctl("reload")
    load = Load(site, [XMPP_DOMAIN, new])
    eventually(lambda: len(load.answers) > 20 and len(load.sent) > 20, "the load is on")
    said = stox.ctl("status").stdout
    as_before = dict(load.answers)
    done = stox.ctl("rolling-restart", "--timeout", 60)
    load.stop()

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name}: restart pending: gateway.xmpp_domain" in said for name in NAMES), said
    assert set(as_before.values()) == {200}
    for at, name in enumerate(NAMES):
        status = json.loads((stox.folder / f"before-{name}").read_text())
        pending = {one["name"] for one in status["processes"] if "gateway.xmpp_domain" in one.get("restart_pending", [])}
        assert pending == set(NAMES[at:])
    assert "restart pending" not in stox.ctl("status").stdout
    load.check()
    assert load.senders[0].message(site.sip_uri(load.juliet), "after it").status == 200
    message = load.juliet.next_message()
    assert message.body == "after it" and message.sender.endswith(f"@{new}")


def test_who_was_restarted_alone_with_other_shared_keys_gets_and_gives_nothing(new_site):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    site.stox.configuration["gateway"]["domain_separator"] = "!"
    site.stox.write()
    site.stox.restart("component-1")
    eventually(lambda: "restart pending" in site.stox.status()["mapper-1"]["reason"], "the mapper says so")
    assert romeo.message(site.sip_uri(juliet), "to nobody", within=60).status == 503
    for name in "mapper-1", "sip-1":
        site.stox.restart(name)
    site.stox.ready()
    assert romeo.message(site.sip_uri(juliet).replace("*", "!"), "to juliet").status == 200
