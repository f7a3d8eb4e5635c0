"""The direction of imports, as a table."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "vacestream"

ALLOWED = {  # modules -> the only modules of ours that they import
    "errors": (),
    "pipelines": (),
    "frames": (),
    "method": (),
    "vcu": ("method",),
    "timing": (),
    "timeline": ("pipelines",),
}
FORBIDDEN = {  # modules and all below them -> what their imports never lead to, deferred ones included
    "media": ("models", "recipe", "plan"),
    "models": ("media", "recipe", "plan"),
    "engine": ("recipe", "plan", "media"),
    "denoise_state": ("recipe", "plan", "media"),
    "encode": ("recipe", "plan", "media"),
    "decode": ("recipe", "plan", "media"),
    "stream": ("recipe", "plan", "media"),
    "step_batch": ("recipe", "plan", "media"),
    "batch": ("recipe", "plan", "media"),
    "source": ("recipe", "plan", "media"),
    "condition": ("recipe", "plan"),
}
LIGHT = (  # what loads without the heavy packages, itself and whatever of ours it loads
    "recipe", "tasks", "contradictions", "ways", "moments", "plan", "footage", "lengths", "memory", "sizes",
    "timeline", "targets", "sampling", "unbuilt", "unfinished", "events", "pipelines", "errors", "cli",
    "media.probe", "live.verbs", "live.knobs", "live.channels.view", "counts", "demand",
)  # fmt: skip
HEAVY = ("torch", "diffusers", "transformers", "cv2", "peft", "controlnet_aux")
NAMES_DEVICES = ("models.device", "recipe", "memory")
"""Where a kind of device is named: the module that picks one, and the torch-free side that reads the word."""


@dataclass(frozen=True)
class Module:
    """A module's imports, by full name; `loaded` are those that run when it is imported."""

    named: frozenset[str]
    loaded: frozenset[str]
    relative: bool
    devices: bool


def parse(source: str) -> Module:
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    docs = {id(text) for text in _docstrings(tree)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    words = [str(node.value) for node in texts]
    words += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return Module(
        frozenset(name for node in nodes for name in _names(node)),
        frozenset(name for node in _at_load(tree.body) for name in _names(node)),
        any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in nodes),
        any("cuda" in word.lower() for word in words),
    )


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """`from a import b` names a and a.b, which may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_load(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports outside functions and outside `if TYPE_CHECKING`."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for field in ("orelse",) if checking else ("body", "orelse", "finalbody"):
                yield from _at_load(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from _at_load(handler.body)


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def read(root: Path) -> dict[str, Module]:
    """Every module of the package by its name below it; "" is the package itself."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").rstrip(".")] = parse(path.read_text())
    return found


def below(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def ours(names: frozenset[str], modules: dict[str, Module]) -> set[str]:
    """The imported modules of ours, by their names below the package, and the packages they are in."""
    found: set[str] = set()
    for name in names:
        head, _, rest = name.partition(".")
        if head == PACKAGE:
            parts = rest.split(".") if rest else []
            found |= {".".join(parts[:n]) for n in range(len(parts) + 1)} & modules.keys()
    return found


def ways(name: str, modules: dict[str, Module], kind: str) -> dict[str, str]:
    """Everything that a module leads to over its `named` or `loaded` imports -> the way there."""
    found, queue = {name: ""}, [name]
    while queue:
        here = queue.pop(0)
        names = getattr(modules[here], kind)
        theirs = {name for name in names if not name.startswith(PACKAGE)}
        # the package itself names the Python API, which its importers do not mean
        mine = ours(names, modules) - ({""} if kind == "named" else set())
        for target in sorted(mine | theirs):
            if target not in found:
                found[target] = f"{found[here]} -> {target}"
                queue += [target] if target in modules else []
    return found


def problems(modules: dict[str, Module]) -> list[str]:
    """One line for each import that the table does not have."""
    found = []
    for name, module in modules.items():
        mine = ours(module.named, modules) - {""}
        if name in ALLOWED and (extra := sorted(mine - set(ALLOWED[name]))):
            found.append(f"{name} imports {', '.join(extra)}")
        for top, never in FORBIDDEN.items():
            if below(name, (top,)):
                named = ways(name, modules, "named")
                found += [name + way for target, way in named.items() if target in never]
        if below(name, LIGHT):
            loaded = ways(name, modules, "loaded")
            found += [name + way for target, way in loaded.items() if target in HEAVY]
        if module.relative:
            found.append(f"{name} has a relative import")
        if module.devices and not below(name, NAMES_DEVICES):
            found.append(f"{name} names a kind of device")
    return found


def test_every_import_is_in_the_table():
    assert problems(read(ROOT)) == []


def test_the_table_speaks_of_modules_that_exist():
    modules = read(ROOT)
    never = {name for names in FORBIDDEN.values() for name in names}
    assert {*ALLOWED, *FORBIDDEN, *never, *LIGHT, *NAMES_DEVICES} <= modules.keys()


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        ("vcu.py", "from vacestream.frames import to_pixels", "vcu imports frames"),
        ("timing.py", "import vacestream.events", "timing imports events"),
        ("timeline.py", "def f():\n    from vacestream import vcu", "timeline imports vcu"),
        ("media/video.py", "from vacestream.models import vae", "media.video -> models"),
        ("models/vae.py", "from vacestream.media import video", "models.vae -> media"),
        ("models/vae.py", "from vacestream.recipe import Recipe", "models.vae -> recipe"),
        ("engine.py", "if TYPE_CHECKING:\n    from vacestream.plan import Plan", "engine -> plan"),
        ("stream.py", "def f():\n    from vacestream import plan", "stream -> plan"),
        ("recipe/base.py", "import torch", "recipe.base -> torch"),
        ("plan.py", "try:\n    import cv2.dnn, cv2\nexcept ImportError:\n    pass", "plan -> cv2"),
        ("cli/render.py", "from vacestream.frames import x", "cli.render -> frames -> torch"),
        ("frames.py", "from .errors import InputError", "frames has a relative import"),
        ("decode.py", "x.cuda()", "decode names a kind of device"),
        ("decode.py", "device = 'cuda:0'", "decode names a kind of device"),
    ],
)
def test_a_wrong_import_is_found(path, source, problem, tmp_path):
    empty = "__init__ vcu events plan recipe/__init__ media/__init__ models/__init__ cli/__init__"
    files = dict.fromkeys([f"{name}.py" for name in empty.split()], "")
    files |= {"media/video.py": "", "models/vae.py": "", "frames.py": "import torch", path: source}
    for name, text in files.items():
        (tmp_path / PACKAGE / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / PACKAGE / name).write_text(text)
    assert problems(read(tmp_path)) == [problem]


def test_an_import_inside_a_function_does_not_count_as_loaded():
    assert parse("def f():\n    import torch").loaded == frozenset()
    assert parse("class A:\n    import torch").loaded == {"torch"}
