"""The import rule of docs/architecture.md, read from the source text."""

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("evalsuite", "vocoders", "tests_mos", "dashboard")
MAY_NOT = {
    "evalsuite": {"torch", "streamlit", "vocoders", "tests_mos", "dashboard"},
    "vocoders": {"tests_mos", "dashboard", "streamlit"},
    "tests_mos": {"torch", "streamlit", "vocoders", "dashboard"},
    "dashboard": {"torch", "vocoders"},
}
HEAVY = {"torch", "pandas", "streamlit", "numpy", "scipy", "librosa", "matplotlib", "sqlalchemy"}
HELP_LIMIT_S = 0.3


def imported(tree: ast.AST, *, inside_functions: bool) -> set[str]:
    """Top-level names of the modules a file imports; optionally only outside functions."""
    names: set[str] = set()
    stack = list(ast.iter_child_nodes(tree))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add((node.module or "").split(".")[0])
        stack.extend(ast.iter_child_nodes(node))
    return names


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_import_rule(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    command_line = path.relative_to(ROOT).parts[:2] == ("evalsuite", "cli")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = imported(tree, inside_functions=not command_line)
    assert not found & MAY_NOT[package]
    if command_line:
        assert not found & HEAVY


def test_rule_sees_imports_in_functions() -> None:
    tree = ast.parse("def f():\n    import torch\n")
    assert imported(tree, inside_functions=True) == {"torch"}
    assert imported(tree, inside_functions=False) == set()


def test_modules_stay_readable() -> None:
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in [*sources(), *(ROOT / "tests").rglob("*.py")]
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert too_long == {}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, time, contextlib, io\n"
        "sys.argv = ['evalsuite', '--help']\n"
        "from evalsuite.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "assert 'Usage' in out.getvalue()\n"
        "print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))\n"
    )
    assert not set(run_python(code).split()) & HEAVY


def test_help_answers_at_once() -> None:
    """CPU time, so that other work on the machine hardly counts; the first run makes bytecode."""
    code = "import sys; sys.argv = ['evalsuite', '--help']; from evalsuite.cli import main; main()"
    used_s = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "Usage" in run_python(code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert 0 < min(used_s) < HELP_LIMIT_S, used_s


def test_rating_server_starts_without_torch() -> None:
    code = "import sys, dashboard.app; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"
