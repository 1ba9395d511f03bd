"""What every process does alike, on a process that does nothing else (tests/support/fake_process.cpp)."""
import json
import os
import pathlib
import resource
import signal
import socket
import stat
import subprocess
import urllib.error
import urllib.request

import pytest

from support import loopback
from support.certificates import Authority
from support.stox import PROGRAMS, REPOSITORY
from support.waiting import PATIENCE, eventually

FAKE = PROGRAMS.parent / "tests" / "stox_fake_process"
CTL = PROGRAMS / "stoxctl"


class Running:
    def __init__(self, site, *options, before=None, **environment):
        self.site, self.log_file = site, site.folder / "log"
        with open(self.log_file, "w") as log:
            self.process = subprocess.Popen([FAKE, "-f", site.file, *options], stderr=log, preexec_fn=before,
                                            env={**os.environ, **environment})

    def log(self):
        return self.log_file.read_text()

    def ready(self):
        eventually(lambda: " ready" in self.log() or self.process.poll() is not None, "it is ready")
        assert self.process.poll() is None, self.log()
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        return self.process.wait(timeout=PATIENCE)

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.site.control))
            connection.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(connection.makefile().readline())


class Site:
    def __init__(self, folder):
        self.folder, self.file, self.running = folder, folder / "stox.toml", []
        self.control = folder / "run" / "sip-1.ctl"
        self.text = (f'[gateway]\ngateway_domain = "g.test"\nxmpp_domain = "x.test"\nsip_domains = ["s.test"]\n'
                     f'[runtime]\ndirectory = "{folder}/run"\ndrain_seconds = 3600\n'
                     f'[[mapper]]\nname = "mapper-1"\n[[sip_front]]\nname = "sip-1"\n')
        self.file.write_text(self.text)

    def start(self, *options, **how):
        self.running.append(Running(self, *options, **how))
        return self.running[-1]


@pytest.fixture
def site(tmp_path):
    # pytest's own folder is too deep for the path of a socket.
    folder = pathlib.Path(subprocess.check_output(["mktemp", "-d", "/tmp/stox-XXXXXX"], text=True).strip())
    site = Site(folder)
    yield site
    for running in site.running:
        if running.process.poll() is None:
            running.process.kill()
            running.end()
    subprocess.run(["rm", "-rf", folder], check=True)


def run(*options, **environment):
    return subprocess.run([FAKE, *options], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **environment})


# Options and exit codes.


def test_help_and_version_name_the_program():
    said = run("--help")
    assert said.returncode == 0
    for option in "--config", "--name", "--check", "--print-config", "--version":
        assert option in said.stdout
    said = run("-v")
    assert said.returncode == 0 and said.stdout.startswith("stox-sip-front ")


def test_wrong_usage_ends_with_2():
    assert run("--no-such-option").returncode == 2
    assert run("stray").returncode == 2
    assert run("-f").returncode == 2


def test_a_check_looks_at_the_files_that_the_process_will_want(site):
    site.file.write_text(site.text + f'[sip_front.tls]\ncertificate = "{site.file}"\nkey = "/nowhere"\n')
    said = run("-f", site.file, "--check")
    assert said.returncode == 78
    assert said.stderr == f'{site.file}: sip_front sip-1: tls.key "/nowhere" cannot be read: No such file or directory\n'


def test_a_check_looks_into_them(site, tmp_path):
    authority = Authority(tmp_path / "authority")
    (certificate, key), (expired, its_key) = authority.sign("DNS:sip.test"), authority.sign("DNS:sip.test", days=-1)
    for each in key, its_key:
        each.chmod(0o640)

    def check(certificate, key):
        site.file.write_text(site.text + f'[sip_front.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
        said = run("-f", site.file, "--check")
        return said.returncode, said.stderr

    assert check(certificate, key) == (0, "")
    key.chmod(0o644)
    code, why = check(certificate, key)
    assert code == 0 and f"everybody on this host can read the secret key {key}; chmod o= {key}" in why
    soon, soon_key = authority.sign("DNS:sip.test", days=3)
    code, why = check(soon, soon_key)
    assert code == 0 and f'tls.certificate "{soon}" ends in ' in why
    code, why = check(certificate, its_key)
    assert code == 78 and f"sip_front sip-1: tls: key {its_key}" in why and f"is it the key of {certificate}?" in why
    assert check(expired, its_key) == (78, f'{site.file}: sip_front sip-1: tls.certificate "{expired}" has expired\n')


@pytest.mark.parametrize("program, section, names", [
    ("stox-sip-front", "[sip_front.tls]", "gateway_domain g.test"),
    ("stox-xmpp-worker", '[[xmpp_worker]]\nname = "server-1"\nbackend = "server"\n[xmpp_worker.tls]', "not for x.test")])
def test_a_check_compares_the_names_of_the_certificate(site, tmp_path, program, section, names):
    authority = Authority(tmp_path / "authority")

    def check(*names):
        certificate, key = authority.sign(*names)
        key.chmod(0o640)
        site.file.write_text(site.text + f'{section}\ncertificate = "{certificate}"\nkey = "{key}"\n')
        said = subprocess.run([PROGRAMS / program, "-f", site.file, "--check"], capture_output=True, text=True)
        return said.returncode, said.stderr

    assert check("DNS:g.test", "DNS:x.test") == (0, "")
    code, why = check("DNS:other.test")
    assert code == 0 and names in why and "other.test" in why


def test_bad_configuration_ends_with_78_and_all_problems(site):
    site.file.write_text(site.text.replace("drain_seconds", "drain_secs") + "pace_ms = -1\n")
    for options in [], ["-t"], ["--print-config"]:
        said = run("-f", site.file, *options)
        assert said.returncode == 78
        assert said.stderr.splitlines() == [
            f"{site.file}:7:1: unknown key drain_secs in runtime; did you mean drain_seconds?",
            f'{site.file}:12:11: sip_front.pace_ms is -1; it must be "auto", or from 0 to 1000']
    assert not site.control.parent.exists(), "it started something"


def test_check_starts_nothing(site):
    said = run("-f", site.file, "-t")
    assert (said.returncode, said.stdout, said.stderr) == (0, f"{site.file}: the configuration is fine\n", "")
    assert not site.control.parent.exists()


def test_check_without_a_name_checks_all_sections(site):
    site.file.write_text(site.text + '[[sip_front]]\nname = "sip-2"\n')
    assert run("-f", site.file, "-t").returncode == 0
    assert run("-f", site.file, "-t", "-n", "sip-3").returncode == 78
    said = run("-f", site.file)
    assert said.returncode == 78
    assert "there are several [[sip_front]]: sip-1, sip-2; say with -n" in said.stderr


def test_the_delivered_configuration_is_fine():
    said = run("-f", REPOSITORY / "deploy" / "stox.toml", "-t")
    assert said.returncode == 0, said.stderr


def test_print_config_shows_the_environments_values(site):
    said = run("-f", site.file, "--print-config", STOX_SIP_FRONT_PACE_MS="7", STOX_GATEWAY_OUTBOUND_PROXY="sip:u:pw@h")
    assert said.returncode == 0
    assert "pace_ms = 7\n" in said.stdout
    assert 'outbound_proxy = "sip:u:***@h"\n' in said.stdout


def test_a_process_that_cannot_start_says_why_and_ends_with_1(site):
    running = site.start(FAKE_START="error")
    assert running.end() == 1
    assert "error sip-1 udp:127.0.0.1:5060: Address already in use" in running.log()
    assert not site.control.exists()


def test_a_runtime_directory_that_cannot_be_made(site):
    (site.folder / "run").write_text("a file")
    running = site.start()
    assert running.end() == 1
    assert f"cannot make the runtime directory {site.folder}/run" in running.log()


# Signals.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(site, number):
    running = site.start().ready()
    running.signal(number)
    assert running.end() == 0
    assert not site.control.exists()
    assert "taking nothing new" in running.log()


def test_a_second_signal_stops_at_once(site):
    running = site.start(FAKE_DRAIN="never").ready()
    running.signal(signal.SIGTERM)
    eventually(lambda: running.ask({"command": "status"})["state"] == "draining", "it drains")
    running.signal(signal.SIGTERM)
    assert running.end() == 0
    assert "a second signal came" in running.log() and "answered what was left" in running.log()


def test_asked_to_restart_it_drains_and_ends_with_75(site):
    running = site.start(FAKE_DRAIN="never", STOX_RUNTIME_DRAIN_SECONDS="1").ready()
    assert running.ask({"command": "restart"})["state"] == "draining"
    assert running.end() == 75
    assert "asked to restart: taking nothing new" in running.log() and "answered what was left" in running.log()


def test_asked_to_restart_and_then_to_end_it_ends_with_0(site):
    running = site.start(FAKE_DRAIN="never").ready()
    running.ask({"command": "restart"})
    running.signal(signal.SIGTERM)
    eventually(lambda: "not to be started again" in running.log(), "it knows")
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_signals_do_not_kill_it_while_it_ends(site):
    running = site.start().ready()
    while running.process.poll() is None:
        running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_draining_ends_after_drain_seconds(site):
    running = site.start(FAKE_DRAIN="never", STOX_RUNTIME_DRAIN_SECONDS="1").ready()
    running.signal(signal.SIGTERM)
    assert running.end() == 0
    assert "the time for draining is over" in running.log() and "answered what was left" in running.log()


def test_hup_reads_the_configuration_again(site):
    running = site.start().ready()
    site.file.write_text(site.text.replace("[runtime]", "accept_status = 202\n[runtime]") + 'metrics = "127.0.0.1:1"\n')
    running.signal(signal.SIGHUP)
    eventually(lambda: "accept_status is now 202" in running.log(), "the process has the new value")
    assert "changed: gateway.accept_status, sip_front sip-1.metrics" in running.log()
    assert "only a restart brings: sip_front sip-1.metrics" in running.log()


def test_hup_says_what_only_a_restart_brings(site):
    running = site.start().ready()
    site.file.write_text('[dns]\nservers = ["127.0.0.1:5353"]\n' + site.text.replace(
        "[runtime]", 'on_doubt = "resend"\nmessage_type = "normal"\n[runtime]\nstate_directory = "/nowhere"')
        + 'pace_ms = 3\nmax_in_flight = 7\nmax_rate_per_source = 9\n')
    running.signal(signal.SIGHUP)
    eventually(lambda: "only a restart brings" in running.log(), "it says so")
    assert running.log().partition("only a restart brings: ")[2].splitlines()[0].split(", ") == [
        "dns.servers", "gateway.on_doubt", "runtime.state_directory", "sip_front sip-1.max_in_flight", "sip_front sip-1.pace_ms"]
    site.file.write_text(site.text)  # what it runs with
    running.signal(signal.SIGHUP)
    eventually(lambda: running.log().count("configuration read") == 2, "it reads it again")
    assert running.ask({"command": "status"})["state"] == "ready"
    assert running.log().count("only a restart brings") == 1


def test_hup_with_a_bad_file_changes_nothing(site):
    running = site.start().ready()
    site.file.write_text("[gateway")
    running.signal(signal.SIGHUP)
    eventually(lambda: f"{site.file}:1:9: not TOML" in running.log(), "it says what is wrong")
    assert running.ask({"command": "status"})["state"] == "ready"
    assert "accept_status is now" not in running.log()
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_hup_with_its_section_renamed_changes_nothing(site):
    running = site.start().ready()
    site.file.write_text(site.text.replace('name = "sip-1"', 'name = "sip-2"').replace("[runtime]", "accept_status = 202\n[runtime]"))
    running.signal(signal.SIGHUP)
    eventually(lambda: 'there is no [[sip_front]] with name = "sip-1" any more' in running.log(), "it says what is wrong")
    assert "a restart makes this process sip-2" in running.log()
    assert "accept_status is now" not in running.log()


def test_a_reader_of_the_log_that_goes_away_ends_nothing(site):
    read, write = os.pipe()
    process = subprocess.Popen([FAKE, "-f", site.file], stderr=write)
    os.close(write)
    eventually(site.control.exists, "it runs")
    os.close(read)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0


# The control socket.


def test_status_and_send_over_the_control_socket(site):
    running = site.start("-n", "sip-1").ready()
    assert stat.S_IMODE(site.control.stat().st_mode) == 0o660
    status = running.ask({"command": "status"})
    assert (status["name"], status["role"], status["state"], status["pid"]) == (
        "sip-1", "sip_front", "ready", running.process.pid)
    said = running.ask({"command": "send", "from": "sip:a@b", "to": "sip:c@d", "text": "hello"})
    assert said["ok"] is True and said["outcome"] == "200 Accepted"
    hops = running.ask({"command": "trace", "id": said["trace"]})["hops"]
    assert [(hop["from"], hop["to"]) for hop in hops] == [("sip:a@b", "sip:c@d")]
    assert "hello" not in json.dumps(hops)


def test_instances_of_a_section_run_beside_each_other(site):
    for instance in "sip-1@1", "sip-1@2":
        site.start("-n", instance).ready()
    assert sorted(path.name for path in site.control.parent.glob("*.ctl")) == ["sip-1@1.ctl", "sip-1@2.ctl"]


def test_a_socket_left_by_a_killed_process_is_replaced(site):
    first = site.start().ready()
    first.signal(signal.SIGKILL)
    first.end()
    assert site.control.exists()
    second = site.start().ready()
    assert second.ask({"command": "status"})["pid"] == second.process.pid


def test_a_second_process_of_the_name_names_the_first(site):
    first = site.start().ready()
    first_log = first.log()
    second = site.start()
    assert second.end() == 1
    assert f"process {first.process.pid} of this name runs already" in second.log()
    assert first.ask({"command": "status"})["pid"] == first.process.pid, first_log


# Supervision and monitoring.


def test_the_limit_of_descriptors_is_raised(site):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    running = site.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))).ready()
    assert resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_hung_process_ends_by_its_own_watchdog(site):
    running = site.start().ready()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(site.control))
        connection.sendall(b'{"command":"send","from":"a","to":"b","text":"hang"}\n')
        assert running.end() == -signal.SIGABRT
    assert "the loop has not turned for 10 s" in running.log()


def test_systemd_is_told(site):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(site.folder / "notify"))
        supervisor.settimeout(PATIENCE)
        running = site.start(NOTIFY_SOCKET=str(site.folder / "notify"))
        told = []

        def until(text):
            while text not in told:
                told.extend(supervisor.recv(4096).decode().splitlines())
            seen = list(told)
            told.clear()
            return seen

        if not told_anything(running, supervisor, told):
            pytest.skip("built without libsystemd")
        assert "READY=1" in until("STATUS=ready")
        until("WATCHDOG=1")
        running.ask({"command": "send", "from": "a", "to": "b", "text": "missing"})
        until("STATUS=starting: no mapper is there; start stox-mapper")
        running.signal(signal.SIGHUP)
        assert "RELOADING=1" in until("READY=1")
        running.signal(signal.SIGTERM)
        until("STOPPING=1")
        assert running.end() == 0


def told_anything(running, supervisor, told):
    running.ready()
    supervisor.setblocking(False)
    try:
        told.extend(supervisor.recv(4096).decode().splitlines())
    except BlockingIOError:
        return False
    finally:
        supervisor.settimeout(PATIENCE)
    return True


def test_metrics_health_and_readiness(site):
    port = loopback.free_port("127.0.0.1")
    running = site.start(STOX_SIP_FRONT_METRICS=f"127.0.0.1:{port}").ready()

    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    status, text = get("/metrics")
    assert status == 200
    own = 'name="sip-1",role="sip_front",'
    assert f'stox_fake_total{{{own}what="fake"}} 3' in text and f'stox_state{{{own}state="ready"}} 1' in text
    assert "process_resident_memory_bytes" in text
    assert get("/healthz") == (200, "ok\n")
    assert get("/readyz") == (200, "ready\n")
    assert get("/other")[0] == 404

    running.ask({"command": "send", "from": "a", "to": "b", "text": "missing"})
    assert get("/readyz") == (503, "starting: no mapper is there; start stox-mapper\n")
    assert get("/healthz")[0] == 200


def test_a_metrics_port_in_use_is_told(site):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        running = site.start(STOX_SIP_FRONT_METRICS=address)
        assert running.end() == 1
    assert f"metrics {address}: Address already in use" in running.log()


def test_the_log_is_json_when_asked(site):
    running = site.start(STOX_LOG_FORMAT="json")
    eventually(lambda: '"text":"ready"' in running.log(), "it is ready")
    running.signal(signal.SIGTERM)
    assert running.end() == 0
    lines = [json.loads(line) for line in running.log().splitlines()]
    assert all(set(line) == {"time", "level", "process", "trace", "text"} for line in lines)
    assert lines[-1]["text"] == "stopped"


def test_the_level_can_be_changed_while_it_runs(site):
    running = site.start().ready()
    assert running.ask({"command": "loglevel", "level": "error", "for_s": 60}) == {"ok": True, "was": "info"}
    running.signal(signal.SIGHUP)  # a new reading sets it back
    eventually(lambda: "info sip-1 accept_status is now" in running.log(), "it logs at its usual level again")


# stoxctl.


def ctl(site, *words):
    return subprocess.run([CTL, "-f", site.file, *words], capture_output=True, text=True, timeout=2 * PATIENCE)


def test_ctl_usage():
    assert subprocess.run([CTL], capture_output=True).returncode == 2
    assert subprocess.run([CTL, "tap"], capture_output=True).returncode == 2
    said = subprocess.run([CTL, "--help"], capture_output=True, text=True)
    assert said.returncode == 0
    for command in "status", "wait-ready", "queues", "inflight", "trace", "peers", "send", "loglevel":
        assert f"\n  {command} " in said.stdout


def test_ctl_with_a_bad_configuration(site):
    site.file.write_text("[gatway]\n")
    said = ctl(site, "status")
    assert said.returncode == 2 and "did you mean gateway?" in said.stderr


def test_ctl_status_tells_why_a_process_cannot_be_reached(site):
    running = site.start().ready()
    processes = {p["name"]: p for p in json.loads(ctl(site, "status", "--json").stdout)["processes"]}
    assert processes["sip-1"]["state"] == "ready" and processes["sip-1"]["pid"] == running.process.pid
    assert processes["mapper-1"]["state"] == "unreachable"
    assert "there is no control socket" in processes["mapper-1"]["reason"]

    running.signal(signal.SIGSTOP)
    said = ctl(site, "status")
    assert said.returncode == 3
    stopped = f"it was stopped (SIGSTOP); `kill -CONT {running.process.pid}` lets it go on"
    assert f"sip-1 is unreachable: does not answer within 2 s: {stopped}" in said.stdout
    running.signal(signal.SIGKILL)
    running.end()
    assert "sip-1 is unreachable: not running: it was killed" in ctl(site, "status").stdout


def test_ctl_status_lists_instances(site):
    for instance in "sip-1@1", "sip-1@2":
        site.start("-n", instance).ready()
    names = [p["name"] for p in json.loads(ctl(site, "--json", "status").stdout)["processes"]]
    assert names == ["sip-1@1", "sip-1@2", "mapper-1"]


def test_ctl_wait_ready(site):
    site.start().ready()
    said = ctl(site, "wait-ready", "--timeout", "0.1")
    assert said.returncode == 1 and "mapper-1 is unreachable" in said.stdout


def test_ctl_send_and_trace(site):
    running = site.start().ready()
    sent = ctl(site, "send", "--from", "sip:a@b.test", "--to", "sip:c*d.test@g.test", "hello")
    assert sent.returncode == 0
    assert sent.stdout.startswith("delivered: 200 Accepted\n")
    assert "MESSAGE over udp" in sent.stdout and "after 1.5 ms" in sent.stdout and "hello" not in sent.stdout

    refused = ctl(site, "send", "--from", "sip:a@b.test", "--to", "sip:c*d.test@g.test", "refuse", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["outcome"] == "404 Not found"

    traced = ctl(site, "trace", "6" * 32, "--json")
    assert traced.returncode == 3 and json.loads(traced.stdout)["hops"] == []  # no mapper runs that might know it
    traced = json.loads(ctl(site, "trace", json.loads(refused.stdout)["trace"], "--json").stdout)
    assert [hop["process"] for hop in traced["hops"]] == ["sip-1", "sip-1"]

    assert ctl(site, "send", "--from", "a@b", "--to", "sip:c@d", "x").returncode == 2
    nobody = ctl(site, "send", "--from", "a@b", "--to", "c@d", "x")
    assert nobody.returncode == 3 and "no xmpp_worker can be reached" in nobody.stderr
    running.signal(signal.SIGTERM)
    assert running.end() == 0


def test_ctl_queues_and_inflight(site):
    site.start().ready()
    said = ctl(site, "queues", "--json")
    assert said.returncode == 3 and "mapper-1: not running" in said.stderr
    assert json.loads(said.stdout)["in_flight"] == [{"process": "sip-1", "count": 0, "limit": 9, "oldest_age_ms": 0}]
    said = ctl(site, "inflight", "sip-1")
    assert (said.returncode, said.stdout) == (0, "nothing is in flight\n")
    assert ctl(site, "inflight", "sip-7").returncode == 2


def test_ctl_loglevel(site):
    site.start().ready()
    said = ctl(site, "loglevel", "sip-1", "debug", "--for", "60")
    assert (said.returncode, said.stdout) == (0, "sip-1 logs at debug for 60 s (was info)\n")
    assert ctl(site, "loglevel", "sip-1", "loud").returncode == 2
