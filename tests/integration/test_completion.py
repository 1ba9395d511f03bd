"""What the shells complete for stoxctl."""
import subprocess

import pytest

from support.stox import PROGRAMS, REPOSITORY

COMPLETION = REPOSITORY / "deploy" / "completion"

# Instead of an interactive shell: the words of the line that is completed, and what is offered goes to standard output.
BASH = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _stoxctl; printf "%s\\n" "${COMPREPLY[@]}"'
ZSH = """compadd() { [[ $1 == -a ]] && print -l -- ${(P)2}; }
_describe() { print -l -- ${${(P)2}%%:*}; }
complete_it() { local -a words=("$@"); integer CURRENT=$#; source $FILE; }
complete_it "$@" """


def offered(shell, *words):
    if shell == "bash":
        command = ["bash", "-c", BASH, COMPLETION / "stoxctl.bash", *words]
    else:
        command = ["zsh", "-f", "-c", ZSH, "zsh", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "FILE": str(COMPLETION / "stoxctl.zsh")})
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture(params=["bash", "zsh"])
def shell(request):
    return request.param


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "stox.toml"
    made.write_text("""[gateway]
gateway_domain = "sip-xmpp.test"
xmpp_domain = "xmpp-sip.test"
[[mapper]]
name = "mapper-1"
[[sip_front]]
name = "sip-1"
listen = ["udp:127.0.0.1:5080"]
""")
    return made


def test_commands(shell):
    every = subprocess.run([PROGRAMS / "stoxctl", "--help"], capture_output=True, text=True).stdout
    commands = [line.split()[0] for line in every.partition("Subcommands:\n")[2].partition("\n\n")[0].splitlines()]
    assert len(commands) > 10 and set(commands) <= set(offered(shell, "stoxctl", ""))


def test_options_of_a_command(shell):
    assert {"--from", "--to"} <= set(offered(shell, "stoxctl", "send", "-"))
    assert "--from" not in offered(shell, "stoxctl", "status", "--")


def test_processes_and_words(shell, file):
    assert {"mapper-1", "sip-1"} <= set(offered(shell, "stoxctl", "-f", file, "drain", ""))
    assert {"debug", "warn"} <= set(offered(shell, "stoxctl", "-f", file, "loglevel", "sip-1", ""))


def test_bash_offers_what_begins_so(file):
    assert offered("bash", "stoxctl", "rolling") == ["rolling-restart"]
    assert offered("bash", "stoxctl", "-f", file, "drain", "m") == ["mapper-1"]
