"""The configurations in deploy/site, which the tests share with deploy/quickstart: @NAME@ is filled in."""
import pathlib
import re

SITE = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "site"


def fill(name, **values):
    text = (SITE / name).read_text()
    wanted = set(re.findall(r"@([A-Z0-9_]+)@", text))
    assert wanted == set(values), f"{name} wants {sorted(wanted)}, got {sorted(values)}"
    return re.sub(r"@([A-Z0-9_]+)@", lambda match: str(values[match[1]]), text)
