"""A real ejabberd with one host of users and, for the gateway, one component. Erlang without distribution: no
node name, no cookie, no port mapper."""
import json
import pathlib

from support import loopback
from support.child import Child

CONFIGURATION = """
hosts: [{domain}]
loglevel: info
auth_password_format: plain
listen:
  - {{port: {c2s_port}, ip: "{host}", module: ejabberd_c2s, starttls: false, access: all}}
  - {{port: {component_port}, ip: "{host}", module: ejabberd_service, access: all{more},
     hosts: {{{component}: {{password: {secret}}}}}}}
modules: {{mod_roster: {{}}, mod_disco: {{}}, mod_ping: {{}}, mod_offline: {{}}}}
"""


class Ejabberd(Child):
    def __init__(self, folder, host, domain="xmpp.test", component="xmpp-sip.test", secret="secret", users=(),
                 max_stanza_bytes=None, balancing=None):
        folder.mkdir()
        self.host, self.domain, self.component, self.secret = host, domain, component, secret
        self.c2s_port = loopback.free_port(host, 5222)
        self.component_port = loopback.free_port(host, 5347)
        more = f", max_stanza_size: {max_stanza_bytes}" if max_stanza_bytes else ""
        (folder / "ejabberd.yml").write_text(CONFIGURATION.format(
            domain=json.dumps(domain), host=host, c2s_port=self.c2s_port, component_port=self.component_port,
            component=json.dumps(component), secret=json.dumps(secret), more=more) +
            (f"domain_balancing: {{{json.dumps(component)}: {{type: {balancing}}}}}\n" if balancing else ""))
        ebin = next(pathlib.Path("/usr/lib").glob("*/ejabberd-*/ebin"))
        register = "".join(f'ejabberd_auth:try_register(<<"{user}">>, <<"{domain}">>, <<"pw">>), ' for user in users)
        super().__init__("ejabberd", [
            "erl", "-noinput", "-pa", ebin, "-mnesia", "dir", f'"{folder}/db"',
            "-ejabberd", "config", f'"{folder}/ejabberd.yml"', "log_path", f'"{folder}/server.log"',
            "-s", "ejabberd", "-eval", f'{register}file:write_file("{folder}/started", <<>>).'],
            folder, {"HOME": str(folder), "ERL_LIBS": str(ebin.parent.parent), "ERL_EPMD_PORT": "1",
                     "EJABBERD_CONFIG_PATH": f"{folder}/ejabberd.yml", "EJABBERD_LOG_PATH": f"{folder}/server.log",
                     "SPOOL_DIR": f"{folder}/db"})

    def start(self):
        started = self.folder / "started"
        started.unlink(missing_ok=True)
        super().start()
        self.wait_until(lambda: started.exists() and loopback.accepts(self.host, self.c2s_port) and
                        loopback.accepts(self.host, self.component_port), "listening", within=120)  # it waits for the disk
        return self
