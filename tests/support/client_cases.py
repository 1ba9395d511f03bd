"""The cases of tests/clients: what real clients write, and what arrives on the other side. A case:

    = CLIENT | what it does
    < MESSAGE sip:...         a SIP request, with its headers and `body` in the lines that follow
    < <message ...>           a stanza, from juliet if it does not say from whom
    < answer: 488 No          how the phone answers the next request, with headers in the lines that follow
    > what is seen of it then, in words (test_clients.py); a row may have several such steps
    >> the same, of what only comes before it: not in the table
    > test: NAME              it is shown elsewhere: by this unit test, or by this scene of an integration test

Values stand on one line: \\n, \\r, \\\\ and \\xHH. $CALL-ID is that of the last request that came out, $ID the id of the last
stanza, $NOW and $NOW-5h are Dates, $FRONT is where the gateway listens. `deflated` is a body that is compressed before it goes. romeo and juliet are somebody else in each case.
"""
import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "clients"
FILES = {"xmpp.txt": "From XMPP clients", "sip.txt": "From SIP clients"}


@dataclasses.dataclass
class Input:
    """start: a start line, a stanza or an answer; fields: the headers and the body behind it."""

    start: str
    fields: list


@dataclasses.dataclass
class Step:
    inputs: list = dataclasses.field(default_factory=list)
    seen: list = dataclasses.field(default_factory=list)
    comes_before: bool = False


@dataclasses.dataclass
class Case:
    client: str
    does: str
    steps: list = dataclasses.field(default_factory=list)
    elsewhere: list = dataclasses.field(default_factory=list)  # tests that show it


def read(file):
    """The cases of one of FILES."""
    cases = []
    for line in (FOLDER / file).read_text().split("\n"):
        kind, value = line[:2], line[2:]
        if kind == "= ":
            cases.append(Case(*value.split(" | ")))
        elif kind == "< ":
            steps = cases[-1].steps
            if not steps or steps[-1].seen:
                steps.append(Step())
            field = re.match(r"([\w-]+): (.*)", value)
            if field and field[1] != "answer":
                steps[-1].inputs[-1].fields.append((field[1], field[2]))
            else:
                steps[-1].inputs.append(Input(value, []))
        elif kind == "> " and value.startswith("test: "):
            cases[-1].elsewhere.append(value[6:])
        elif kind in ("> ", ">>"):
            cases[-1].steps[-1].seen.append(value.lstrip(" "))
            cases[-1].steps[-1].comes_before = kind == ">>"
        else:
            assert not line or line[0] == "#", f"{file}: cannot be read: {line}"
    return cases


def unescape(text):
    """As bytes."""
    byte = lambda match: {"n": b"\n", "r": b"\r", "\\": b"\\"}.get(match[1]) or bytes([int(match[1][1:], 16)])
    out, at = b"", 0
    for match in re.finditer(r"\\(n|r|\\|x[0-9a-f]{2})", text):
        out += text[at:match.start()].encode() + byte(match)
        at = match.end()
    return out + text[at:].encode()


def escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _shown(case):
    """What crosses, for people: a 200 and who it is from say nothing here."""
    if case.elsewhere:
        return ", ".join(f"`{name}`" for name in case.elsewhere)
    seen = [each for step in case.steps if not step.comes_before for each in step.seen]
    told = [each for each in seen if each != "200 Accepted"] or seen
    return "; ".join(each if len(each) <= 160 else each[:157] + "..." for each in dict.fromkeys(told))


def table():
    """Markdown, of all cases."""
    out = []
    for file, heading in FILES.items():
        out.append(f"\n### {heading}\n\n| client | what it does | what the other side gets |\n|---|---|---|\n")
        out += [f"| {_cell(case.client)} | {_cell(case.does)} | {_cell(_shown(case))} |\n" for case in read(file)]
    return "".join(out)
