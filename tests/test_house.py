"""The rules of the house that no linter knows: who may import whom, and what is finished.

Read from the source by `ast`, so that an import inside a function counts like any other.
"""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for part in ("provenance", "api") for path in (ROOT / part).rglob("*.py"))

# Data runs down this list, and a part imports only what stands above it. `__init__` is the face
# of the SDK, provenance/__init__.py.
ORDER = [
    "version",
    "errors",
    "forms",
    "native",
    "merkle",
    "records",
    "derivation",
    "statements",
    "signing",
    "log",
    "exchange",
    "witness",
    "anchoring",
    "verification",
    "browser",
    "lineage",
    "monitoring",
    "ledger",
    "upkeep",
    "client",
    "__init__",
    "integrations",
    "cli",
]
# An annotation only, never imported at run time: a VerificationError carries a Report.
ANNOTATIONS = {("errors", "verification")}

VERIFY_HALF = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["provenance"][
    "verify-half"
]
HALF_FILES = sorted(path for glob in VERIFY_HALF for path in ROOT.glob(glob))
HALF_MAY_IMPORT = sys.stdlib_module_names | {"cryptography", "rfc8785", "provenance"}


def name_of(path):
    """The dotted name of a module; of a package, the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in FILES}


def part_of(module):
    """provenance.log.tiles → log."""
    return [*module.split("."), "__init__"][1]


def imports(path):
    """Yield (module, is an annotation only) for every import of a file, wherever it stands."""

    def walk(node, annotation):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for child in node.body:
                yield from walk(child, True)
            for child in node.orelse:
                yield from walk(child, annotation)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, annotation
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively in line {node.lineno}"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in MODULES else node.module), annotation
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child, annotation)

    yield from walk(ast.parse(path.read_text()), False)


@pytest.fixture(params=MODULES)
def module(request):
    return request.param


def test_every_part_has_its_place():
    parts = {part_of(name) for name in MODULES if name.startswith("provenance")}
    assert parts <= set(ORDER), f"give {parts - set(ORDER)} a place in the order"


def test_a_part_imports_only_what_stands_above_it(module):
    if module.split(".")[0] == "api":
        return
    for imported, annotation in imports(MODULES[module]):
        top = imported.split(".")[0]
        assert top != "api", f"{module} imports {imported}"
        if top != "provenance" or part_of(imported) == part_of(module):
            continue
        if annotation and (part_of(module), part_of(imported)) in ANNOTATIONS:
            continue
        assert ORDER.index(part_of(imported)) < ORDER.index(part_of(module)), (
            f"{module} imports {imported}, which stands below it"
        )


def test_a_package_shows_only_its_own(module):
    """Importing a package loads nothing that only some of its modules need."""
    if MODULES[module].name == "__init__.py" and module not in ("provenance", "api"):
        for imported, _ in imports(MODULES[module]):
            assert imported.startswith((f"{module}.", "__future__", "typing")), (
                f"{module}/__init__.py imports {imported}"
            )


# --- the verify half --------------------------------------------------------------------------


@pytest.mark.parametrize("glob", VERIFY_HALF)
def test_the_list_of_the_verify_half_names_files(glob):
    assert list(ROOT.glob(glob))


@pytest.mark.parametrize("path", HALF_FILES, ids=name_of)
def test_the_verify_half_imports_little_in_any_line(path):
    """In use too: an import inside a function counts. Only readers of data may ask for more."""
    half = {name_of(file) for file in HALF_FILES}
    for imported, annotation in imports(path):
        if annotation and name_of(path) == "provenance":
            continue  # the face loads a name when it is used, so that types alone stand there
        assert imported.split(".")[0] in HALF_MAY_IMPORT, f"{path} imports {imported}"
        if imported.startswith("provenance"):
            assert imported in half or imported.startswith("provenance.records."), (
                f"{path} imports {imported}, which is not of the verify half"
            )


BLOCKED = """
import importlib, sys

allowed = sys.stdlib_module_names | {"cryptography", "_cffi_backend", "rfc8785", "provenance"}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Block())
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
"""


def test_the_verify_half_loads_where_nothing_else_is_installed():
    half = [name_of(path) for path in HALF_FILES]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *half], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert {"cryptography", "provenance", "rfc8785"} <= set(done.stdout.split())

    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "pytest"], capture_output=True, text=True, cwd=ROOT
    )
    assert "pytest is not there" in done.stderr, "the block above does not block"


# --- what is public, and what is finished -----------------------------------------------------


def test_every_public_name_exists_and_is_described(module):
    if module == "provenance.log.migrations.env":
        assert ast.get_docstring(ast.parse(MODULES[module].read_text()))
        return  # Alembic runs it, where the connection is that it asks for
    loaded = importlib.import_module(module)
    assert (loaded.__doc__ or "").strip(), f"{module} has no docstring"
    for name in getattr(loaded, "__all__", ()):
        thing = getattr(loaded, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            said = (thing.__doc__ or "").strip()
            assert said, f"{module}.{name} has no docstring"
            assert not said.startswith(f"{name}("), f"{module}.{name} has only a generated one"


SOURCES = sorted(
    path
    for folder in ("provenance", "api", "contracts", "scripts", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and not {"node_modules", "__pycache__"} & set(path.parts)
    if path.suffix in {"", ".py", ".sol", ".mjs", ".js", ".html", ".css", ".toml"}
)
UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|WIP|NotImplementedError|unimplemented|not (yet )?implemented)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_marked_unfinished(path):
    marks = [
        f"{path}:{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not marks


def test_every_file_is_named_for_what_it_holds():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "service"}
    assert not [name for name in MODULES if vague & set(name.split("."))]
