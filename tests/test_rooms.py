"""Who may import whom: the rules of the rooms, read from the syntax tree of every file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bitstream", "codec", "cuda_ext")
FLOW = ("codec.encoding", "codec.decoding", "codec.inspecting", "codec.rate_search")
BESIDE = ("codec.batch", "codec.evaluation", "codec.report", "codec.train", "codec.cli")

# Who -> what it must not import, anywhere in its files, inside of functions too.
FORBIDDEN = {
    "bitstream": ("codec", "cuda_ext", "torch"),
    "cuda_ext": ("codec", "bitstream"),
    "codec.images": ("torch", "codec.networks", "codec.runtime", "codec.models", *BESIDE),
    "codec.options": ("torch",),
    "codec.novelty": ("torch", "codec.networks", "codec.runtime", "codec.models"),
    "codec.files": ("torch",),
    "codec.untrusted": ("torch",),
    "codec.networks": ("codec.runtime", "codec.models", "codec.images", *BESIDE),
    "codec.runtime": ("torch", "onnxruntime", "codec.images.load", "codec.models", *BESIDE),
    "codec.models": BESIDE,
    **{name: ("torch", *BESIDE) for name in FLOW},
}
LAGRANGIAN = "codec.lagrangian"  # the paper's family: of the other rooms only training imports it
ENGINES = {  # each names its framework, and nothing else does
    ("codec.runtime.torch_engine", "torch"),
    ("codec.runtime.onnx_engine", "onnxruntime"),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for room in PACKAGES for path in sorted((ROOT / room).rglob("*.py"))}


def only_for_types(tree: ast.AST) -> set[ast.AST]:
    """Import statements under `if TYPE_CHECKING`, which never run."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {inner for block in blocks for inner in ast.walk(block)}


def imports(path: Path, *, inside_functions: bool = True) -> set[str]:
    """Full names of what a file imports; `from a import b` gives a.b if that is a module."""
    tree = ast.parse(path.read_text())
    skipped = only_for_types(tree)
    if not inside_functions:
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        skipped |= {n for f in ast.walk(tree) if isinstance(f, functions) for n in ast.walk(f)}
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: write imports in full"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else node.module for name in names}
    return found


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def broken(name: str, imported: set[str]) -> list[str]:
    """What a module imports against the rules."""
    rules = [room for who, rooms in FORBIDDEN.items() if within(name, who) for room in rooms]
    if within(name, LAGRANGIAN):
        rules += [f for f in FILES if f.startswith("codec.") and not within(f, LAGRANGIAN)]
    elif not within(name, "codec.train"):
        rules += [LAGRANGIAN]
    bad = {other for other in imported for room in rules if within(other, room)}
    return sorted(other for other in bad if (name, other) not in ENGINES)


@pytest.mark.parametrize("name", FILES)
def test_no_module_imports_what_its_room_must_not(name):
    assert not broken(name, imports(FILES[name]))


def test_a_forbidden_import_is_noticed():
    assert broken("bitstream.header", {"codec.errors", "struct"}) == ["codec.errors"]
    assert broken("codec.images.png", {"torch", "zlib"}) == ["torch"]
    assert broken("codec.decoding", {"codec.lagrangian.terms"}) == ["codec.lagrangian.terms"]
    assert not broken("codec.train.codec.objective", {"codec.lagrangian"})


def test_no_circle_of_imports():
    """Along the imports that run when a module is loaded, types included."""
    arrows = {}
    for name, path in FILES.items():
        tree_imports = imports(path, inside_functions=False)
        arrows[name] = {other for other in tree_imports if other in FILES and other != name}
    done: set[str] = set()

    def follow(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(arrows[name]):
                follow(other, (*trail, name))
            done.add(name)

    for name in FILES:
        follow(name, ())


def test_no_two_test_files_share_a_name():
    """pytest imports them by name, whatever their folder."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
