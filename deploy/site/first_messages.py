"""The first two messages of deploy/quickstart: a SIP user says "hello" to an XMPP user, who answers. Shows the
way of each hop by hop. Exits with 1 and the reason when something else comes than expected."""
import pathlib
import subprocess
import sys
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests"))

from support.sip_user import SipUser  # noqa: E402
from support.xmpp_user import XmppUser  # noqa: E402


class Failed(Exception):
    pass


def milliseconds(since):
    return f"{1000 * (time.monotonic() - since):.0f} ms"


def show_way(stoxctl, identifier):
    done = subprocess.run([*stoxctl, "trace", identifier], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Failed(f"stoxctl trace {identifier} said: {done.stdout}{done.stderr}")
    print("\n".join("   " + line for line in done.stdout.rstrip().splitlines()), flush=True)


def main(kamailio_port, c2s_port, sip_domain, xmpp_domain, gateway_domain, component, password, *stoxctl):
    proxy = ("127.0.0.1", int(kamailio_port))
    server = types.SimpleNamespace(host="127.0.0.1", c2s_port=int(c2s_port), domain=xmpp_domain)
    romeo = SipUser("127.0.0.1", f"sip:romeo@{sip_domain}", proxy, "udp", password).register()
    juliet = XmppUser(server, "juliet", password)
    romeo_as_jid = f"romeo*{sip_domain}@{component}"

    print(f'\nromeo writes "hello" to sip:juliet*{xmpp_domain}@{gateway_domain}')
    began = time.monotonic()
    answer = romeo.message_through_proxy(f"sip:juliet*{xmpp_domain}@{gateway_domain}", "hello")
    if answer.status != 200:
        raise Failed(f"the SIP side was answered {answer.status} {answer.reason}")
    print(f"   romeo's phone has {answer.status} {answer.reason} after {milliseconds(began)}")
    message = juliet.next_message()
    if (message.body, message.sender) != ("hello", romeo_as_jid):
        raise Failed(f"juliet got {message}")
    print(f'   juliet reads "{message.body}" from {message.sender}')
    show_way(stoxctl, answer.get("call-id"))

    print(f'\njuliet answers "hello yourself" to {message.sender}')
    began = time.monotonic()
    identifier = juliet.send(message.sender, "hello yourself")
    request = romeo.next_request()
    if request.text != "hello yourself":
        raise Failed(f"romeo got {request}")
    print(f'   romeo reads "{request.text}" from {request.sender} after {milliseconds(began)}')
    if not juliet.nothing_came():
        raise Failed(f"juliet was told that it failed: {juliet.next_message()}")
    show_way(stoxctl, identifier)

    romeo.register(expires=0)
    romeo.close()
    juliet.close()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Failed, AssertionError, OSError) as reason:
        sys.exit(f"The first messages did not cross: {reason}")
