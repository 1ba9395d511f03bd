"""Who may include what. Each folder of the sources has a line below; an #include that it does not allow is
printed as file:line and the rule. Run without arguments: checks the tree, and that planted violations are found."""
import pathlib
import re
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# folder: what its files may include of ours, besides the folder itself. The longest prefix counts.
OURS = {
    "common/base": [],
    "common/net": ["common/base"],
    "common/bus": ["common/base", "common/net", "proto"],
    "common/bodies": ["common/bus", "proto"],
    "common/journal": ["common/base"],
    "common/xml": ["common/base"],
    "common/service": ["common/base", "common/net"],
    "common/edge_process": ["common/base", "common/net", "common/bus", "common/bodies", "common/service", "proto"],
    "sip_front/sip": ["common/base"],
    "xmpp_worker/xmpp": ["common/base"],
    "mapper/mapping": ["common/base", "common/xml", "proto"],  # the messages are its values
    "sip_front": ["common/base", "common/net", "common/bus", "common/bodies", "common/edge_process", "common/journal", "common/service", "common/xml", "proto"],
    "xmpp_worker": ["common/base", "common/net", "common/bus", "common/bodies", "common/edge_process", "common/journal", "common/service", "proto"],
    "mapper": ["common/base", "common/net", "common/bus", "common/service", "proto"],
    "ctl": ["common/base", "common/service"],
}

# Of the protocol libraries only these files, transports and streams, touch sockets: they may use common/net too.
SOCKETS = {
    "sip_front/sip": {"transport", "udp", "tcp", "tcp_connection", "tcp_io", "tls_identity", "trust", "next_hop"},
    "xmpp_worker/xmpp": {"paced_socket", "s2s_accepted", "s2s_route", "s2s_server", "s2s_site"},
}

# Single headers beyond that.
HEADERS = {"ctl": {"common/bus/zmq/curve.h",  # stoxctl keys
                   "sip_front/sip/message/digest.h", "sip_front/sip/message/parser.h",
                   "sip_front/sip/policy/tls_identity.h"},  # doctor's own requests
           "common/service": {"common/bus/zmq/curve.h"}}  # whether the configured keys fit

# Libraries that stay behind one wall: include prefix, folders that may see it.
LIBRARIES = {
    "zmq": ["common/bus"],
    "google/protobuf": ["common/bus"],
    "asio": ["common/net", "common/bus", "common/service"],
    "unbound": ["common/net"],
    "sqlite3": ["common/journal"],
    "expat": ["xmpp_worker/xmpp", "common/xml"],
    "unigbrk": ["mapper/mapping"],
    "spdlog": ["common/service"],
    "prometheus": ["common/service"],
    "toml++": ["common/service"],
    "CLI": ["common/service", "ctl"],
    "httplib": ["ctl"],
    "openssl/ssl": ["common/net"],
    "systemd": ["common/service"],
    "nlohmann": ["common/bus", "common/service", "common/edge_process", "ctl", "sip_front", "xmpp_worker", "mapper", "mapper/mapping"],
    "stringprep": ["common/base"],
    "idna": ["common/base"],
}

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
PROTO_IMPORT = re.compile(r'\s*import\s+(?:public\s+)?"([^"]+)"')


def folder_of(path):
    """The folder of OURS that a file or an include belongs to; None for those of others."""
    parents = [str(parent) for parent in pathlib.PurePosixPath(path).parents]
    return next((parent for parent in parents if parent in OURS or parent == "proto"), None)


def is_library(name, prefix):
    return name == prefix or name.startswith((prefix + "/", prefix + "."))


def why_not(path, folder, quoted, name):
    """The rule that an include breaks; None if it breaks none."""
    opens_sockets = pathlib.PurePosixPath(path).stem in SOCKETS.get(folder, ())
    target = folder_of(name)
    if quoted and not target:
        return "what is included in quotes is a file of one of the layers, named from the root of the repository"
    if target:
        allowed = [folder, *OURS[folder], *(["common/net"] if opens_sockets else [])]
        # An actor uses the library of its own process.
        if target in allowed or target.startswith(folder + "/") or name in HEADERS.get(folder, ()):
            return None
        return f"{folder} may include {', '.join(allowed)}; {target} is none of them"
    for prefix, folders in LIBRARIES.items():
        if is_library(name, prefix) and folder not in folders and not (prefix == "asio" and opens_sockets):
            return f"only {', '.join(folders)} may include {prefix}"
    return None


def violations(root):
    out = []
    for folder in "common", "sip_front", "xmpp_worker", "mapper", "ctl":
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".h", ".cpp"):
                continue
            path = file.relative_to(root).as_posix()
            own = folder_of(path)
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                if own is None:
                    out.append(f"{path}:{number}: no layer has this folder; add it to {pathlib.Path(__file__).name}")
                    break
                found = INCLUDE.match(line)
                rule = found and why_not(path, own, found[1] == '"', found[2])
                if rule:
                    out.append(f"{path}:{number}: {rule}")
    for file in sorted((root / "proto").glob("*.proto")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found = PROTO_IMPORT.match(line)
            if found and not found[1].startswith("proto/"):
                out.append(f"{file.relative_to(root).as_posix()}:{number}: proto imports only proto")
    return out


def part_of(path, includers):
    """Header and source of one name are one part. So is NAME_MORE.h that nothing but NAME and others of it include."""
    stem = path.rsplit(".", 1)[0]
    words = stem.split("_")
    for count in range(1, len(words)):
        name = "_".join(words[:count])
        of = includers.get(stem, ())
        if name in of and all(one == name or one.startswith(name + "_") for one in of):
            return name
    return stem


def circles(edges):
    """The strongly connected parts of a graph that have more than one member (Tarjan)."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in order:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            members = []
            while not members or members[-1] != node:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    for node in list(edges):
        if node not in order:
            visit(node)
    return found


def knots(root):
    """Folders, and parts, that include each other by whatever way round."""
    files = {file.relative_to(root).as_posix() for folder in OURS for file in (root / folder).rglob("*")
             if file.suffix in (".h", ".cpp")}
    includes = [(path, found[2]) for path in sorted(files)
                for found in map(INCLUDE.match, (root / path).read_text(errors="replace").splitlines())
                if found and found[2] in files]
    includers = {}
    for path, included in includes:
        includers.setdefault(included.rsplit(".", 1)[0], set()).add(path.rsplit(".", 1)[0])

    def graph(name):
        edges = {}
        for path, included in includes:
            if name(path) != name(included):
                edges.setdefault(name(path), set()).add(name(included))
        return edges

    return circles(graph(lambda path: path.rsplit("/", 1)[0])) + circles(graph(lambda path: part_of(path, includers)))


class Layering(unittest.TestCase):
    def test_nothing_includes_itself_by_a_way_round(self):
        self.assertEqual(knots(REPOSITORY), [])

    def test_planted_knots_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, line in {"common/base/a.h": '#include "common/base/b.h"', "common/base/b.cpp": '#include "common/base/a.h"',
                               "common/base/b.h": "", "sip_front/x/one.h": '#include "sip_front/y/two.h"',
                               "sip_front/y/two.h": "", "sip_front/y/three.h": '#include "sip_front/x/one.h"',
                               "mapper/c.h": "", "mapper/c_more.h": '#include "mapper/c.h"',
                               "mapper/c.cpp": '#include "mapper/c_more.h"'}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(line + "\n")
            self.assertEqual(knots(root), [["sip_front/x", "sip_front/y"], ["common/base/a", "common/base/b"]])

    def test_the_tree_keeps_its_layers(self):
        found = violations(REPOSITORY)
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_the_tree_is_seen(self):
        for folder in OURS:
            self.assertTrue(list((REPOSITORY / folder).rglob("*.cpp")), f"{folder} is empty: is its name still right?")

    def test_planted_violations_are_found(self):
        planted = {
            "common/base/text.cpp": ['#include "common/net/loop.h"', '#include <string>', '#include "common/base/text.h"'],
            "common/net/loop.h": ["// first", '#include "common/service/log.h"', "#include <zmq.hpp>"],
            "common/service/log.cpp": ['  #  include "proto/envelope.pb.h"', "#include <spdlog/spdlog.h>"],
            "common/bus/edge/edge.cpp": ['#include "common/service/log.h"', "#include <zmq.hpp>"],
            "sip_front/sip/message/parser.cpp": ['#include "common/net/loop.h"', "#include <asio/post.hpp>"],
            "sip_front/sip/transport/udp.cpp": ['#include "common/net/loop.h"', "#include <asio/ip/udp.hpp>",
                                      '#include "common/bus/edge/edge.h"'],
            "sip_front/front.cpp": ['#include "xmpp_worker/worker.h"', '#include "sip_front/sip/message/parser.h"',
                                    '#include "common/bus/edge/edge.h"'],
            "xmpp_worker/xmpp/stream.cpp": ['#include "proto/message.pb.h"', '#include "xmpp_worker/worker.h"',
                                            "#include <expat.h>"],
            "mapper/mapping/routes.cpp": ['#include "proto/control.pb.h"', '#include "common/bus/edge/edge.h"'],
            "ctl/main.cpp": ['#include "common/bus/edge/edge.h"', "#include <CLI/CLI.hpp>", '#include "peer.h"'],
            "common/extra/x.cpp": ["int x;"],
            "proto/a.proto": ['import "proto/b.proto";', 'import "google/protobuf/any.proto";'],
        }
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, lines in planted.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text("\n".join(lines) + "\n")
            places = {":".join(found.split(":")[:2]) for found in violations(root)}
        self.assertEqual(places, {
            "common/base/text.cpp:1", "common/net/loop.h:2", "common/net/loop.h:3", "common/service/log.cpp:1",
            "common/bus/edge/edge.cpp:1", "sip_front/sip/message/parser.cpp:1", "sip_front/sip/message/parser.cpp:2",
            "sip_front/sip/transport/udp.cpp:3", "sip_front/front.cpp:1", "xmpp_worker/xmpp/stream.cpp:1",
            "xmpp_worker/xmpp/stream.cpp:2", "mapper/mapping/routes.cpp:2", "ctl/main.cpp:1", "ctl/main.cpp:3", "common/extra/x.cpp:1",
            "proto/a.proto:2"})


if __name__ == "__main__":
    if len(sys.argv) > 1:  # of another tree
        print("\n".join(violations(pathlib.Path(sys.argv[1]))))
    else:
        unittest.main()
