"""deploy/compose.yaml as Docker Compose reads it: with variables and merges resolved."""

import os
import pathlib
import re

import yaml

FILE = pathlib.Path("deploy/compose.yaml")


def resolved(text, variables):
    """Replaces ${NAME}, ${NAME:-default} and $$."""

    def value(match):
        if match.group(0) == "$$":
            return "$"
        name, default = match.group(1), match.group(2)
        return variables.get(name) or default or ""

    return re.sub(r"\$\$|\$\{([A-Z_0-9]+)(?::-([^}]*))?\}", value, text)


def load(variables=None):
    return yaml.safe_load(resolved(FILE.read_text(), variables or {}))


def by_profile(document, *profiles):
    """The services of the default profile, and of those that are named."""
    return {
        name: service
        for name, service in document["services"].items()
        if not service.get("profiles") or set(service["profiles"]) & set(profiles)
    }


def files(service):
    """The files of this repository that a service gets, as pairs of the place here and the place there."""
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            yield pathlib.Path(os.path.normpath(FILE.parent / source)), target
