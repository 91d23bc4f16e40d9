"""What `kubectl kustomize` makes of an overlay, and questions about it."""

import pathlib
import re
import subprocess
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"


class Wrong(Exception):
    """A manifest that cannot work: what, where, how to fix it."""


def need(condition, message):
    if not condition:
        raise Wrong(message)


def render(overlay):
    """The documents of an overlay."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / "overlays" / overlay)], capture_output=True, text=True, timeout=60
    )
    need(done.returncode == 0, f"overlays/{overlay}: kubectl kustomize: {done.stderr.strip()}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def milliseconds(text):
    """`30s` of nats.conf."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 1, "s": 1000, "m": 60000}[unit]


def size(text):
    """`2Gi` of Kubernetes, or `64GB` of NATS, which counts by 1024 as well, in bytes."""
    number, unit = re.fullmatch(r"(\d+)([KMGT]?)(?:i|B)?", text).groups()
    return int(number) * 1024 ** " KMGT".index(unit or " ")


class Overlay:
    """The documents of an overlay by kind and name."""

    def __init__(self, name):
        self.name = name
        self.documents = render(name)

    def all(self, kind):
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind, name):
        found = [document for document in self.all(kind) if document["metadata"]["name"] == name]
        need(len(found) == 1, f"overlays/{self.name}: there are {len(found)} of {kind} {name}, and one is needed")
        return found[0]

    def generated(self, kind, prefix):
        """A ConfigMap or Secret whose name ends with a hash of its content."""
        pattern = re.compile(re.escape(prefix) + r"(-[a-z0-9]{10})?")
        found = [document for document in self.all(kind) if pattern.fullmatch(document["metadata"]["name"])]
        need(len(found) == 1, f"overlays/{self.name}: there are {len(found)} of {kind} {prefix}, and one is needed")
        return found[0]

    def workloads(self):
        """Each Deployment, StatefulSet and Fleet with the template of its pods."""
        for document in self.documents:
            if document["kind"] in ("Deployment", "StatefulSet"):
                yield document, document["spec"]["template"]
            elif document["kind"] == "Fleet":
                yield document, document["spec"]["template"]["spec"]["template"]

    def pod(self, part):
        """The template of the pods of a part."""
        found = [
            template for _, template in self.workloads() if template["metadata"]["labels"]["app.kubernetes.io/component"] == part
        ]
        need(len(found) == 1, f"overlays/{self.name}: there are {len(found)} workloads of {part}, and one is needed")
        return found[0]

    def config(self, part):
        """The configuration of an edge or a worker, as TOML."""
        return tomllib.loads(self.generated("ConfigMap", f"grandstand-{part}")["data"][f"{part}.toml"])


def container(template):
    """The container of a pod that has the program."""
    return template["spec"]["containers"][0]


def environment(template, secrets):
    """The environment of a pod's container, with `$(…)` replaced, and secrets from `secrets(name, key)`."""
    values = {}
    for entry in container(template).get("env", []):
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            value = secrets(source["secretKeyRef"]["name"], source["secretKeyRef"]["key"])
        elif "fieldRef" in source:
            value = f"{container(template)['name']}-6f7c9d8b54-x2k9q"  # as long as the names that Deployments make
        else:
            value = entry["value"]
        for name in re.findall(r"\$\((\w+)\)", value):
            need(name in values, f"{entry['name']} contains $({name}), which stands after it, so Kubernetes does not replace it")
            value = value.replace(f"$({name})", values[name])
        values[entry["name"]] = value
    return values
