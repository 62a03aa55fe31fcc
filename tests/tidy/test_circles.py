"""No circle between the files of a crate, nor between those of the web app: who reads one knows what stands below it.

An arrow is a name that a file takes from another one. What a module takes from those that it stands in is none: a child knows its
family. A name belongs to the module that is asked for it, also where that has it from a child; what `lib.rs` hands on belongs to
the module that it names.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRATES = sorted(path.parent for path in ROOT.glob("crates/*/src"))
USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))? )?use ([^;]+);", re.M)
# strings, characters and comments, which name nothing
SILENT = re.compile(r"""r#"[\s\S]*?"#|"(?:\\[\s\S]|[^"\\])*"|'(?:\\.[^']*|[^'\\])'|//[^\n]*""")

Module = tuple[str, ...]
Arrows = dict[Module, set[Module]]


def circles(arrows: Arrows) -> list[list[Module]]:
    """The files of each circle, by Tarjan's algorithm (1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(file: Module) -> None:
        index[file] = low[file] = len(index)
        stack.append(file)
        for other in arrows.get(file, ()):
            if other not in index:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], index[other])
        if low[file] == index[file]:
            at = stack.index(file)
            circle = stack[at:]
            del stack[at:]
            if len(circle) > 1:
                found.append(sorted(circle))

    for file in arrows:
        if file not in index:
            visit(file)
    return found


def flat(tree: str, before: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """What a `use` brings: each name with its path."""
    head, brace, rest = tree.partition("{")
    if not brace:
        path, _, known_as = tree.partition(" as ")
        parts = [*before, *path.strip().split("::")]
        if parts[-1] == "self":
            parts.pop()
        return {known_as.strip() or parts[-1]: parts}
    inner, depth, parts = rest.rpartition("}")[0], 0, [""]
    for letter in inner:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    before += tuple(part for part in head.strip().split("::") if part)
    return {name: path for part in parts if part.strip() for name, path in flat(part.strip(), before).items()}


class Crate:
    """The files of a crate by their modules, and what each takes from others."""

    def __init__(self, texts: dict[Module, str]):
        self.bodies: dict[Module, str] = {}
        self.names: dict[Module, dict[str, list[str]]] = {}
        for module, text in texts.items():
            text = re.sub(r"\bmod \w+;", "", SILENT.sub("", text).split("#[cfg(test)]\nmod tests")[0])
            self.names[module] = {name: path for use in USE.findall(text) for name, path in flat(" ".join(use.split())).items()}
            self.bodies[module] = USE.sub("", text)

    @classmethod
    def read(cls, root: pathlib.Path) -> "Crate":
        texts = {}
        for path in root.rglob("*.rs"):
            module = path.relative_to(root).with_suffix("").parts
            if "tests" not in module:
                texts[() if module == ("lib",) else module] = path.read_text()
        return cls(texts)

    def home(self, module: Module, path: list[str], hops: int = 0) -> Module | None:
        """The file that a path leads to from a module; none outside of the crate."""
        first, *rest = path
        if first == "crate":
            base: Module = ()
        elif first == "self":
            base = module
        elif first == "super":
            base = module[:-1]
            while rest[:1] == ["super"]:
                base, rest = base[:-1], rest[1:]
        elif (*module, first) in self.bodies:
            base, rest = module, path
        elif first in self.names[module] and hops < 9:
            return self.home(module, [*self.names[module][first], *rest], hops + 1)
        else:
            return None
        while rest and (*base, rest[0]) in self.bodies:
            base, rest = (*base, rest[0]), rest[1:]
        if base == () and rest and rest[0] in self.names.get((), {}) and hops < 9:
            return self.home((), [*self.names[()][rest[0]], *rest[1:]], hops + 1)
        return base if base in self.bodies else None

    def arrows(self) -> Arrows:
        found: Arrows = {}
        for module, body in self.bodies.items():
            paths = [path.split("::") for path in re.findall(r"(?<![\w:])\w+(?:::\w+)+", body)]
            paths += [path for name, path in self.names[module].items() if re.search(rf"\b{name}\b", body)]
            homes = {self.home(module, path) for path in paths}
            found[module] = {home for home in homes if home is not None and module[: len(home)] != home}
        return found


@pytest.mark.parametrize("crate", CRATES, ids=lambda path: path.name)
def test_no_circle_between_the_files_of(crate):
    assert circles(Crate.read(crate / "src").arrows()) == []


def test_no_circle_between_the_files_of_the_web_app():
    root = ROOT / "web/src"
    files = {path.relative_to(root): path for path in root.rglob("*.ts*") if ".test." not in path.name}
    found: Arrows = {}
    for name, path in files.items():
        taken = re.findall(r"""(?:from|import)\s*\(?['"](\.[^'"]+)['"]""", path.read_text())
        places = {(path.parent / one).resolve() for one in taken}
        found[name.parts] = {other.parts for other, at in files.items() if at in places or at.with_suffix("") in places}
    assert circles(found) == []


def test_a_circle_is_seen():
    a = "use crate::b::B;\npub struct A(B);"
    assert circles(Crate({(): "mod a; mod b;", ("a",): a, ("b",): "use crate::a::A;\npub struct B(A);"}).arrows()) == [[("a",), ("b",)]]
    through_face = {(): "mod a; mod b; pub use a::A;", ("a",): a, ("b",): "pub struct B(crate::A);"}
    assert circles(Crate(through_face).arrows()) == [[("a",), ("b",)]]
    child = {(): "mod b;", ("b",): "mod store;\npub struct B;\npub fn b() { store::find() }", ("b", "store"): "use super::B;\npub fn find() -> B {}"}
    assert circles(Crate(child).arrows()) == []
