"""stoxctl doctor and --check --online: what keeps a site from working is named, each with what to do."""
import copy
import json
import os
import re
import subprocess

import pytest

from support import breakages, loopback
from support.breakages import Broken
from support.certificates import Authority
from support.lossy_path import LossyPath
from support.name_server import NameServer
from support.site import Site
from support.stox import PROGRAMS, toml


def doctor(site, *options, broken=Broken()):
    """The exit status, and what is no `ok`: {(name, kind): [(what, remedy)]}."""
    command = [*broken.prefix, PROGRAMS / "stoxctl", "-f", site.stox.file, "--json", "doctor", *broken.options, *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120,
                          env={**os.environ, **broken.environment})
    if done.returncode not in (0, 1):
        return done.returncode, {("", "refused"): [(done.stderr, "")]}
    found = {}
    for row in json.loads(done.stdout)["checks"]:
        if row["kind"] != "ok":
            found.setdefault((row["name"], row["kind"]), []).append((row["what"], row["remedy"]))
    return done.returncode, found


def test_a_site_that_could_be_started(still_site):
    code, found = doctor(still_site)
    assert (code, {name for name, kind in found if kind == "failure"}) == (0, set()), found
    said = still_site.stox.ctl("doctor", "--user", "")
    assert said.returncode == 0, said.stdout
    assert "component-1: not running" in said.stdout and "port and secret are right" in said.stdout
    assert f"udp:{still_site.stox.host}:{still_site.stox.port} is free" in said.stdout
    assert "gateway_domain sip-xmpp.test has the address" in said.stdout


def test_a_site_that_runs(site):
    code, found = doctor(site)
    assert (code, {name for (name, kind) in found if kind == "failure"}) == (0, set()), found
    text = site.stox.ctl("doctor", "--user", "")
    assert text.returncode == 0 and "component-1: runs, and is ready" in text.stdout and " 0 failures" in text.stdout


@pytest.fixture(scope="module")
def still_site():
    """Whose XMPP server and name server run, and no process of the gateway."""
    site = Site()
    here = site.stox.host
    names = NameServer(site.folder / "dns", loopback.address(242),
                       [("sip-xmpp.test", here), ("xmpp-sip.test", here), ("served.test", here), ("host.test", here), ("dane.test", here)],
                       [("_xmpp-server._tcp.none.test",), ("_xmpp-server._tcp.lost.test", "gone.test", 5269, 0, 0),
                        ("_sip._udp.lost.test", "gone.test", 5060, 0, 0), ("_sip._udp.none.test",), ("_sip._tcp.chosen.test",),
                        ("_sip._udp.chosen.test", "gone.test", 5060, 20, 0), ("_sip._udp.chosen.test", "host.test", 5060, 10, 0), ("_xmpp-server._tcp.moved.test", "host.test", 1, 0, 0)],
                       records=[("_5269._tcp.dane.test", 52, b"\3\1\1" + bytes(32))])
    names.start()
    site.stox.configuration["dns"]["servers"] = [names.address]
    site.stox.write()
    site.stox.file.chmod(0o600)
    site.xmpp_server.start()
    site.certificates = Authority(site.folder / "certificates")
    yield site
    names.stop()
    site.stop()


@pytest.fixture
def broken_site(still_site):
    """That may be broken, and is whole again afterwards."""
    whole = copy.deepcopy(still_site.stox.configuration)
    yield still_site
    still_site.stox.configuration = whole
    still_site.stox.write()
    still_site.stox.file.chmod(0o600)
    for folder in still_site.folder, still_site.stox.folder:
        folder.chmod(0o700)


FAILURE, WARNING, REFUSED = "failure", "warning", "refused"  # exit status 1, 0 and 2

# What is broken; of the line that says so: its name, its kind, words of what it says, and of the remedy.
BREAKAGES = [
    (breakages.a_udp_port_in_use, "sip-1", FAILURE, "udp 127.*: Address already in use", "end what uses it"),
    (breakages.a_tcp_port_in_use, "sip-1", FAILURE, "tcp 127.*: Address already in use", "end what uses it"),
    (breakages.a_port_of_another_front, "sip-1", WARNING, "is an address of sip_front sip-2, too", "if both are to run on this host"),
    (breakages.an_address_of_another_host, "sip-1", FAILURE, "Cannot assign requested address", "choose another address"),
    (breakages.a_port_for_root_alone, "sip-1", FAILURE, "Permission denied", "a port above 1023"),
    (breakages.a_proxy_that_is_not_there, "sip-1", FAILURE, "outbound_proxy cannot be reached: .*refused", "start the proxy"),
    (breakages.a_proxy_that_says_nothing, "sip-1", FAILURE, "says nothing to OPTIONS", "firewall"),
    (breakages.a_proxy_whose_name_nobody_knows, "sip-1", FAILURE, "no such name no-such-host.test", "mend gateway.outbound_proxy"),
    (breakages.a_proxy_whose_service_leads_nowhere, "sip-1", FAILURE, "no such name gone.test", "mend gateway.outbound_proxy"),
    (breakages.a_proxy_whose_domain_offers_no_sip, "sip-1", FAILURE, "none.test says that it has no _sip._udp", "mend gateway.outbound_proxy"),
    (breakages.a_proxy_that_speaks_no_sip, "sip-1", FAILURE, "answers \"HTTP/1.1 400 Bad Request\", no SIP", "is it a SIP proxy"),
    (breakages.a_proxy_that_is_the_front_itself, "sip-1", FAILURE, "is this front itself", "the SIP proxy's address"),
    (breakages.a_proxy_that_is_not_trusted, "sip-1", WARNING, "is not in trusted", "trusted = [\"127"),
    (breakages.a_proxy_without_tls, "sip-1", FAILURE, "takes no TLS", "the port for TLS"),
    (breakages.a_proxy_with_a_certificate_of_another, "sip-1", FAILURE, "is not believed: .*for other.test, not for", "sip_front.tls.ca"),
    (breakages.a_proxy_whose_authority_is_unknown, "sip-1", FAILURE, "is not believed: .*issuer", "sip_front.tls.ca"),
    (breakages.a_gateway_domain_that_is_not_in_dns, "sip-1", WARNING, "gateway_domain is not in DNS", "needed only where"),
    (breakages.a_gateway_domain_that_leads_nowhere, "sip-1", WARNING, "leads to gone.test, which has no address", "mend the record"),
    (breakages.name_servers_that_do_not_answer, "sip-1", WARNING, "DNS does not work", "dns.servers"),

    (breakages.no_xmpp_server, "component-1", FAILURE, "cannot be reached: .*refused", "start the XMPP server"),
    (breakages.an_xmpp_port_that_says_nothing, "component-1", FAILURE, "says nothing", "component port"),
    (breakages.an_xmpp_port_that_speaks_no_xmpp, "component-1", FAILURE, "speaks no XMPP: \"HTTP/1.1 400", "mend xmpp_port"),
    (breakages.the_port_for_clients, "component-1", FAILURE, "is the port for clients, not for components", "mend xmpp_port"),
    (breakages.an_xmpp_host_that_nobody_knows, "component-1", FAILURE, "no such name no-such-host.test", "mend xmpp_host"),
    (breakages.a_wrong_secret, "component-1", FAILURE, "does not take us as component", "xmpp_password"),
    (breakages.a_component_that_is_not_configured, "component-1", FAILURE, "other.test", "configure the component"),
    (breakages.a_secret_that_is_not_there, "component-1", FAILURE, "cannot read .*secret: No such file", ""),
    (breakages.a_secret_that_is_empty, "component-1", FAILURE, "must hold one line, the password", ""),
    (breakages.a_secret_that_everybody_can_read, "component-1", WARNING, "everybody on this host can read the password", ""),

    (breakages.a_server_port_in_use, "component-1", FAILURE, "Address already in use", "end what uses it"),
    (breakages.a_server_certificate_for_another, "component-1", WARNING, "else.test.* not for served.test", ""),
    (breakages.a_server_without_certificate, "component-1", WARNING, "it has no certificate", "certificate and key for served.test"),
    (breakages.a_served_domain_that_says_there_is_none, "component-1", FAILURE, "says that there is no XMPP server", "SRV record"),
    (breakages.a_served_domain_that_leads_nowhere, "component-1", FAILURE, "leads to gone.test, which has no address", "SRV record"),
    (breakages.a_served_domain_with_another_port, "component-1", WARNING, "leads to host.test:1, and xmpp_port is", "forwards"),
    (breakages.a_served_domain_that_is_not_in_dns, "component-1", WARNING, "has no address in DNS", "SRV records"),
    (breakages.a_served_domain_that_needs_a_service, "component-1", WARNING, "has no SRV records, so other servers try port 5269",
     "_xmpp-server._tcp.served.test. SRV 0 0"),
    (breakages.a_served_domain_with_a_tlsa_record_for_another_key, "component-1", WARNING,
     "TLSA _5269._tcp.dane.test does not fit our certificate: DNSSEC does not validate it", "_5269._tcp.dane.test. IN TLSA 3 1 1 "),

    (breakages.a_certificate_that_is_not_there, "sip-1", FAILURE, "/nowhere/a.pem.* cannot be read", ""),
    (breakages.a_certificate_that_is_none, "sip-1", FAILURE, "holds none in PEM", ""),
    (breakages.a_key_of_another_certificate, "sip-1", FAILURE, "is it the key of", ""),
    (breakages.a_certificate_that_has_expired, "sip-1", FAILURE, "has expired", ""),
    (breakages.a_certificate_that_ends_soon, "sip-1", WARNING, "ends in [23] days", ""),
    (breakages.a_certificate_for_another, "sip-1", WARNING, "is not for gateway_domain sip-xmpp.test", ""),
    (breakages.a_certificate_for_another_purpose, "sip-1", WARNING, "SIP peers do not believe its certificate .*purpose", "serverAuth"),
    (breakages.a_chain_with_a_gap, "sip-1", WARNING, "SIP peers do not believe its certificate", "fullchain.pem"),
    (breakages.a_certificate_that_signed_itself, "sip-1", WARNING, "do not believe its certificate .*self", "an authority that they trust"),
    (breakages.a_key_that_everybody_can_read, "sip-1", WARNING, "everybody on this host can read the secret key", ""),
    (breakages.authorities_that_are_not_there, "sip-1", FAILURE, "/nowhere/ca.pem.* cannot be read", ""),

    (breakages.a_run_directory_that_cannot_be_made, "runtime.directory", FAILURE, "cannot be made", "mkdir /nowhere/else/run"),
    (breakages.a_run_directory_of_somebody_else, "runtime.directory", FAILURE, "cannot be written", "chown"),
    (breakages.a_state_directory_that_is_a_file, "runtime.state_directory", FAILURE, "is no directory", "remove it"),
    (breakages.a_state_directory_of_somebody_else, "runtime.state_directory", FAILURE, "cannot be written", "chown"),
    (breakages.a_disk_that_is_full, "runtime.state_directory", WARNING, "less than 50 MB of room", "make room"),
    (breakages.a_mapper_socket_in_a_folder_that_is_not_there, "mapper-1", FAILURE, "cannot be made", "mkdir"),
    (breakages.a_configuration_that_everybody_can_read, "configuration", WARNING, "everybody on this host can read it", "chmod o="),
    (breakages.a_sip_password_that_everybody_can_read, "configuration", WARNING, "everybody on this host can read it", "chmod o="),
    (breakages.a_configuration_that_the_user_cannot_read, "configuration", FAILURE, "cannot be read", "chgrp"),

    (breakages.few_descriptors, "descriptors", WARNING, "may open 1000 of them", "LimitNOFILE"),
    (breakages.small_socket_buffers, "socket buffers", WARNING, "rmem_max is 212992", "sysctl -w"),
    (breakages.a_clock_that_is_years_behind, "clock", FAILURE, "before this software was made", "set the clock"),
    (breakages.a_user_that_there_is_not, "user", WARNING, "there is no user no-such-user", "--user"),

    (breakages.a_key_of_another_section, "sip-1", FAILURE, "is not the secret half of bus.curve.keys.sip-1", ""),
    (breakages.a_secret_key_that_is_not_there, "mapper-1", FAILURE, "/nowhere/mapper.key", ""),
    (breakages.a_mapper_port_in_use, "mapper-1", FAILURE, "cannot listen: .*Address already in use", "bind"),
    (breakages.a_file_of_aliases_that_is_not_there, "", REFUSED, "/nowhere/aliases", ""),
    (breakages.an_address_for_metrics_in_use, "component-1", FAILURE, "metrics", "choose another address"),
]


def test_the_service_that_others_use_first(broken_site):
    broken_site.stox.configuration["gateway"]["gateway_domain"] = "chosen.test"
    broken_site.stox.write()
    said = broken_site.stox.ctl("doctor", "--user", "").stdout
    assert "_sip._udp.chosen.test leads to host.test:5060" in said, said


@pytest.mark.parametrize("broken, name, kind, what, remedy", BREAKAGES, ids=[row[0].__name__ for row in BREAKAGES])
def test_what_is_broken_is_named(broken_site, broken, name, kind, what, remedy):
    how = broken(broken_site) or Broken()
    if (how.prefix or how.options[1]) and os.geteuid() != 0:
        pytest.skip("this is broken by root")
    if how.prefix and subprocess.run([*how.prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine does not let it be broken")
    broken_site.stox.file.write_text(toml(broken_site.stox.configuration))
    try:
        code, found = doctor(broken_site, broken=how)
    finally:
        if how.keep:
            how.keep.close()
    lines = found.get((name, kind), [])
    assert any(re.search(what, said) and remedy in why for said, why in lines), lines or found
    others = {one for _, one in found} - {WARNING}
    assert others == ({kind} - {WARNING}), found
    assert code == {FAILURE: 1, WARNING: 0, REFUSED: 2}[kind]


def test_a_check_online(new_site):
    site = new_site()
    site.xmpp_server.start()
    breakages.a_wrong_secret(site)
    site.stox.write()
    done = subprocess.run([PROGRAMS / "stox-xmpp-worker", "-f", site.stox.file, "--check", "--online"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "component-1: failure:" in done.stdout and "xmpp_password" in done.stdout
    assert subprocess.run([PROGRAMS / "stox-xmpp-worker", "--online"], capture_output=True).returncode == 2


def nothing_is_said_to_an_unknown_proxy(site):
    """Nobody knows whether it may have the answer to what it asks."""
    other = breakages.Answering(site.stox.host, b"SIP/2.0 407 Who?\r\n\r\n", Authority(site.folder / "unknown").server(f"IP:{site.stox.host}"))
    site.stox.send_all_to(f"sip:{site.stox.host}:{other.port};transport=tls")
    site.stox.ready()
    code, found = doctor(site)
    other.close()
    assert code == 1 and "is not believed" in found["sip-1", "failure"][0][0]
    assert other.heard == b"" and not any(name == "loop" for name, _ in found), found


def the_proxy_asks_for_a_password(site):
    section, juliet = site.stox.configuration["sip_front"][0], site.xmpp_user("juliet")
    section["from_domains"] = ["sip.test"]
    site.stox.write()
    code, found = doctor(site, "--to", juliet.bare)
    said, remedy = found["loop", "warning"][0]
    assert code == 0 and "asks for a password: 407" in said and '[[sip_front.credentials]] realm = "sip.test"' in remedy

    section["credentials"] = [{"realm": "sip.test", "username": "romeo", "password": "wrong"}]
    site.stox.write()
    code, found = doctor(site, "--to", juliet.bare)
    said, remedy = found["loop", "failure"][0]
    assert code == 1 and "does not accept the password" in said and "mend username or password" in remedy

    (site.folder / "password").write_text("pw\n")
    section["credentials"] = [{"realm": "sip.test", "username": "romeo", "password_file": str(site.folder / "password")}]
    del section["from_domains"]
    site.stox.write()
    said = site.stox.ctl("doctor", "--user", "", "--to", juliet.bare)
    assert said.returncode == 0 and "went to XMPP and back: sip-1, mapper-1, component-1: 200" in said.stdout, said.stdout
    assert juliet.next_message().sender.startswith("romeo*sip.test@")


def a_front_of_another_host(site):
    whole = copy.deepcopy(site.stox.configuration)
    breakages.a_port_of_another_front(site)
    site.stox.write()
    _, found = doctor(site)
    assert not any("sip_front sip-2" in what for rows in found.values() for what, _ in rows), "the one that runs has its port"
    site.stox.configuration = whole
    site.stox.write()


def test_what_does_not_run_as_it_should(new_site):
    site = new_site().start()
    a_front_of_another_host(site)
    site.stox.processes["mapper-1"].freeze()
    code, found = doctor(site)
    assert code == 1 and "does not answer" in found["mapper-1", "failure"][0][0] and "kill -CONT" in found["mapper-1", "failure"][0][0]
    site.stox.processes["mapper-1"].thaw()
    site.xmpp_server.stop()
    site.stox.until("component-1", "starting")
    code, found = doctor(site)
    assert code == 1 and "no XMPP stream" in found["component-1", "failure"][0][0]
    site.stox.kill("mapper-1")
    site.stox.missed("mapper-1")
    code, found = doctor(site)
    assert code == 1 and "was killed" in found["mapper-1", "failure"][0][0] and "mapper" in found["sip-1", "failure"][0][0]


def test_a_message_goes_through_the_proxy(new_site):
    site = new_site(with_proxy=True).start()
    said = site.stox.ctl("doctor", "--user", "")
    assert said.returncode == 0 and "by the SIP proxy came to the gateway: sip-1, mapper-1" in said.stdout, said.stdout
    found = doctor(site, "--to", "juliet@xmpp.test")[1]
    assert "Your address must be at sip.test" in found["loop", "failure"][0][0], "this proxy lets no stranger speak"
    the_proxy_asks_for_a_password(site)

    nothing_is_said_to_an_unknown_proxy(site)

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
