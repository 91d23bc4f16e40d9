"""A machine of its own for tests: a real systemd as process 1 of new namespaces, on a copy of this machine's files.

What it writes goes to memory and is gone with it. It shares the network of the process that starts it, which is in a network
namespace of its own: call `own_network()` first.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

TARGETS = "sysinit basic shutdown umount multi-user sockets network-online network nss-lookup".split()
BOOT = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
umount -R sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
ln -s /proc/self/fd dev/fd
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p share old
mount --bind "$2" share
pivot_root . old
umount -l /old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/share/units \
    /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=false </dev/null
"""


def own_network():
    """Runs this program again in a network namespace of its own, with nothing but a loopback interface."""
    if os.environ.get("GRANDSTAND_OWN_NETWORK") != str(os.getpid()):
        os.environ["GRANDSTAND_OWN_NETWORK"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Machine:
    """`folder` is /share inside; the units in `folder`/units are those that systemd knows."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        units = self.folder / "units"
        for name in TARGETS:
            (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        (units / "test.target").write_text("[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n")
        # There is no journal.
        (units / "service.d").mkdir()
        logs = self.folder / "logs"
        logs.mkdir(mode=0o755)
        (units / "service.d" / "log.conf").write_text(
            "[Service]\nStandardOutput=append:/share/logs/%N.log\nStandardError=append:/share/logs/%N.log\n"
        )
        self.group = pathlib.Path(f"{unified()}/grandstand-test-{os.getpid()}")
        self.group.mkdir()
        (self.folder / "machine").mkdir()
        enter = f'echo $$ >{self.group}/cgroup.procs; exec unshare -m -p -f -C -u -i --kill-child bash -c "$0" boot "$@"'
        self.log = open(self.folder / "boot.log", "w+")
        self.outer = subprocess.Popen(
            ["bash", "-c", enter, BOOT, str(self.folder / "machine"), str(self.folder)],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
        )
        self.first = None
        try:
            self.until(self.is_up, "systemd")
        except AssertionError:
            self.stop()
            raise

    def is_up(self):
        assert self.outer.poll() is None, f"no systemd in namespaces: {self.text('boot.log')}"
        children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        if not children:
            return False
        self.first = int(children[0])
        return self.run("systemctl", "is-active", "test.target", check=False).returncode == 0

    def inside(self, *command):
        return ["nsenter", "-t", str(self.first), "-m", "-p", "-i", "-r", "-w", *command]

    def run(self, *command, check=True, timeout=60, environment=None):
        done = subprocess.run(
            self.inside(*command), capture_output=True, text=True, timeout=timeout, env=environment or clean()
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", *arguments, **options)

    def show(self, unit, name):
        return self.systemctl("show", "--property", name, "--value", unit).stdout.strip()

    def text(self, name):
        path = self.folder / name
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    @staticmethod
    def until(holds, what, seconds=30):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"waited {seconds} s for {what}"
            time.sleep(0.05)

    def stop(self):
        if self.first and self.outer.poll() is None:
            os.kill(self.first, signal.SIGKILL)
        elif self.outer.poll() is None:
            self.outer.kill()
        self.outer.wait(20)
        for folder, _, _ in os.walk(self.group, topdown=False):
            for _ in range(100):
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(0.05)


def clean():
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER": "", "NO_COLOR": "1"}


def unified():
    """Where the second version of cgroups is mounted."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return place
    raise AssertionError("cgroup2 is not mounted")
