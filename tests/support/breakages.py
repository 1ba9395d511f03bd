"""What keeps a site from working, one function for each: it breaks a site that stands still, by its configuration, its files
or its neighbours. It returns what it needs to be undone and with what stoxctl is to be run, as a Broken, or nothing."""
import asyncio
import dataclasses
import pathlib
import socket
import tomllib

import pytest

from support import background, bus_keys, loopback
from support.wall_clock import YEAR, WallClock


@dataclasses.dataclass
class Broken:
    keep: object = None  # has close()
    options: tuple = ("--user", "")
    prefix: tuple = ()  # what runs stoxctl
    environment: dict = dataclasses.field(default_factory=dict)


def gateway(site):
    return site.stox.configuration["gateway"]


def front(site):
    return site.stox.configuration["sip_front"][0]


def worker(site):
    return site.stox.configuration["xmpp_worker"][0]


class Answering:
    """A server that says one thing to whoever comes, or nothing, with TLS if it has a context."""

    def __init__(self, host, says=b"", tls=None):
        self.says, self.heard = says, b""
        self._server = background.call(lambda: asyncio.start_server(self._came, host, 0, ssl=tls))
        self.port = self._server.sockets[0].getsockname()[1]

    async def _came(self, reader, writer):
        try:
            self.heard += await reader.read(1)
            writer.write(self.says)
            writer.close()
        except OSError:
            pass

    def close(self):
        background.call(lambda: self._server.close())


def _taken(site, kind):
    taken = socket.socket(type=kind)
    taken.bind(site.stox.address)
    if kind == socket.SOCK_STREAM:
        taken.listen()
    return Broken(taken)


# The SIP side.

def a_udp_port_in_use(site):
    return _taken(site, socket.SOCK_DGRAM)


def a_tcp_port_in_use(site):
    return _taken(site, socket.SOCK_STREAM)


def a_port_of_another_front(site):
    site.stox.configuration["sip_front"].append({"name": "sip-2", "listen": [f"tcp:{site.stox.host}:{site.stox.port}"]})


def an_address_of_another_host(site):
    front(site)["listen"] = ["udp:192.0.2.1:5060"]


def a_port_for_root_alone(site):
    if int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 506:
        pytest.skip("here any port may be had by anybody")
    front(site)["listen"] = [f"udp:{site.stox.host}:506"]
    return Broken(prefix=("setpriv", "--inh-caps=-net_bind_service", "--bounding-set=-net_bind_service"))


def _proxy(site, uri):
    gateway(site)["outbound_proxy"] = uri


def a_proxy_that_is_not_there(site):
    _proxy(site, f"sip:{site.stox.host}:{loopback.free_port(site.stox.host)};transport=tcp")


def a_proxy_that_says_nothing(site):
    silent = socket.socket(type=socket.SOCK_DGRAM)
    silent.bind((site.stox.host, 0))
    _proxy(site, f"sip:{site.stox.host}:{silent.getsockname()[1]}")
    return Broken(silent)


def a_proxy_whose_name_nobody_knows(site):
    _proxy(site, "sip:no-such-host.test")


def a_proxy_whose_service_leads_nowhere(site):
    _proxy(site, "sip:lost.test")


def a_proxy_whose_domain_offers_no_sip(site):
    _proxy(site, "sip:none.test")


def a_proxy_that_speaks_no_sip(site):
    other = Answering(site.stox.host, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    _proxy(site, f"sip:{site.stox.host}:{other.port};transport=tcp")
    return Broken(other)


def a_proxy_that_is_the_front_itself(site):
    _proxy(site, f"sip:sip-xmpp.test:{site.stox.port}")


def a_proxy_that_is_not_trusted(site):
    other = Answering(site.stox.host, b"SIP/2.0 200 OK\r\n\r\n")
    _proxy(site, f"sip:{site.stox.host}:{other.port};transport=tcp")
    front(site)["trusted"] = ["192.0.2.0/24"]
    return Broken(other)


def _tls_proxy(site, host, says=b"", tls=None):
    other = Answering(site.stox.host, says, tls)
    _proxy(site, f"sip:{host}:{other.port};transport=tls")
    front(site)["tls"] = {"ca": str(site.certificates.ca)}
    return Broken(other)


def a_proxy_without_tls(site):
    return _tls_proxy(site, site.stox.host, b"SIP/2.0 200 OK\r\n\r\n")


def a_proxy_with_a_certificate_of_another(site):
    return _tls_proxy(site, site.stox.host, tls=site.certificates.server("DNS:other.test"))


def a_proxy_whose_authority_is_unknown(site):
    broken = _tls_proxy(site, site.stox.host, tls=site.certificates.server(f"IP:{site.stox.host}"))
    del front(site)["tls"]
    return broken


def a_gateway_domain_that_is_not_in_dns(site):
    gateway(site)["gateway_domain"] = "unknown.test"


def a_gateway_domain_that_leads_nowhere(site):
    gateway(site)["gateway_domain"] = "lost.test"


def name_servers_that_do_not_answer(site):
    site.stox.configuration["dns"]["servers"] = [f"{site.stox.host}:{loopback.free_port(site.stox.host)}"]


# The XMPP side.

def no_xmpp_server(site):
    worker(site)["xmpp_port"] = loopback.free_port(site.stox.host)


def an_xmpp_port_that_says_nothing(site):
    silent = socket.create_server((site.stox.host, 0))
    worker(site).update(xmpp_host=site.stox.host, xmpp_port=silent.getsockname()[1])
    return Broken(silent)


def an_xmpp_port_that_speaks_no_xmpp(site):
    other = Answering(site.stox.host, b"HTTP/1.1 400 Bad Request\r\n\r\n<html>")
    worker(site).update(xmpp_host=site.stox.host, xmpp_port=other.port)
    return Broken(other)


def the_port_for_clients(site):
    worker(site)["xmpp_port"] = site.xmpp_server.c2s_port


def an_xmpp_host_that_nobody_knows(site):
    worker(site)["xmpp_host"] = "no-such-host.test"


def a_wrong_secret(site):
    worker(site)["xmpp_password"] = "wrong"


def a_component_that_is_not_configured(site):
    worker(site)["serves"] = ["other.test"]


def _secret_file(site, text, mode=0o600):
    file = site.folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    del worker(site)["xmpp_password"]
    worker(site)["xmpp_password_file"] = str(file)


def a_secret_that_is_not_there(site):
    _secret_file(site, "")
    (site.folder / "secret").unlink()


def a_secret_that_is_empty(site):
    _secret_file(site, "")


def a_secret_that_everybody_can_read(site):
    _secret_file(site, "secret\n", 0o644)
    site.folder.chmod(0o755)


# The gateway as a server of its own.

def _server(site, domain="served.test", names=("DNS:served.test",), **more):
    certificate, key = site.certificates.sign(*names)
    del worker(site)["xmpp_password"]
    worker(site).update(backend="server", xmpp_host=site.stox.host, xmpp_port=loopback.free_port(site.stox.host, 5269),
                        serves=[domain], tls={"certificate": str(certificate), "key": str(key), "ca": str(site.certificates.ca)}, **more)


def a_server_port_in_use(site):
    _server(site)
    return Broken(socket.create_server((site.stox.host, worker(site)["xmpp_port"])))


def a_server_certificate_for_another(site):
    _server(site, names=("DNS:else.test",))


def a_server_without_certificate(site):
    _server(site)
    worker(site)["tls"] = {"require": False}


def a_served_domain_that_says_there_is_none(site):
    _server(site, "none.test", ("DNS:none.test",))


def a_served_domain_that_leads_nowhere(site):
    _server(site, "lost.test", ("DNS:lost.test",))


def a_served_domain_with_another_port(site):
    _server(site, "moved.test", ("DNS:moved.test",))


def a_served_domain_that_is_not_in_dns(site):
    _server(site, "unknown.test", ("DNS:unknown.test",))


def a_served_domain_that_needs_a_service(site):
    _server(site)
    worker(site)["xmpp_port"] = loopback.free_port(site.stox.host)


def a_served_domain_with_a_tlsa_record_for_another_key(site):
    _server(site, "dane.test", ("DNS:dane.test",))


# Certificates of the SIP front.

def _tls(site, certificate, key, ca=True):
    front(site)["tls"] = {"certificate": str(certificate), "key": str(key), **({"ca": str(site.certificates.ca)} if ca else {})}


def a_certificate_that_is_not_there(site):
    _tls(site, "/nowhere/a.pem", "/nowhere/a.key")


def a_certificate_that_is_none(site):
    _tls(site, site.stox.file, site.certificates.sign("DNS:sip-xmpp.test")[1])


def a_key_of_another_certificate(site):
    _tls(site, site.certificates.sign("DNS:sip-xmpp.test")[0], site.certificates.sign("DNS:other.test")[1])


def a_certificate_that_has_expired(site):
    _tls(site, *site.certificates.sign("DNS:sip-xmpp.test", days=-1))


def a_certificate_that_ends_soon(site):
    _tls(site, *site.certificates.sign("DNS:sip-xmpp.test", days=3))


def a_certificate_for_another(site):
    _tls(site, *site.certificates.sign("DNS:other.test"))


def a_certificate_for_another_purpose(site):
    _tls(site, *site.certificates.sign("DNS:sip-xmpp.test", usage="clientAuth"))


def a_chain_with_a_gap(site):
    chain, key = site.certificates.chain("DNS:sip-xmpp.test")
    files = site.folder / "leaf.pem", site.folder / "leaf.key"
    files[0].write_text(chain.partition("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n")
    files[1].write_text(key)
    files[1].chmod(0o600)
    _tls(site, *files)


def a_certificate_that_signed_itself(site):
    _tls(site, site.certificates.ca, site.certificates.key, ca=False)


def a_key_that_everybody_can_read(site):
    certificate, key = site.certificates.sign("DNS:sip-xmpp.test")
    site.folder.chmod(0o755)
    key.chmod(0o644)
    _tls(site, certificate, key)


def authorities_that_are_not_there(site):
    front(site)["tls"] = {"ca": "/nowhere/ca.pem"}


# Files and folders.

def _folder(site, name, mode=0o755):
    site.folder.chmod(0o755)
    folder = site.folder / name
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    return str(folder)


def a_run_directory_that_cannot_be_made(site):
    site.stox.configuration["runtime"]["directory"] = "/nowhere/else/run"


def a_run_directory_of_somebody_else(site):
    site.stox.configuration["runtime"]["directory"] = _folder(site, "root-run")
    return Broken(options=("--user", "nobody"))


def a_state_directory_that_is_a_file(site):
    site.stox.configuration["runtime"]["state_directory"] = str(site.stox.file)


def a_state_directory_of_somebody_else(site):
    site.stox.configuration["runtime"]["state_directory"] = _folder(site, "root-state")
    return Broken(options=("--user", "nobody"))


def a_disk_that_is_full(site):
    folder = site.stox.configuration["runtime"]["state_directory"]
    return Broken(prefix=("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"', folder))


def a_mapper_socket_in_a_folder_that_is_not_there(site):
    site.stox.configuration["mapper"][0]["bind"] = "ipc:///nowhere/else/mapper.sock"


def a_configuration_that_everybody_can_read(site):
    site.folder.chmod(0o755)
    site.stox.folder.chmod(0o755)
    site.stox.file.chmod(0o644)


def a_sip_password_that_everybody_can_read(site):
    file = site.stox.folder / "secret"
    file.write_text(worker(site).pop("xmpp_password") + "\n")
    file.chmod(0o600)
    worker(site)["xmpp_password_file"] = str(file)
    front(site)["credentials"] = [{"realm": "sip.test", "username": "romeo", "password": "pw"}]
    a_configuration_that_everybody_can_read(site)


def a_configuration_that_the_user_cannot_read(site):
    site.folder.chmod(0o755)
    site.stox.folder.chmod(0o755)
    site.stox.file.chmod(0o600)
    return Broken(options=("--user", "nobody"))


# The machine.

def few_descriptors(site):
    return Broken(prefix=("prlimit", "--nofile=1000:1000"))


def small_socket_buffers(site):
    small = site.folder / "rmem_max"
    small.write_text("212992\n")
    return Broken(prefix=("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/sys/net/core/rmem_max && exec "$@"', str(small)))


def a_clock_that_is_years_behind(site):
    WallClock(site.stox).off_by(-10 * YEAR)
    environment, site.stox.environment = site.stox.environment, {}
    return Broken(environment=environment)


def a_user_that_there_is_not(site):
    return Broken(options=("--user", "no-such-user"))


# Keys, and what else is configured.

def _keys(site):
    folder = site.folder / "keys"
    if not folder.exists():
        site.curve = tomllib.loads(bus_keys.make(folder, "sip-1", "component-1"))["bus"]["curve"]
    site.stox.configuration["bus.curve"] = {**site.curve, "keys": dict(site.curve["keys"])}
    site.stox.configuration["mapper"][0]["bind"] = f"tcp://{site.stox.host}:{loopback.free_port(site.stox.host)}"
    return site.stox.configuration["bus.curve"]


def a_key_of_another_section(site):
    keys = _keys(site)["keys"]
    keys["sip-1"], keys["component-1"] = keys["component-1"], keys["sip-1"]


def a_secret_key_that_is_not_there(site):
    curve = _keys(site)
    curve["mapper_key_file"] = "/nowhere/mapper.key"


def a_mapper_port_in_use(site):
    _keys(site)
    host, port = site.stox.configuration["mapper"][0]["bind"].removeprefix("tcp://").split(":")
    return Broken(socket.create_server((host, int(port))))


def a_file_of_aliases_that_is_not_there(site):
    gateway(site)["aliases_file"] = "/nowhere/aliases"


def an_address_for_metrics_in_use(site):
    taken = socket.create_server((site.stox.host, 0))
    worker(site)["metrics"] = f"{site.stox.host}:{taken.getsockname()[1]}"
    return Broken(taken)
