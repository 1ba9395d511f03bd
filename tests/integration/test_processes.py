"""The life of the processes: any order, killed and restarted, wrong configuration, exit codes."""
import itertools
import os
import signal
import socket
import subprocess

import pytest

from support.child import Child
from support.stox import NAMES, PROGRAM, PROGRAMS
from support.waiting import eventually

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"
each_process = pytest.mark.parametrize("name", NAMES)


def crosses(site):
    """A message each way."""
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "hello").status == 200
    assert juliet.next_message().body == "hello"
    juliet.send(site.jid_at_host(romeo), "hello yourself")
    assert romeo.next_request().text == "hello yourself"
    site.users_leave()
    return True


def answers(site, name):
    return site.stox.state(name) != "unreachable"


def control_socket(site, name):
    return site.folder / "stox" / "run" / f"{name}.ctl"


@pytest.mark.parametrize("order", itertools.permutations(NAMES), ids=",".join)
def test_they_start_in_any_order(new_site, order):
    site = new_site()
    site.xmpp_server.start()
    for name in order:
        site.stox.start(name)
        eventually(lambda: answers(site, name), f"{name} answers")
    site.stox.ready()
    assert crosses(site)


@each_process
def test_one_is_killed_and_restarted(new_site, name):
    site = new_site().start()
    before = {other: site.stox.pid(other) for other in NAMES if other != name}

    site.stox.kill(name)
    eventually(lambda: site.stox.state(name) == "unreachable", f"status says that {name} is gone")
    assert control_socket(site, name).exists(), "left behind by the killed process"
    site.stox.start(name)

    site.stox.ready()
    assert crosses(site)
    assert before == {other: site.stox.pid(other) for other in before}


@each_process
def test_one_is_stopped_and_started(new_site, name):
    site = new_site().start()
    assert site.stox.processes[name].stop() == 0
    assert not control_socket(site, name).exists()
    site.stox.start(name)
    site.stox.ready()
    assert crosses(site)


def test_a_front_that_is_stopped_finishes_what_it_has(new_site):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    front = site.stox.processes["sip-1"]

    site.xmpp_server.freeze()
    sent = romeo.send("MESSAGE", JULIET, "the last")
    eventually(lambda: site.stox.in_flight("sip-1") == 1, "the message is in flight")
    front.signal(signal.SIGTERM)
    eventually(lambda: site.stox.state("sip-1") == "draining", "it drains")
    late = romeo.message(JULIET, "too late")
    site.xmpp_server.thaw()

    assert late.status == 503 and late.get("retry-after")
    assert sent.answer().status == 200
    assert front.stop() == 0
    assert juliet.next_message().body == "the last"


@each_process
def test_one_that_hangs_for_a_while_is_taken_back(new_site, name):
    site = new_site().start()

    site.stox.processes[name].freeze()
    site.stox.missed(name)
    site.stox.processes[name].thaw()

    site.stox.ready()
    assert crosses(site)


def test_the_supervisor_brings_them_back(new_site):
    site = new_site(supervised=True).start()
    for name in NAMES:
        before = site.stox.pid(name)
        site.stox.kill(name)
        eventually(lambda: answers(site, name) and site.stox.pid(name) != before, f"{name} is back")
        site.stox.ready()
        assert crosses(site)


def test_a_second_process_of_one_name_does_not_start(new_site):
    site = new_site().start()
    for name in NAMES:
        second = Child(f"second-{name}", site.stox.processes[name].command, site.folder).start()
        assert eventually(lambda: not second.running(), "it ended")
        assert second.stop() == 1
        assert name in second.log()
    site.stox.ready()
    assert crosses(site)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_a_port_in_use_is_told(new_site, kind):
    site = new_site()
    with socket.socket(type=kind) as taken:
        taken.bind(site.stox.address)
        if kind == socket.SOCK_STREAM:
            taken.listen()
        site.stox.start("sip-1")
        process = site.stox.processes["sip-1"]
        eventually(lambda: not process.running(), "it ended")
    assert process.stop() == 1
    assert f"{site.stox.host}:{site.stox.port}" in process.log() and "in use" in process.log()
    said = site.stox.status()["sip-1"]
    assert said["state"] == "unreachable" and "it could not start" in said["reason"] and "in use" in said["reason"]
    assert "in use" in said["failed_start"]["text"] and said["failed_start"]["age_ms"] >= 0

    site.stox.start("sip-1")
    eventually(lambda: site.stox.state("sip-1") != "unreachable", "it starts, now that the port is free")
    site.stox.kill("sip-1")
    assert "failed_start" not in site.stox.status()["sip-1"]


def test_a_secret_that_cannot_be_read_is_told_by_status(new_site):
    site = new_site()
    section = next(one for one in site.stox.configuration["xmpp_worker"])
    del section["xmpp_password"]
    section["xmpp_password_file"] = str(site.folder / "no-such-secret")
    site.stox.write()
    site.stox.start("component-1")
    process = site.stox.processes["component-1"]
    eventually(lambda: not process.running(), "it ended")
    assert process.stop() == 78
    reason = site.stox.status()["component-1"]["reason"]
    assert "it could not start" in reason and "no-such-secret" in reason


# Configuration and options.


def run(program, *words, **environment):
    return subprocess.run([PROGRAMS / program, *map(str, words)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


every_program = pytest.mark.parametrize("program", PROGRAM.values())


@every_program
def test_an_unknown_key_is_told_with_its_place(new_site, program):
    stox = new_site().stox
    stox.configuration["gateway"]["gateway_domian"] = "x"
    stox.write()
    line = next(i for i, text in enumerate(stox.file.read_text().splitlines(), 1) if "domian" in text)

    for check in [], ["--check"]:
        done = run(program, "-f", stox.file, *check)
        assert done.returncode == 78
        assert f"{stox.file}:{line}" in done.stderr + done.stdout
        assert "gateway_domain" in done.stderr + done.stdout  # the hint


@every_program
@pytest.mark.parametrize("content", ["", "[gateway", "[gateway]\nxmpp_domain = 5\n", None],
                         ids=["empty", "broken", "type", "missing"])
def test_a_configuration_that_cannot_be_used(tmp_path, program, content):
    file = tmp_path / "stox.toml"
    if content is not None:
        file.write_text(content)
    done = run(program, "-f", file)
    assert done.returncode == 78
    assert str(file) in done.stderr + done.stdout


@every_program
def test_a_good_configuration_is_checked_and_shown(new_site, program):
    stox = new_site(worker={"xmpp_password": "very-secret"}).stox

    assert run(program, "-f", stox.file, "--check").returncode == 0
    shown = run(program, "-f", stox.file, "--print-config")
    assert shown.returncode == 0
    assert 'gateway_domain' in shown.stdout and "sip-xmpp.test" in shown.stdout
    assert "very-secret" not in shown.stdout


@every_program
def test_options(program):
    assert run(program, "--help").returncode == 0
    version = run(program, "--version")
    assert version.returncode == 0 and version.stdout.strip()
    assert run(program, "--no-such-option").returncode == 2


def test_a_name_that_is_not_configured(new_site):
    stox = new_site().stox
    done = run("stox-mapper", "-f", stox.file, "-n", "mapper-7")
    assert done.returncode in (2, 78)
    assert "mapper-1" in done.stderr + done.stdout


def test_the_password_may_come_from_environment_or_file(new_site, tmp_path):
    site = new_site(worker={"xmpp_password": "wrong"})
    site.stox.processes["component-1"].environment = {"STOX_XMPP_WORKER_XMPP_PASSWORD": "secret"}
    assert crosses(site.start())

    secret = tmp_path / "password"
    secret.write_text("secret\n")
    from_file = new_site()
    worker = from_file.stox.configuration["xmpp_worker"][0]
    del worker["xmpp_password"]
    worker["xmpp_password_file"] = str(secret)
    from_file.stox.write()
    assert crosses(from_file.start())


@each_process
def test_a_bad_file_at_hup_changes_nothing(new_site, name):
    site = new_site().start()
    before = site.stox.pid(name)
    good = site.stox.file.read_text()
    site.stox.file.write_text("[gateway")

    site.stox.processes[name].signal(signal.SIGHUP)
    eventually(lambda: str(site.stox.file) in site.stox.log(name), "it says what is wrong with the file")

    site.stox.file.write_text(good)
    assert site.stox.pid(name) == before and crosses(site)


def test_logs_show_no_bodies(new_site):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    assert romeo.message(site.sip_uri(juliet), "a-word-in-confidence").status == 200
    juliet.send(site.jid_at_host(romeo), "another-word-in-confidence")
    romeo.next_request()
    assert not any("in-confidence" in site.stox.log(name) for name in NAMES)
