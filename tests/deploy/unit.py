"""Unit files of systemd."""

import pathlib
import shlex


class Unit:
    def __init__(self, path):
        self.path, self.lines, section = path, [], None
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif "=" in line and not line.startswith("#"):
                key, value = line.split("=", 1)
                self.lines.append((section, key, value))

    def all(self, section, key):
        return [value for where, name, value in self.lines if (where, name) == (section, key)]

    def one(self, section, key):
        values = self.all(section, key)
        assert len(values) == 1, f"{self.path}: {key} must be there once, but there is {values}"
        return values[0]

    def command(self, key):
        return shlex.split(self.one("Service", key))

    def environment(self):
        pairs = [pair for line in self.all("Service", "Environment") for pair in shlex.split(line)]
        return dict(pair.split("=", 1) for pair in pairs)
