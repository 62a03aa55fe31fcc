"""Every document that states a fact about the code is compared with it."""

import json
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("crates/*/*.md"), *ROOT.glob("bench/**/*.md"), *ROOT.glob("deploy/**/*.md")]
)


def files() -> list[pathlib.Path]:
    """All files under version control or about to be."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True)
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def rows(document: str, columns: int) -> list[list[str]]:
    """The cells of every table row with that many columns, without heads."""
    found = []
    for line in (ROOT / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns and not set(cells[0]) <= set("-: "):
            found.append(cells)
    return found


def metadata() -> dict:
    """What cargo knows of the workspace."""
    return json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"], cwd=ROOT))


def tiers() -> dict[str, tuple[int, int]]:
    """Crate → (floor, place on it), from ARCHITECTURE.md."""
    table = [row for row in rows("ARCHITECTURE.md", 3) if row[0].isdigit()]
    return {row[1].strip("`"): (int(row[0]), place) for place, row in enumerate(table)}


def test_the_map_names_every_room_and_no_other():
    crates = {package["name"] for package in metadata()["packages"] if "/crates/" in package["manifest_path"]}
    assert set(tiers()) == crates


def test_every_dependency_points_down_or_left():
    order = tiers()
    wrong = []
    for package in metadata()["packages"]:
        for dependency in package["dependencies"]:
            name, on = package["name"], dependency["name"]
            if name not in order or on not in order or dependency["kind"] == "dev":
                continue
            if not order[on] < order[name]:
                wrong.append(f"{name} → {on}")
    assert wrong == []


@pytest.mark.parametrize("row", rows("docs/features.md", 4), ids=lambda row: row[0])
def test_every_feature_names_tests_that_exist(row):
    name, _, state, shown = row
    if name == "row":
        return
    assert re.match(r"(works|open)$|partly: .+", state), state
    tests = re.findall(r"`([^`]+)::([^`]+)`", shown)
    assert tests or state == "open"
    for path, test in tests:
        text = (ROOT / path).read_text()
        quoted = re.search(rf"""['"`]{re.escape(test)}""", text)
        assert quoted or re.search(rf"\b(fn|def) {re.escape(test)}\b", text), f"{path} has no {test}"


def test_no_feature_stands_twice():
    names = [row[0] for row in rows("docs/features.md", 4) if row[0] != "row"]
    assert len(names) == len(set(names))


def test_every_error_code_is_documented_and_every_documented_one_exists():
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("crates/*/src/**/*.rs"):
        text = path.read_text().split("#[cfg(test)]")[0]
        for status, code in re.findall(r'\(\s*(4\d\d|5\d\d),\s*"([a-z_]+)"', text):
            found.setdefault(code, set()).add(status)
    table = {row[0].strip("`"): row[1] for row in rows("docs/errors.md", 3) if row[1].isdigit()}
    assert {code: {status} for code, status in table.items()} == found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_readme_tells_the_truth_about_make():
    named = set(re.findall(r"(?:`|^)make (\w+)", (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text(), re.M))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert named <= targets, named - targets
    assert "TIME_" not in (ROOT / "README.md").read_text(), "a time was not measured"


def test_contributing_is_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) < 120


def test_no_source_file_is_longer_than_800_lines():
    generated = re.compile(r"(lock\.json|Cargo\.lock|openapi\.json|\.gen\.ts|default\.json|vectors\.json|\.svg|/LICENSE)$")
    long = {}
    for path in files():
        if path.suffix in (".rs", ".ts", ".tsx", ".mjs", ".py", ".css", ".sql", ".md", ".json") and not generated.search(str(path)):
            lines = len(path.read_text(errors="replace").splitlines())
            if lines > 800:
                long[str(path.relative_to(ROOT))] = lines
    assert long == {}


def test_nothing_is_left_for_later_in_the_sources():
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = [str(path.relative_to(ROOT)) for path in files()
             if path.suffix in (".rs", ".ts", ".tsx", ".mjs", ".py", ".sql", ".css") and marks.search(path.read_text(errors="replace"))]
    assert found == []


def test_no_secret_and_no_foreign_registry_is_in_the_repository():
    shapes = re.compile(r"-----BEGI[N] [A-Z ]*PRIVATE KEY|sk_liv[e]_|AKI[A][0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30}")
    for path in files():
        if path.stat().st_size > 2_000_000 or path.suffix in (".png", ".ico", ".woff2"):
            continue
        text = path.read_text(errors="replace")
        assert not shapes.search(text), path
        if path.name == "package-lock.json":
            # hosts would tie the lock to the machine that wrote it
            assert '"resolved"' not in text, path


@pytest.mark.parametrize("lock", [path for path in files() if path.name == "package-lock.json"], ids=str)
def test_a_lock_names_the_packages_of_every_platform(lock):
    packages = json.loads(lock.read_text())["packages"]
    left_out = [name for package in packages.values() for name, version in package.get("optionalDependencies", {}).items()
                if version[0].isdigit() and f"node_modules/{name}" not in packages]
    assert left_out == [], f"npm ci refuses it; run scripts/complete-lock {lock.parent.name}"


def test_ci_runs_what_we_run():
    assert re.search(r"^exec make test$", (ROOT / ".ci/run").read_text(), re.M)
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


@pytest.mark.parametrize("script", ["run", "setup", "build", "test", "reset", "sqlx-cache", "check-crates", "complete-lock"])
def test_scripts_can_be_run(script):
    path = ROOT / "scripts" / script
    assert path.stat().st_mode & 0o111
    if path.read_text().startswith("#!/usr/bin/env bash"):
        subprocess.run(["bash", "-n", path], check=True)


def test_every_route_is_made_by_the_router_that_writes_the_document():
    """`.route(` of axum would be served without being described; the document itself is the one exception."""
    found = []
    for path in ROOT.glob("crates/*/src/**/*.rs"):
        if path.parts[len(ROOT.parts) + 1] == "sandbox":  # stands in for someone else's server
            continue
        text = path.read_text().split("#[cfg(test)]")[0]
        found += [str(path.relative_to(ROOT)) for _ in re.finditer(r"\.(?:route|route_service|nest_service)\(", text)]
    assert found == ["crates/noren/src/front.rs"]


def test_a_rooms_tables_are_named_by_that_room_alone():
    """Another room calls its functions. Tests may look behind the scenes."""
    made = "\n".join(path.read_text() for path in ROOT.glob("migrations/*.sql"))
    schemas = {name for name in re.findall(r"create schema (\w+);", made)} - {"auth", "audit"}
    assert schemas, "there are schemas"
    wrong = []
    for path in ROOT.glob("crates/*/src/**/*.rs"):
        room = path.parts[len(ROOT.parts) + 1]
        text = path.read_text().split("#[cfg(test)]")[0]
        for statement in re.findall(r"query(?:_as|_scalar)?!?\((.*?)\)\s*(?:\.|;|$)", text, re.S):
            named = set(re.findall(r"\b(?:from|join|into|update)\s+(\w+)\.\w+", statement)) & schemas
            wrong += [f"{path.relative_to(ROOT)} names {schema}" for schema in named - {room}]
    assert wrong == []


def test_sql_stands_in_stores_alone():
    """What is about the database itself, not about a room's tables, stands in db."""
    elsewhere = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("crates/*/src/**/*.rs")
        if path.name != "store.rs" and path.parts[len(ROOT.parts) + 1] not in ("db", "testkit") and "sqlx::query" in path.read_text()
    }
    assert elsewhere == set()
