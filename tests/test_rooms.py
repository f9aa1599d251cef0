"""Who may import whom: the rules of the rooms, read from the syntax tree of every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bitstream", "codec", "cuda_ext")
FLOW = ("codec.encoding", "codec.decoding", "codec.inspecting", "codec.rate_search")
BESIDE = ("codec.batch", "codec.evaluation", "codec.report", "codec.train", "codec.cli")

FRAMEWORKS = ("torch", "onnxruntime", "openvino")

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
    "codec.runtime": (*FRAMEWORKS, "codec.images.load", "codec.models", *BESIDE),
    "codec.models": BESIDE,
    **{name: ("torch", *BESIDE) for name in FLOW},
}
LAGRANGIAN = "codec.lagrangian"  # the paper's family: of the other rooms only training imports it
ENGINES = {  # each names its framework, and nothing else does
    ("codec.runtime.torch_engine", "torch"),
    ("codec.runtime.onnx_engine", "onnxruntime"),
    ("codec.runtime.openvino_engine", "openvino"),
}

FUNCTION_LINES, FILE_LINES, PARAMETERS = 50, 300, 8
# Functions inside of functions in codec/, with what they are for: all are handed to a caller that
# calls them with arguments of its own.
NESTED = {
    "codec.batch.cluster.evaluate.executor": "an executor, with what Ray is asked for",
    "codec.compressai_adapter._probabilities.look_up": "the prior asks it for symbols",
    "codec.report.decodings.decoder.versions": "what `decoder` returns",
    "codec.report.results._load.refuse": "json calls it for NaN; it names the file",
    "codec.train.codec.context.Fit.linear.bits": "the loss of phase 1",
    "codec.train.codec.context.Fit.mix.bits": "the loss of phase 2",
    "codec.train.family.loop.train_family.draw": "a random batch, from the run's own generator",
}
LONG_FUNCTIONS = {
    "codec.cli.encode.parser": "the options of a verb, with their help",
    "codec.cli.eval.parser": "the options of a verb, with their help",
    "bitstream.reference.ReferenceContext.read_stage": "a stage, in the order of FORMAT.md",
    "cuda_ext.launch.run": "one launch: buffers, arguments, and the rows to search again",
}
LONG_FILES = {"bitstream/reference.py": "the whole format on its own, to be read beside FORMAT.md"}
# Public functions of many keywords, as a user writes them.
PUBLIC = {"codec.encoding.encode", "codec.decoding.decode", "codec.batch.cluster.encode"}


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


Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = tuple[str, Function, bool]  # full name, function, whether it is inside of another one


def functions(
    tree: ast.AST, name: str, inside: bool = False
) -> Iterator[tuple[str, Function, bool]]:
    """Every function of a tree: its full name, itself, and whether it is inside of another one."""
    for node in ast.iter_child_nodes(tree):
        known = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        full = f"{name}.{node.name}" if known else name
        if isinstance(node, Function):
            yield full, node, inside
        yield from functions(node, full, inside or isinstance(node, Function))


ALL = [
    entry for name, path in FILES.items() for entry in functions(ast.parse(path.read_text()), name)
]


def lines_of(function: Function) -> int:
    """Lines of a function without its docstring."""
    says = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - (says.count("\n") + 1 if says else 0)


def test_nested_functions_have_a_reason():
    found = {name for name, _, inside in ALL if inside and within(name, "codec")}
    assert found == set(NESTED)
    assert len(found) <= 12


def test_functions_and_files_are_short():
    assert {name for name, f, _ in ALL if lines_of(f) > FUNCTION_LINES} == set(LONG_FUNCTIONS)
    long = {path for path in FILES.values() if len(path.read_text().splitlines()) > FILE_LINES}
    assert {str(path.relative_to(ROOT)) for path in long} == set(LONG_FILES)


def parameters_of(function: Function) -> int:
    """Parameters of a function, without the object or the class of a method."""
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_only_public_functions_have_many_parameters():
    assert {name for name, f, _ in ALL if parameters_of(f) > PARAMETERS} == PUBLIC
