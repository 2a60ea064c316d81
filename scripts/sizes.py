"""Name modules and functions that have outgrown the house (see docs/house.md)."""

import ast
import subprocess
import sys
from pathlib import Path

MODULE_LINES = 500  # around 200 reads well; here a module certainly holds two subjects
FUNCTION_LINES = 80
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py", "services.py"}
SETTINGS = {"backoffice/settings.py"}  # one file, in reading order


def main() -> int:
    """Print what is too big; exit code 1 when anything is."""
    listed = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True).stdout.split()  # noqa: S607
    complaints = []
    for name in listed:
        path = Path(name)
        if not path.exists() or "migrations" in path.parts or path.parts[0] == "tests" or name in SETTINGS:
            continue
        complaints += list(measure(path))
    sys.stdout.write("".join(f"{complaint}\n" for complaint in complaints))
    return 1 if complaints else 0


def measure(path: Path) -> list[str]:
    """Return complaints about one module."""
    text = path.read_text(encoding="utf-8")
    found = [f"{path}: a module of that name holds nothing in particular"] if path.name in FORBIDDEN_NAMES else []
    lines = text.count("\n")
    if lines > MODULE_LINES:
        found.append(f"{path}: {lines} lines (at most {MODULE_LINES})")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {length} lines (at most {FUNCTION_LINES})")
    return found


if __name__ == "__main__":
    sys.exit(main())
