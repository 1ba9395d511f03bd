"""The container's file, the compose file and the Kubernetes manifests, as far as they can be looked at and run without a
registry and a cluster."""
import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest
import yaml

from support.child import Child
from support.stox import PROGRAMS, REPOSITORY
from support.waiting import eventually

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
CONTAINERFILE = (REPOSITORY / "deploy" / "container" / "Containerfile").read_text()
VERSION = re.search(r"project\(stox VERSION ([0-9.]+)", (REPOSITORY / "CMakeLists.txt").read_text())[1]


def manifests(kind):
    every = [one for file in sorted(KUBERNETES.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]
    found = [one for one in every if one["kind"] == kind]
    assert found, kind
    return found


def pods():
    return [one["spec"]["template"] for one in manifests("StatefulSet")]


def selects(policy, pod):
    return policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_kustomization_names_the_files_that_are_there():
    text = (KUBERNETES / "kustomization.yaml").read_text()
    files = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(re.findall(r"- ([a-z-]+\.yaml)", text)) == files


def test_pods_run_confined():
    for pod in pods():
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        for container in pod["spec"]["containers"]:
            assert container["image"] == f"stox:{VERSION}"
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_each_pod_is_reached_at_its_probes_and_services_and_nowhere_else():
    policies, services = manifests("NetworkPolicy"), manifests("Service")
    for pod in pods():
        policy, = (one for one in policies if selects(one, pod))
        open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        container = pod["spec"]["containers"][0]
        wanted = {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")}
        for service in services:
            if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items():
                wanted |= {port["port"] for port in service["spec"]["ports"]}
        assert open_ports == wanted
        assert {port["containerPort"] for port in container["ports"] if port["name"] == "metrics"} <= wanted


def test_the_containers_image_has_the_libraries_of_the_programs():
    libraries = set()
    for program in "stox-sip-front", "stox-mapper", "stox-xmpp-worker", "stoxctl":
        said = subprocess.run(["readelf", "-d", PROGRAMS / program], capture_output=True, text=True, check=True).stdout
        libraries |= set(re.findall(r"NEEDED.*\[(.*)\]", said))
    cache = dict(re.findall(r"^\s+(\S+) .* => (\S+)$", subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout, re.M))
    listed = set(re.search(r"--no-install-recommends (.*?)&&", CONTAINERFILE, re.S)[1].replace("\\", "").split())
    for library in libraries:
        if re.match(r"(libc|libm|libgcc_s|libstdc\+\+|ld-linux.*)\.so", library):
            continue  # of the language itself, there with every library
        path = pathlib.Path(cache[library]).resolve()
        owner = subprocess.run(["dpkg", "-S", f"*/{path.name}"], capture_output=True, text=True).stdout.partition(":")[0]
        assert owner in listed, f"{library} is of {owner}"


def test_a_container_is_built_from_the_sources_alone():
    """Whatever builds and tests have left in the tree."""
    rules = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in rules and "!build" not in rules
    needed = {"CMakeLists.txt", "CMakePresets.json", "cmake", "deploy"} | set(
        re.findall(r"^add_subdirectory\((\w+)\)", (REPOSITORY / "CMakeLists.txt").read_text(), re.M))
    assert needed <= {rule[1:] for rule in rules if rule.startswith("!")}


# In a network and a tree of files of its own, where what a service mounts is at its place: all services beside each other.
SITE = """
ip link set lo up
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
for one in /etc /srv /var/lib; do
  mkdir -p "$1$one/changed" "$1$one/work"
  mount -t overlay -o "lowerdir=$one,upperdir=$1$one/changed,workdir=$1$one/work" overlay "$one"
done
mount -t tmpfs tmpfs /run
"""


def as_script(compose, folder):
    """What the engine of containers would do, but for the containers."""
    lines, given = [SITE], set()
    for service in compose["services"].values():
        address = (service["networks"]["site"] or {}).get("ipv4_address")
        if address:
            lines.append(f"ip addr add {address}/32 dev lo")
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2]
            if volume in given:
                continue
            given.add(volume)
            if not source.startswith("."):
                lines.append(f"mkdir -p {target}")
            elif (folder / source).is_dir():
                lines.append(f"mkdir -p {target}; mount --bind {(folder / source).resolve()} {target}")
            else:
                lines.append(f"mkdir -p {os.path.dirname(target)}; install -m 0640 {(folder / source).resolve()} {target}")
    lines += [f"{shlex.join(service['command'])} &" for service in compose["services"].values()]
    return "\n".join([*lines, "wait"])


def test_the_compose_file_is_a_site_that_works(tmp_path):
    own = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-euc"]
    overlay = "mount -t tmpfs tmpfs /mnt; mkdir /mnt/u /mnt/w; mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc"
    if os.geteuid() != 0 or subprocess.run([*own, overlay], capture_output=True).returncode != 0:
        pytest.skip("a network and a file system of its own need root")
    file = REPOSITORY / "deploy" / "container" / "compose.yaml"
    compose = yaml.safe_load(file.read_text())
    assert compose["x-stox"]["image"] == f"stox:{VERSION}"
    script = as_script(compose, file.parent)
    environment = {"PATH": f"{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    site = Child("compose", [*own, script, "compose", tmp_path], tmp_path, environment).start()

    def there(*words):
        inside = subprocess.run(["pgrep", "-P", str(site.pid)], capture_output=True, text=True).stdout.split()
        return subprocess.run(["nsenter", "-t", inside[0], "-n", "-m", "-p", *words], capture_output=True, text=True, timeout=120,
                              env=environment) if inside else None

    try:
        site.wait_until(lambda: (done := there("stoxctl", "wait-ready", "--timeout", "1")) and done.returncode == 0, "the site is ready")
        found = []

        def is_well():  # Kamailio is not among those that wait-ready waits for
            found[:] = json.loads(there("stoxctl", "--json", "doctor", "--user", "").stdout)["checks"]
            return not any(row["kind"] == "failure" for row in found)
        eventually(is_well, lambda: f"doctor finds nothing: {found}")
        assert any("by the SIP proxy came to the gateway: sip-1, mapper-1" in row["what"] for row in found), found
    finally:
        site.kill()
