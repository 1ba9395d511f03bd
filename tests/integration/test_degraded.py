"""What a machine may run out of: the gateway says so plainly, goes on with the rest, and recovers by itself."""
import os
import resource
import signal
import subprocess
import threading

import pytest

from support.stox import PROGRAMS
from support.waiting import eventually


def refuses_xmpp(site, juliet, romeo):
    """A message from XMPP comes back as one that may be tried again; the other direction goes on."""
    sent = juliet.send(site.jid_at_host(romeo), "for a better day")
    error = juliet.next_message()
    assert (error.id, error.condition, error.error_type) == (sent, "resource-constraint", "wait")
    assert romeo.message(site.sip_uri(juliet), "all well here").status == 200
    assert juliet.next_message().body == "all well here"
    assert romeo.inbox.empty()


def says(site, name, *words):
    """The status tells it, as long as it lasts."""
    eventually(lambda: all(word in site.stox.status()[name]["reason"] for word in words), f"{name} says {words}")
    assert site.stox.ctl("status").returncode == 1
    assert any(word in site.stox.ctl("status").stdout for word in words)


def recovers(site, juliet, romeo):
    eventually(lambda: site.stox.status()["component-1"]["reason"] == "", "the trouble is over")
    juliet.send(site.jid_at_host(romeo), "better now")
    assert romeo.next_request().text == "better now"
    assert site.stox.ctl("status").returncode == 0


def test_no_file_may_grow(new_site):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    pid = site.stox.pid("component-1")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    refuses_xmpp(site, juliet, romeo)
    says(site, "component-1", "component-1.journal", "refused", "disk")

    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    recovers(site, juliet, romeo)
    assert site.stox.pid("component-1") == pid


@pytest.fixture
def new_disk(new_site):
    """Makes a site whose worker has a file system of this size for its journal: the site, and where it is mounted."""
    mounted = []

    def make(size):
        site = new_site()
        state = site.stox.folder / "disk"
        state.mkdir()
        site.stox.processes["component-1"].environment = {"STOX_RUNTIME_STATE_DIRECTORY": str(state)}
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", state], capture_output=True)
        if done.returncode != 0:
            pytest.skip("may not mount here")
        mounted.append((site, state))
        return site, state

    yield make
    for site, state in mounted:
        site.stox.stop()
        subprocess.run(["umount", "-l", state], check=True)


class Other:
    """Another program, which takes all room that there is, and that comes free, until it leaves."""

    def __init__(self, folder):
        self.file, self.leaving = folder / "other", threading.Event()
        self.thread = threading.Thread(target=self._write)

    def __enter__(self):
        self.thread.start()
        eventually(lambda: os.statvfs(self.file.parent).f_bavail == 0, "the disk is full")

    def __exit__(self, *_):
        self.leaving.set()
        self.thread.join()
        self.file.unlink()

    def _write(self):
        with open(self.file, "wb", buffering=0) as file:
            while not self.leaving.wait(0.001):
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass


def goes_on_saying(site, name, seconds=2.5):
    """Longer than the time after which the process tries again."""
    end = site.stox.status()[name]["uptime_ms"] + 1000 * seconds
    while (shown := site.stox.status()[name])["uptime_ms"] < end:
        assert "refused" in shown["reason"] and "make room" in shown["reason"]


def test_a_full_disk(new_disk):
    """What was accepted arrives, once and in order; what was not comes back."""
    site, state = new_disk("512k")
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    pid = site.stox.pid("component-1")
    arrived, refused = [], []

    def send():
        """Sends one more, which arrives or comes back; whether it arrived."""
        number = len(arrived) + len(refused)
        sent = juliet.send(site.jid_at_host(romeo), f"{number} " + "x" * 3000)
        eventually(lambda: not juliet.inbox.empty() or not romeo.inbox.empty(), "it arrives, or comes back")
        if juliet.inbox.empty():
            arrived.append(number)
            assert romeo.next_request().text.startswith(f"{number} ")
            return True
        error = juliet.next_message()
        assert (error.id, error.condition) == (sent, "resource-constraint")
        refused.append(number)
        return False

    for _ in range(20):
        assert send()
    with Other(state):
        while send():  # the room that the journal has already is used first
            pass
        says(site, "component-1", "component-1.journal", "refused", "make room")
        goes_on_saying(site, "component-1")
        assert not send()
    recovers(site, juliet, romeo)
    for _ in range(20):
        assert send()
    assert romeo.inbox.empty() and juliet.nothing_came()
    assert site.stox.pid("component-1") == pid
    eventually(lambda: site.stox.status()["component-1"]["journal"]["held"] == 0, "all have ended")


def killed_with_one_in_hand(site):
    """The phone has its message and has not answered."""
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    romeo.automatic = None
    juliet.send(site.jid_at_host(romeo), "while it can be written")
    ringing = romeo.next_request()
    site.stox.kill("component-1")
    return juliet, romeo, ringing


def recovers_with_it(site, juliet, romeo, ringing):
    ringing.respond(200, "OK")
    recovers(site, juliet, romeo)
    eventually(lambda: site.stox.status()["component-1"]["journal"]["held"] == 0, "what was left has ended")
    assert romeo.inbox.empty() and juliet.nothing_came()


def test_started_on_a_full_disk(new_disk):
    site, state = new_disk("512k")
    juliet, romeo, ringing = killed_with_one_in_hand(site)
    with Other(state):
        site.stox.start("component-1")
        says(site, "component-1", "component-1.journal", "refused", "make room")
        site.stox.ready()
        goes_on_saying(site, "component-1")
        romeo.automatic = (200, "OK")
        refuses_xmpp(site, juliet, romeo)
    recovers_with_it(site, juliet, romeo, ringing)


def test_a_disk_that_the_journal_itself_would_fill(new_disk):
    """Its log is written back before that, and when another process has left one that did fill it."""
    site, state = new_disk("256k")
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    for i in range(60):
        juliet.send(site.jid_at_host(romeo), f"{i} " + "x" * 4000)
        assert romeo.next_request().text.startswith(f"{i} ")
    site.stox.kill("component-1")
    site.stox.start("component-1").ready()
    recovers(site, juliet, romeo)
    assert juliet.nothing_came()


@pytest.fixture
def disk(new_disk):
    """As new_disk makes it, with much room, and what remounts it."""
    site, state = new_disk("16m")
    return site, lambda how: subprocess.run(["mount", "-o", f"remount,{how}", state], capture_output=True).returncode == 0


def becomes_read_only(site, remount, juliet, romeo):
    """As after an error of the disk: with that the worker lets go of the file, without which nobody may remount."""
    pid = site.stox.pid("component-1")
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, unlimited))
    refuses_xmpp(site, juliet, romeo)
    eventually(lambda: remount("ro"), "nobody writes there just now")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


def test_a_disk_that_becomes_read_only(disk):
    site, remount = disk
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    pid = site.stox.pid("component-1")
    romeo.automatic = None
    juliet.send(site.jid_at_host(romeo), "while it can be written")
    ringing = romeo.next_request()

    becomes_read_only(site, remount, juliet, romeo)
    says(site, "component-1", "component-1.journal", "refused", "read-only")
    for _ in range(3):
        refuses_xmpp(site, juliet, romeo)
    romeo.automatic = (200, "OK")
    ringing.respond(200, "OK")  # cannot be written down
    eventually(lambda: site.stox.in_flight("component-1") == 0, "what was accepted ends")

    assert remount("rw")
    recovers(site, juliet, romeo)
    assert site.stox.pid("component-1") == pid
    site.stox.kill("component-1")
    site.stox.start("component-1").ready()
    recovers(site, juliet, romeo)
    assert romeo.inbox.empty() and juliet.nothing_came()
    assert site.stox.status()["component-1"]["journal"]["held"] == 0


def test_started_on_a_disk_that_is_read_only(disk):
    site, remount = disk
    juliet, romeo, ringing = killed_with_one_in_hand(site)
    assert remount("ro")
    site.stox.start("component-1")
    says(site, "component-1", "component-1.journal", "refused", "read-only")
    site.stox.ready()
    romeo.automatic = (200, "OK")
    refuses_xmpp(site, juliet, romeo)

    assert remount("rw")
    recovers_with_it(site, juliet, romeo, ringing)


def test_a_state_directory_that_cannot_be_written(new_site):
    site = new_site()
    state = site.stox.folder / "state"
    state.rmdir()
    state.write_text("a file where the folder should be")
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    says(site, "component-1", "component-1.journal", "state_directory")
    refuses_xmpp(site, juliet, romeo)

    state.unlink()
    recovers(site, juliet, romeo)


def test_a_journal_that_is_none(new_site):
    site = new_site()
    journal = site.stox.folder / "state" / "component-1.journal"
    journal.write_bytes(b"no journal" * 1000)
    site.start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    recovers(site, juliet, romeo)
    assert journal.with_name("component-1.journal.damaged-1").exists()
    assert "damaged" in site.stox.log("component-1")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# The sanitizers need a descriptor themselves, and take its want for a fault.
@pytest.mark.skipif(b"__asan_init" in (PROGRAMS / "stox-mapper").read_bytes(), reason="built with sanitizers")
@pytest.mark.parametrize("name", ["sip-1", "component-1", "mapper-1"])
def test_no_descriptors_left(new_site, name):
    site = new_site().start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    pid = site.stox.pid(name)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))  # each new one is refused
    # What stands goes on, in both directions.
    assert romeo.message(site.sip_uri(juliet), "hello").status == 200
    assert juliet.next_message().body == "hello"
    juliet.send(site.jid_at_host(romeo), "and back")
    assert romeo.next_request().text == "and back"
    assert site.stox.status()[name]["state"] == "unreachable"  # for want of a descriptor for the answer

    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    site.stox.ready()
    assert site.sip_user("mercutio", transport="tcp").message(site.sip_uri(juliet), "by tcp").status == 200
    assert site.stox.pid(name) == pid


def test_a_stream_without_a_descriptor(new_site):
    site = new_site().start()
    pid = site.stox.pid("component-1")
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    site.xmpp_server.stop()
    eventually(lambda: site.stox.state("component-1") != "ready", "the stream is down")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    site.xmpp_server.start()
    eventually(lambda: "open files" in site.stox.log("component-1"), "the worker says what it lacks")

    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    site.stox.ready(60)
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    assert romeo.message(site.sip_uri(juliet), "hello").status == 200


def test_a_process_that_its_watchdog_ended_comes_back(new_site):
    site = new_site(supervised=True).start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    for name in "mapper-1", "component-1", "sip-1":
        pid = site.stox.pid(name)
        os.kill(pid, signal.SIGABRT)  # as the watchdog does when the loop stands still: watchdog_test.cpp
        eventually(lambda: site.stox.status()[name]["pid"] not in (None, pid), "another process has its place")
        site.stox.ready()
    assert romeo.message(site.sip_uri(juliet), "hello").status == 200
