"""A machine beside this one: systemd as process 1 of namespaces of its own. It has the network of this machine, and its
files below a layer of its own, which goes with it."""
import os
import pathlib
import subprocess

from support.child import Child
from support.waiting import eventually

# Runs in a mount namespace of its own: makes a control group for all that the machine runs, and goes there.
_ENTER = r"""
set -eu
folder=$1 lower=$2 group=$3; shift 3
mount --make-rprivate /
mkdir -p "$folder/group"
mount -t cgroup2 cgroup2 "$folder/group"
mkdir "$folder/group/$group"
echo $$ >"$folder/group/$group/cgroup.procs"
exec unshare --cgroup --pid --uts --ipc --mount --fork --kill-child sh -euc "$BOOT" boot "$folder" "$lower" "$@"
"""

# Runs as process 1. What of it could reach the kernel that both machines share may only be read.
_BOOT = r"""
folder=$1 lower=$2; shift 2
mkdir -p "$folder/layer"
mount -t tmpfs tmpfs "$folder/layer"
mkdir "$folder/layer/changed" "$folder/layer/work" "$folder/layer/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$folder/layer/changed,workdir=$folder/layer/work" overlay "$folder/layer/root"
root=$folder/layer/root
for one in /run /tmp /dev; do mkdir -p "$root$one"; mount -t tmpfs -o mode=1777 tmpfs "$root$one"; done
chmod 755 "$root/run" "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for one in null zero full random urandom tty; do
  touch "$root/dev/$one"; mount --bind "/dev/$one" "$root/dev/$one"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
for one in "$@"; do mkdir -p "$root$one"; mount --bind "$one" "$root$one"; done
if [ "$lower" = / ]; then
  # Of this machine's services none is started there.
  mount -t tmpfs -o mode=755 tmpfs "$root/etc/systemd/system"
  for one in systemd-tmpfiles-setup.service systemd-tmpfiles-clean.timer systemd-sysusers.service; do
    ln -s /dev/null "$root/etc/systemd/system/$one"
  done
fi
cd "$root"
pivot_root . .
umount -l .
exec setpriv --bounding-set=-sys_module,-sys_time,-sys_boot,-sys_rawio env -i container=stox-test \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin /lib/systemd/systemd --unit=basic.target --log-target=journal --show-status=no
"""


class CannotBoot(Exception):
    """Why this machine cannot have another one."""


class Machine:
    def __init__(self, folder, lower="/", shared=()):
        """lower: the root folder that it begins with; shared: folders of this machine that it has, too."""
        self.folder = pathlib.Path(folder)
        self.group = f"stox-test-{os.getpid()}-{self.folder.name}"
        command = ["unshare", "--mount", "sh", "-euc", _ENTER, "enter", self.folder, lower, self.group, *shared]
        self.child = Child("systemd", command, self.folder, {"BOOT": _BOOT})
        self.first = None  # process 1, as seen from here

    def start(self):
        if os.geteuid() != 0:
            raise CannotBoot("booting systemd needs root")
        if not pathlib.Path("/lib/systemd/systemd").exists():
            raise CannotBoot("there is no systemd on this machine")
        self.child.start()
        eventually(lambda: self._booted() or not self.child.running(), "systemd runs")
        if not self.child.running():
            why = self.child.log(3)
            self.stop()
            raise CannotBoot(f"systemd cannot be process 1 of namespaces here: {why}")
        # Not --wait: D-Bus may be missing.
        eventually(lambda: self.run("systemctl", "is-active", "basic.target", check=False).stdout.strip() == "active",
                   "systemd has booted")
        self.run("systemd-tmpfiles", "--create", "--prefix=/run", check=False)
        return self

    def _booted(self):
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
                if fields[1] == str(self.child.pid) and os.readlink(stat.parent / "exe").endswith("/systemd"):
                    self.first = int(stat.parent.name)
                    return True
            except OSError:
                pass
        return False

    def command(self, *words):
        """What runs these words there."""
        return ["nsenter", "-t", str(self.first), "-m", "-u", "-i", "-p", "-C", *map(str, words)]

    def run(self, *words, check=True, within=180):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=within, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
        if check:
            assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def write(self, file, text):
        """Into a file there that is there, with its rights."""
        subprocess.run(self.command("sh", "-c", 'cat >"$1"', "sh", file), input=text, text=True, check=True)

    def unit(self, name, what):
        """A property of a systemd unit."""
        return self.run("systemctl", "show", "-P", what, name).stdout.strip()

    def journal(self, *words):
        return self.run("journalctl", "--no-pager", "-o", "cat", *words).stdout

    def stop(self):
        self.child.kill()
        # Its processes end a moment after the one that held them.
        remove = """mount -t cgroup2 cgroup2 "$1/group" || exit 0
                    [ ! -d "$1/group/$2" ] || find "$1/group/$2" -depth -type d -exec rmdir {} + || exit 3"""
        eventually(lambda: subprocess.run(["unshare", "--mount", "sh", "-c", remove, "sh", self.folder, self.group],
                                          capture_output=True).returncode != 3, "its control group is gone")
