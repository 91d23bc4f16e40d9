"""Checks the package for Unity, and takes the examples out of the README.

    package.py                    each file has a `.meta` file with an id of its own, and the JSON files agree
    package.py --write            makes the `.meta` files that are missing
    package.py --examples FOLDER  writes the examples of the README there, as files that a compiler takes
"""

import hashlib
import json
import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
USING = "using System;\nusing System.Threading.Tasks;\nusing Grandstand;\n"
# What the examples of the README that are a few lines may use.
AROUND = """
static class Example%d
{
    static async Task Do(Client client)
    {
%s
        await Task.Yield();
    }

    static void Draw(JsonValue state) { }
    static void Print(string text) { }
    static Task<string> FetchToken() { return Task.FromResult("token"); }
    static Task Play(Client client) { return Task.FromResult(0); }
}
"""


def assets() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*")) if path.suffix not in (".meta", ".pyc") and path.name != "__pycache__"]


def meta(path: Path) -> Path:
    return path.with_name(path.name + ".meta")


def write() -> None:
    for path in assets():
        if not meta(path).exists():
            name = f"Grandstand.Client/{path.relative_to(PACKAGE).as_posix()}"
            folder = "folderAsset: yes\n" if path.is_dir() else ""
            meta(path).write_text(f"fileFormatVersion: 2\nguid: {hashlib.md5(name.encode()).hexdigest()}\n{folder}")


def check() -> list[str]:
    problems, ids = [], {}
    for path in assets():
        if not meta(path).exists():
            problems.append(f"{path.name} has no .meta file; run package.py --write")
            continue
        found = re.search(r"^guid: ([0-9a-f]{32})$", meta(path).read_text(), re.MULTILINE)
        if not found or ids.setdefault(found[1], path) != path:
            problems.append(f"{meta(path).name} has no id of its own")
    for path in PACKAGE.rglob("*.meta"):
        if not path.with_suffix("").exists():
            problems.append(f"{path.name} belongs to no file")
    package = json.loads((PACKAGE / "package.json").read_text())
    assembly = json.loads((PACKAGE / "Runtime/Grandstand.Client.asmdef").read_text())
    if package["displayName"] != assembly["name"]:
        problems.append("package.json and the assembly have different names")
    if f'\\"version\\":\\"{package["version"]}\\"' not in (PACKAGE / "conformance/Driver.cs").read_text():
        problems.append("the driver names another version than package.json")
    if re.search(r"Reflection|\bdynamic\b|Activator", "".join(path.read_text() for path in PACKAGE.glob("Runtime/*.cs"))):
        problems.append("the client uses what IL2CPP has not")
    return problems


def examples(folder: Path) -> None:
    found = re.findall(r"```csharp\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    for number, code in enumerate(found):
        if "class " not in code:
            code = code.replace("var client =", "client =")
            code = USING + AROUND % (number, re.sub("^(?=.)", " " * 8, code.rstrip(), flags=re.MULTILINE))
        (folder / f"Example{number}.cs").write_text(code)
    print(f"{len(found)} examples")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--examples", folder]:
            examples(Path(folder))
        case ["--write"]:
            write()
        case _:
            for problem in (found := check()):
                print(problem)
            sys.exit(bool(found))
