"""The real XMPP servers of a run, two Prosodys: one has the gateway as its component, one is of other domains. Their
users are the ends' (xmpp_side.h), which are a component of theirs, too."""
from support import loopback
from support.child import Child
from support.name_server import NameServer


class Server(Child):
    def __init__(self, name, folder, host, components, rooms, modules, more):
        self.host = host
        own = folder / name
        own.mkdir()
        (own / "data").mkdir()
        configuration = own / "prosody.cfg.lua"
        configuration.write_text(f"""
pidfile = "{own}/prosody.pid"
data_path = "{own}/data"
certificates = "{own}"
run_as_root = true
log = {{ info = "*console" }}
interfaces = {{ "{host.address}" }}
component_interfaces = {{ "{host.address}" }}
component_ports = {{ 5347 }}
modules_enabled = {{ {", ".join(f'"{module}"' for module in modules)} }}
authentication = "internal_plain"
{more}
VirtualHost "{name}.test"
""" + "".join(f'Component "{domain}"\n  component_secret = "secret"\n' for domain in components) + f"""
Component "{rooms}" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_room_default_persistent = true
  muc_room_default_history_length = 60
  muc_room_locking = false
""")
        super().__init__(name, host.command("prosody", "--config", configuration, "-F"), folder)

    def is_up(self):
        self.wait_until(lambda: loopback.accepts(self.host.address, 5347), "listening")


class LocalServer(Server):
    def __init__(self, name, folder, host, components, rooms):
        super().__init__(name, folder, host, components, rooms, ["disco", "ping", "message", "presence", "iq"],
                         'modules_disabled = { "s2s" }')


class RemoteServer(Server):
    def __init__(self, name, folder, host, components, rooms, name_server, authority):
        certificate, key = authority.sign(*(f"DNS:{domain}" for domain in [*components, rooms]))
        (folder / "resolv.conf").write_text(f"nameserver {name_server}\n")
        # COMPAT(Prosody 0.12): without saslauth, because with EXTERNAL what it is given between the success and the new
        # stream's features goes out before what waited for the stream: not the order that is judged here.
        super().__init__(name, folder, host, components, rooms,
                         ["disco", "ping", "message", "presence", "iq", "s2s", "dialback", "tls"], f"""
s2s_ports = {{ 5269 }}
ssl = {{ certificate = "{certificate}", key = "{key}", cafile = "{authority.ca}" }}
unbound = {{ resolvconf = "{folder}/resolv.conf"; hoststxt = false; dnssec = false;
            options = {{ ["local-zone:"] = "test. transparent"; ["do-not-query-localhost:"] = "no"; }} }}
""")


def name_server(folder, host, domain, addresses):
    """Knows where the servers of one domain are, all of the same priority and weight."""
    hosts = {f"host{i}.{domain}": address for i, address in enumerate(addresses)}
    return NameServer(folder / "dns", host, hosts.items(), [(f"_xmpp-server._tcp.{domain}", name, 5269, 5, 5) for name in hosts])
