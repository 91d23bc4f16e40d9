"""Debian packages that a check needs."""

import os
import subprocess


def need(*packages):
    """Installs those that are missing. Services that come with them are not started."""
    missing = [name for name in packages if not is_installed(name)]
    if not missing:
        return
    print(f"installing {' '.join(missing)}", flush=True)
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    # Another step may install at the same time.
    apt = ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends"]
    for arguments in (["update"], ["install", *missing]):
        done = subprocess.run([*apt, *arguments], env=variables, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"


def is_installed(name):
    return subprocess.run(["dpkg", "-s", name], capture_output=True).returncode == 0
