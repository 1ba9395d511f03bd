"""The container's file and the Kubernetes manifests, as far as they can be looked at without a registry and a cluster."""
import pathlib
import re
import subprocess

import yaml

from support.stox import PROGRAMS, REPOSITORY

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
