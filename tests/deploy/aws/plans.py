"""The modules of deploy/aws under terraform, with a provider from PyPI, because the registry of providers is not at hand.

The package has the provider of 2021. Lines that end with `# unchecked: provider VERSION` name arguments that came later: they are
left out here, and listed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sysconfig
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
UNCHECKED = re.compile(r"^\s*(\w+)\s*=.*# unchecked: (provider [\d.]+)$")
# A version that the modules ask for; the files say nothing about the one that they are.
CLAIMED = "6.0.0"


class Wrong(Exception):
    """Something that cannot be deployed."""


def need(condition, message):
    if not condition:
        raise Wrong(message)


def provider():
    """The newest provider in this Python environment, as an archive."""
    folder = pathlib.Path(sysconfig.get_paths()["purelib"])
    found = sorted(folder.rglob("terraform-provider-aws_3.*_linux_amd64.zip"))
    need(found, "the provider is missing: pip install -r tests/requirements-deploy.txt")
    return found[-1]


def copy(folder):
    """A copy of deploy that terraform can read; the arguments that cannot be checked."""
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns(".terraform*"))
    unchecked = []
    for file in sorted((folder / "deploy/aws").rglob("*.tf")):
        kept = []
        for line in file.read_text().splitlines(keepends=True):
            if match := UNCHECKED.match(line.rstrip("\n")):
                unchecked.append(f"{match[1]} ({file.relative_to(folder / 'deploy/aws')}, {match[2]})")
            else:
                kept.append(line)
        file.write_text("".join(kept))
    return unchecked


class Terraform:
    """terraform in a folder, with providers from a mirror there."""

    def __init__(self, folder, archive):
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        (folder / "empty").mkdir()
        shutil.copy(folder / "deploy/aws/modules/front/versions.tf", folder / "empty")
        # The full name of the provider, as terraform makes it.
        name = re.search(r"provider\[(\S+)\]", self.run("providers", "-no-color", place="empty"))[1]
        place = folder / f"mirror/{name}/{CLAIMED}/linux_amd64"
        place.mkdir(parents=True)
        with zipfile.ZipFile(archive) as opened:
            (name,) = [name for name in opened.namelist() if name.startswith("terraform-provider-aws")]
            (place / f"terraform-provider-aws_v{CLAIMED}_x5").write_bytes(opened.read(name))
        (place / f"terraform-provider-aws_v{CLAIMED}_x5").chmod(0o755)
        config = folder / "terraformrc"
        config.write_text(
            f'disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = "{folder}/mirror"\n  }}\n}}\n'
        )
        self.environment |= {"TF_CLI_CONFIG_FILE": str(config), "TF_IN_AUTOMATION": "1"}

    def run(self, *arguments, place="deploy/aws", answer=None, seconds=170):
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder / place,
            env=self.environment,
            input=answer,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        need(done.returncode == 0, f"terraform {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout


def console(expression, folder):
    """The value of an expression without a provider, as text."""
    done = subprocess.run(
        ["terraform", "console"],
        cwd=folder,
        input=expression,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "CHECKPOINT_DISABLE": "1"},
    )
    need(done.returncode == 0, f"{expression}: {done.stdout}{done.stderr}")
    return re.sub(r"^<<EOT\n|\n?EOT\n?$", "", done.stdout)
