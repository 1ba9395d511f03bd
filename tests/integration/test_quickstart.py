"""deploy/quickstart as its user sees it, with the programs of this build."""
import os
import pathlib
import re
import signal
import subprocess

from support.child import Child
from support.stox import PROGRAMS, REPOSITORY
from support.waiting import eventually

QUICKSTART = REPOSITORY / "deploy" / "quickstart"
ENVIRONMENT = {"STOX_BUILD": str(PROGRAMS.parent)}
UP = "stays up until Ctrl-C"


def folder_in(text):
    return pathlib.Path(re.search(r"/tmp/stox-quickstart\.\w+", text)[0])


def processes_of(folder):
    """Command lines of processes that were started in the folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


def test_once():
    done = subprocess.run([QUICKSTART, "--once"], capture_output=True, text=True, env={**os.environ, **ENVIRONMENT},
                          timeout=180)

    assert done.returncode == 0, done.stdout + done.stderr
    assert 'juliet reads "hello"' in done.stdout and 'romeo reads "hello yourself"' in done.stdout
    for name in "sip-1", "mapper-1", "component-1":  # the hops, both ways
        assert done.stdout.count(name) >= 2
    assert "both messages crossed" in done.stdout


def test_it_stays_up_survives_and_leaves_nothing_behind(tmp_path):
    quickstart = Child("quickstart", [QUICKSTART], tmp_path, ENVIRONMENT).start()
    quickstart.wait_until(lambda: UP in quickstart.log(), "it is up")
    folder = folder_in(quickstart.log())
    assert len(processes_of(folder)) >= 5

    # What it says to type next works.
    stoxctl = [PROGRAMS / "stoxctl", "-f", folder / "stox.toml"]
    assert subprocess.run([*stoxctl, "status"]).returncode == 0
    send = ["send", "--from", "sip:romeo@localhost", "--to", "sip:juliet*localhost@sip-xmpp.localhost", "again"]
    assert subprocess.run([*stoxctl, *send]).returncode == 0
    assert (folder / "log" / "stox-sip-front.log").stat().st_size > 0

    quickstart.signal(signal.SIGINT)
    eventually(lambda: not quickstart.running(), "it ended")
    assert quickstart.stop() == 0
    assert not folder.exists() and processes_of(folder) == []


def test_it_ends_its_site_even_when_killed(tmp_path):
    quickstart = Child("quickstart", [QUICKSTART], tmp_path, ENVIRONMENT).start()
    quickstart.wait_until(lambda: UP in quickstart.log(), "it is up")
    folder = folder_in(quickstart.log())
    os.kill(quickstart.pid, signal.SIGKILL)
    eventually(lambda: processes_of(folder) == [], "all its processes ended", within=60)
    quickstart.kill()
    subprocess.run(["rm", "-r", folder], check=True)


def test_a_failure_has_its_reason(tmp_path):
    """Without programs nothing can start."""
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS.glob("stox*"):
        if name.name != "stox-xmpp-worker":
            (tmp_path / "bin" / name.name).symlink_to(name)
    done = subprocess.run([QUICKSTART, "--once"], capture_output=True, text=True, timeout=180,
                          env={**os.environ, "STOX_BUILD": str(tmp_path)})
    assert done.returncode == 1
    assert "component-1" in done.stderr and "not ready" in done.stderr
    assert processes_of(folder_in(done.stderr)) == []
    subprocess.run(["rm", "-r", folder_in(done.stderr)], check=True)


def test_wrong_usage():
    assert subprocess.run([QUICKSTART, "--no-such-option"], capture_output=True).returncode == 2
