"""stoxctl doctor and --check --online: what keeps a site from working is named, each with what to do."""
import json
import socket
import subprocess

import pytest

from support import loopback
from support.certificates import Authority
from support.lossy_path import LossyPath
from support.stox import PROGRAMS


def doctor(site, *options):
    """The exit status, and what is no `ok`: {(name, kind): [(what, remedy)]}."""
    done = site.stox.ctl("--json", "doctor", "--user", "", *options)
    found = {}
    for row in json.loads(done.stdout)["checks"]:
        if row["kind"] != "ok":
            found.setdefault((row["name"], row["kind"]), []).append((row["what"], row["remedy"]))
    return done.returncode, found


def failures(site):
    return {name: said for (name, kind), said in doctor(site)[1].items() if kind == "failure"}


def test_a_site_that_could_be_started(new_site):
    site = new_site()
    site.xmpp_server.start()
    said = site.stox.ctl("doctor", "--user", "")
    assert said.returncode == 0, said.stdout
    assert "component-1: not running" in said.stdout and "port and secret are right" in said.stdout
    assert f"udp:{site.stox.host}:{site.stox.port} is free" in said.stdout


def test_a_site_that_runs(site):
    code, found = doctor(site)
    assert (code, {name for (name, kind) in found if kind == "failure"}) == (0, set()), found
    text = site.stox.ctl("doctor", "--user", "")
    assert text.returncode == 0 and "component-1: runs, and is ready" in text.stdout and " 0 failures" in text.stdout


def a_port_in_use(site):
    taken = socket.socket(type=socket.SOCK_DGRAM)
    taken.bind(site.stox.address)
    return taken


def a_proxy_that_is_not_there(site):
    site.stox.configuration["gateway"]["outbound_proxy"] = f"sip:{site.stox.host}:{loopback.free_port(site.stox.host)};transport=tcp"


def a_proxy_that_says_nothing(site):
    silent = socket.socket(type=socket.SOCK_DGRAM)
    silent.bind((site.stox.host, 0))
    site.stox.configuration["gateway"]["outbound_proxy"] = f"sip:{site.stox.host}:{silent.getsockname()[1]}"
    return silent


def a_proxy_whose_name_nobody_knows(site):
    site.stox.configuration["gateway"]["outbound_proxy"] = "sip:no-such-host.invalid"


def no_xmpp_server(site):
    site.stox.configuration["xmpp_worker"][0]["xmpp_port"] = loopback.free_port(site.stox.host)


def a_wrong_secret(site):
    site.stox.configuration["xmpp_worker"][0]["xmpp_password"] = "wrong"


def a_component_that_is_not_configured(site):
    site.stox.configuration["xmpp_worker"][0]["serves"] = ["other.test"]


def a_secret_that_cannot_be_read(site):
    del site.stox.configuration["xmpp_worker"][0]["xmpp_password"]
    site.stox.configuration["xmpp_worker"][0]["xmpp_password_file"] = "/nowhere/secret"


def a_certificate_that_is_not_there(site):
    site.stox.configuration["sip_front"][0]["tls"] = {"certificate": "/nowhere/a.pem", "key": "/nowhere/a.key"}


def a_run_directory_that_cannot_be_made(site):
    site.stox.configuration["runtime"]["directory"] = "/nowhere/else/run"


def a_state_directory_that_is_a_file(site):
    site.stox.configuration["runtime"]["state_directory"] = str(site.stox.file)


def a_mapper_socket_in_a_folder_that_is_not_there(site):
    site.stox.configuration["mapper"][0]["bind"] = "ipc:///nowhere/else/mapper.sock"


def an_address_for_metrics_in_use(site):
    taken = socket.create_server((site.stox.host, 0))
    site.stox.configuration["xmpp_worker"][0]["metrics"] = f"{site.stox.host}:{taken.getsockname()[1]}"
    return taken


def an_address_of_another_host(site):
    site.stox.configuration["sip_front"][0]["listen"] = ["udp:192.0.2.1:5060"]


def an_xmpp_port_that_says_nothing(site):
    silent = socket.create_server((site.stox.host, 0))
    site.stox.configuration["xmpp_worker"][0].update(xmpp_host=site.stox.host, xmpp_port=silent.getsockname()[1])
    return silent


def a_key_of_another_certificate(site):
    authority = Authority(site.folder / "certificates")
    certificate, other = authority.sign("DNS:sip-xmpp.test")[0], authority.sign("DNS:other.test")[1]
    site.stox.configuration["sip_front"][0]["tls"] = {"certificate": str(certificate), "key": str(other)}


def a_certificate_that_is_none(site):
    key = Authority(site.folder / "certificates").sign("DNS:sip-xmpp.test")[1]
    site.stox.configuration["sip_front"][0]["tls"] = {"certificate": str(site.stox.file), "key": str(key)}


@pytest.mark.parametrize("broken, name, what", [
    (a_port_in_use, "sip-1", "Address already in use"),
    (a_proxy_that_is_not_there, "sip-1", "outbound_proxy cannot be reached"),
    (a_proxy_that_says_nothing, "sip-1", "says nothing to OPTIONS"),
    (a_proxy_whose_name_nobody_knows, "sip-1", "no-such-host.invalid"),
    (no_xmpp_server, "component-1", "cannot be reached"),
    (a_wrong_secret, "component-1", "does not take us as component"),
    (a_component_that_is_not_configured, "component-1", "other.test"),
    (a_secret_that_cannot_be_read, "component-1", "/nowhere/secret"),
    (a_certificate_that_is_not_there, "sip-1", "/nowhere/a.pem"),
    (a_run_directory_that_cannot_be_made, "runtime.directory", "cannot be made"),
    (a_mapper_socket_in_a_folder_that_is_not_there, "mapper-1", "cannot be made"),
    (an_address_for_metrics_in_use, "component-1", "metrics"),
    (an_address_of_another_host, "sip-1", "Cannot assign requested address"),
    (an_xmpp_port_that_says_nothing, "component-1", "says nothing"),
    (a_key_of_another_certificate, "sip-1", "is it the key of"),
    (a_certificate_that_is_none, "sip-1", "holds none in PEM"),
    (a_state_directory_that_is_a_file, "runtime.state_directory", "is no directory"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_broken_is_named(new_site, broken, name, what):
    site = new_site()
    site.xmpp_server.start()
    keep = broken(site)
    site.stox.write()
    said = failures(site)
    assert any(what in text for text, _ in said.get(name, [])), said
    if keep:
        keep.close()


def test_a_check_online(new_site):
    site = new_site()
    site.xmpp_server.start()
    a_wrong_secret(site)
    site.stox.write()
    done = subprocess.run([PROGRAMS / "stox-xmpp-worker", "-f", site.stox.file, "--check", "--online"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "component-1: failure:" in done.stdout and "xmpp_password" in done.stdout
    assert subprocess.run([PROGRAMS / "stox-xmpp-worker", "--online"], capture_output=True).returncode == 2


def test_a_message_goes_through_the_proxy(new_site):
    site = new_site(with_proxy=True).start()
    said = site.stox.ctl("doctor", "--user", "")
    assert said.returncode == 0 and "by the SIP proxy came to the gateway: sip-1, mapper-1" in said.stdout, said.stdout
    found = doctor(site, "--to", "juliet@xmpp.test")[1]
    assert "Your address must be at sip.test" in found["loop", "failure"][0][0], "this proxy lets no stranger speak"

    # One that sends the gateway's domain elsewhere.
    other = site.sip_user("proxy")
    other.automatic = (404, "Not here")
    site.stox.send_all_to(f"sip:{other.host}:{other.port}")
    site.stox.ready()
    code, found = doctor(site)
    what, remedy = found["loop", "failure"][0]
    assert code == 1 and "did not come to the gateway: 404 Not here" in what and "doc/site.md" in remedy


def test_a_message_goes_to_a_user_and_its_outcome_comes_back(new_site):
    site = new_site().start()
    proxy = LossyPath(loopback.address(241), site.stox.address)  # one that lets everything pass
    site.stox.send_all_to("sip:{}:{}".format(*proxy.address))
    juliet = site.xmpp_user("juliet")
    said = site.stox.ctl("doctor", "--user", "", "--to", juliet.bare)
    assert said.returncode == 0 and "went to XMPP and back: sip-1, mapper-1, component-1: 200" in said.stdout, said.stdout
    assert "stoxctl doctor" in juliet.next_message().body
    code, found = doctor(site, "--to", "nobody@xmpp.test")
    proxy.close()
    assert code == 1 and "was not delivered" in found["loop", "failure"][0][0]
