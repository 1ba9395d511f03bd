"""The gateway itself: its three processes, started by hand or by supervisord, and stoxctl to look at them."""
import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

from support import loopback
from support.child import Child
from support.waiting import PATIENCE, eventually

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("STOX_BUILD", REPOSITORY / "build" / "debug")) / "bin"
PROGRAM = {"sip": "stox-sip-front", "mapper": "stox-mapper", "component": "stox-xmpp-worker"}
NAMES = ["sip-1", "mapper-1", "component-1"]

GATEWAY_DOMAIN = "sip-xmpp.test"
XMPP_DOMAIN = "xmpp-sip.test"
SIP_DOMAINS = ["*.test", "127.0.0.0/8", "::1", "10.77.0.0/16", "fd77::/16"]  # where SIP users of the tests are, who have no proxy


def toml(configuration):
    """{"gateway": {...}, "mapper": [{...}]} as TOML."""

    def value(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, dict):
            return "{ " + ", ".join(f"{json.dumps(k)} = {value(w)}" for k, w in v.items()) + " }"
        return "[" + ", ".join(map(value, v)) + "]" if isinstance(v, list) else json.dumps(v, ensure_ascii=False)

    lines = []
    for section, content in configuration.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{section}]]" if isinstance(content, list) else f"[{section}]")
            lines += [f"{json.dumps(k)} = {value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


class Stox:
    def __init__(self, folder, host, xmpp_server, gateway=(), front=(), worker=(), supervised=False,
                 log_level="debug", workers=1, dns=(), authority=None):
        """host: where the SIP front listens; xmpp_server: a support.prosody.Prosody or support.xmpp_server.XmppServer;
        gateway, front, worker, dns: keys that are added or replaced in these sections; workers: how many there are,
        component-1, component-2, ...; authority: for a TLS listener (support.certificates.Authority)."""
        folder.mkdir()
        self.folder, self.host = folder, host
        self.port = loopback.free_port(host, 5060)
        self.address = (host, self.port)
        self.configuration = {
            "gateway": {"gateway_domain": GATEWAY_DOMAIN, "xmpp_domain": XMPP_DOMAIN,
                        **({} if "outbound_proxy" in dict(gateway) else {"sip_domains": SIP_DOMAINS}), **dict(gateway)},
            "runtime": {"directory": str(folder / "run"), "state_directory": str(folder / "state"),
                        "drain_seconds": 5},
            "log": {"level": log_level},
            "dns": dict(dns),
            "mapper": [{"name": "mapper-1", "bind": f"ipc://{folder}/run/mapper-1.sock"}],
            "sip_front": [{"name": "sip-1", "listen": [f"udp:{host}:{self.port}", f"tcp:{host}:{self.port}"],
                           **dict(front)}],
            "xmpp_worker": [{"name": f"component-{i + 1}", "backend": "component", "xmpp_host": xmpp_server.host,
                             "xmpp_port": xmpp_server.component_port, "xmpp_password": xmpp_server.secret,
                             "metrics": f"{host}:{loopback.free_port(host)}", **dict(worker)} for i in range(workers)],
        }
        if authority:
            self.tls_port = loopback.free_port(host, 5061)
            self.tls_address = (host, self.tls_port)
            section = self.configuration["sip_front"][0]
            section["listen"].append(f"tls:{host}:{self.tls_port}")
            self.use_certificate(authority, f"IP:{host}", "URI:sip:" + GATEWAY_DOMAIN)
        (folder / "run").mkdir()
        (folder / "state").mkdir()
        self.file = folder / "stox.toml"
        self.write()
        self.supervisor = self._supervisord() if supervised else None
        self.environment = {}  # added to that of the processes and of stoxctl
        self.names = NAMES + [f"component-{i + 1}" for i in range(1, workers)]
        self.processes = {name: Child(name, [PROGRAMS / PROGRAM[name.partition("-")[0]], "-f", self.file, "-n", name],
                                      folder, self.environment) for name in self.names}

    def write(self):
        """Writes the configuration as it is now; a process reads it when it starts."""
        self.file.write_text(toml(self.configuration))

    def send_all_to(self, uri):
        """From now on the gateway sends all requests to this SIP URI (gateway.outbound_proxy)."""
        self.configuration["gateway"]["outbound_proxy"] = uri
        self.write()
        self.read_again()

    def read_again(self):
        """The front reads the configuration again, by HUP."""
        before = self.log("sip-1").count("configuration read")
        self.processes["sip-1"].signal(signal.SIGHUP)
        eventually(lambda: self.log("sip-1").count("configuration read") > before, "the configuration is read again")

    def use_certificate(self, authority, *names):
        certificate, key = authority.sign(*names)
        self.configuration["sip_front"][0]["tls"] = {"certificate": str(certificate), "key": str(key),
                                                     "ca": str(authority.ca)}

    def another_worker(self, name):
        """An instance of a worker's section, not started."""
        return Child(name, [PROGRAMS / "stox-xmpp-worker", "-f", self.file, "-n", name], self.folder,
                     {"STOX_XMPP_WORKER_METRICS": f"{self.host}:{loopback.free_port(self.host)}"})

    # Life.

    def start(self, *names):
        if self.supervisor:
            self.supervisor.start()
        for name in () if self.supervisor else names or self.names:
            self.processes[name].start()
        return self

    def ready(self, within=PATIENCE):
        done = self.ctl("wait-ready", "--timeout", int(within))
        assert done.returncode == 0, f"not ready within {within:.0f} s: {done.stdout}{done.stderr}"
        return self

    def stop(self):
        """Ends what runs, all at once; each must end with status 0."""
        if self.supervisor:
            self.supervisor.stop(within=60)
            return
        running = [p for p in self.processes.values() if p.running()]
        for process in running:
            # A process that has its control socket knows what to do with a signal.
            control = self.folder / "run" / f"{process.name}.ctl"
            eventually(lambda: control.exists() or not process.running(), f"{process.name} has started")
            process.thaw()
            process.signal(signal.SIGTERM)
        statuses = {process.name: process.stop() for process in running}
        assert set(statuses.values()) <= {0}, f"exit statuses {statuses}"

    def pid(self, name):
        """As the process itself says it, over its control socket."""
        return self.status()[name]["pid"]

    def kill(self, name):
        """kill -9"""
        if self.supervisor:
            os.kill(self.pid(name), signal.SIGKILL)
        else:
            self.processes[name].kill()

    def restart(self, name):
        self.processes[name].stop()
        self.processes[name].start()

    def log(self, name):
        return self.processes[name].log(10**6)

    def metrics(self, name):
        """{name and labels: value} of a worker, but for the labels that say which process it is."""
        section = next(w for w in self.configuration["xmpp_worker"] if w["name"] == name)
        with urllib.request.urlopen(f"http://{section['metrics']}/metrics", timeout=10) as answer:
            text = re.sub(r'name="[^"]*",role="[^"]*",?', "", answer.read().decode())
        lines = text.replace("{} ", " ").splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    # stoxctl.

    def ctl(self, *words, within=120):
        return subprocess.run([PROGRAMS / "stoxctl", "-f", self.file, *map(str, words)], capture_output=True, text=True,
                              timeout=within, env={**os.environ, **self.environment})

    def ctl_json(self, *words):
        done = self.ctl(*words, "--json")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            raise AssertionError(f"stoxctl {words} says no JSON ({done.returncode}): {done.stdout}{done.stderr}") from None

    def status(self):
        return {process["name"]: process for process in self.ctl_json("status")["processes"]}

    def state(self, name):
        return self.status()[name]["state"]

    def in_flight(self, name):
        """None while the process does not answer, as when it is only just starting."""
        return next((e["count"] for e in self.ctl_json("queues")["in_flight"] if e["process"] == name), None)

    def until(self, name, state, within=PATIENCE):
        eventually(lambda: self.state(name) == state, f"{name} is {state}", within)

    def missed(self, name):
        """Waits until the others have noticed that this process does not answer."""
        if name == "mapper-1":
            eventually(lambda: self.state("sip-1") != "ready", "the front misses its mapper")
        else:
            eventually(lambda: name not in {peer["name"] for peer in self.status()["mapper-1"]["peers"]},
                       f"the mapper misses {name}")

    # Supervised: with the file that is delivered.

    def _supervisord(self):
        programs = (REPOSITORY / "deploy" / "supervisord" / "stox.conf").read_text()
        programs = programs.replace("/usr/local/bin/", f"{PROGRAMS}/").replace("/etc/stox/stox.toml", str(self.file))
        programs = programs.replace("/var/log/supervisor/", f"{self.folder}/").replace("user=stox\n", "")
        configuration = self.folder / "supervisord.conf"
        configuration.write_text(f"[supervisord]\nnodaemon=true\npidfile={self.folder}/supervisord.pid\n"
                                 f"logfile=/dev/null\nlogfile_maxbytes=0\nchildlogdir={self.folder}\n"
                                 f"[unix_http_server]\nfile={self.folder}/supervisor.sock\n[supervisorctl]\n"
                                 f"serverurl=unix://{self.folder}/supervisor.sock\n[rpcinterface:supervisor]\n"
                                 "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
                                 f"{programs}")
        return Child("supervisord", ["supervisord", "-n", "-c", configuration], self.folder)
