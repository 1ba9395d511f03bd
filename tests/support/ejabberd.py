"""A real ejabberd with one host of users. Erlang without distribution: no node name, no cookie, no port mapper."""
import json
import pathlib

from support import loopback
from support.child import Child


class EjabberdServer(Child):
    """listener: of its configuration, beside that for clients; reached: (address, port) of that; modules, options: more of
    its configuration."""

    def __init__(self, folder, host, domain, users, listener, reached, modules=(), **options):
        folder.mkdir()
        self.host, self.domain = host, domain
        self.c2s_port = loopback.free_port(host, 5222)
        self.listens = [(host, self.c2s_port), reached]
        clients = {"port": self.c2s_port, "ip": host, "module": "ejabberd_c2s", "starttls": False, "access": "all"}
        configuration = folder / "ejabberd.yml"
        configuration.write_text(json.dumps({  # JSON is YAML
            "hosts": [domain], "loglevel": "info", "auth_password_format": "plain", "listen": [clients, listener],
            "modules": {f"mod_{name}": {} for name in ("roster", "disco", "ping", "offline", *modules)}, **options}, indent=1))
        ebin = next(pathlib.Path("/usr/lib").glob("*/ejabberd-*/ebin"))
        register = "".join(f'ejabberd_auth:try_register(<<"{user}">>, <<"{domain}">>, <<"pw">>), ' for user in users)
        super().__init__("ejabberd", [
            "erl", "-noinput", "-pa", ebin, "-mnesia", "dir", f'"{folder}/db"',
            "-ejabberd", "config", f'"{configuration}"', "log_path", f'"{folder}/server.log"',
            "-s", "ejabberd", "-eval", f'{register}file:write_file("{folder}/started", <<>>).'],
            folder, {"HOME": str(folder), "ERL_LIBS": str(ebin.parent.parent), "ERL_EPMD_PORT": "1",
                     "EJABBERD_CONFIG_PATH": str(configuration), "EJABBERD_LOG_PATH": f"{folder}/server.log",
                     "SPOOL_DIR": f"{folder}/db"})

    def start(self):
        started = self.folder / "started"
        started.unlink(missing_ok=True)
        super().start()
        self.wait_until(lambda: started.exists() and all(loopback.accepts(*each) for each in self.listens), "listening",
                        within=120)  # it waits for the disk
        return self


class Ejabberd(EjabberdServer):
    """For the gateway, it has one component."""

    def __init__(self, folder, host, domain="xmpp.test", component="xmpp-sip.test", secret="secret", users=(),
                 max_stanza_bytes=None, balancing=None, modules=()):
        """balancing: as its option domain_balancing of the component."""
        self.component, self.secret = component, secret
        self.component_port = loopback.free_port(host, 5347)
        super().__init__(folder, host, domain, users, {
            "port": self.component_port, "ip": host, "module": "ejabberd_service", "access": "all",
            "hosts": {component: {"password": secret}},
            **({"max_stanza_size": max_stanza_bytes} if max_stanza_bytes else {})}, (host, self.component_port), modules,
            **({"domain_balancing": {component: balancing}} if balancing else {}))
