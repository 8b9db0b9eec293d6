"""Run code with the extension built for AddressSanitizer and UBSan; both end a process at once."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[1] / "provenance" / "native"
BUILT = "kernel.abi3.so"

LOAD = """
import importlib.machinery, importlib.util, sys
name, path = "provenance.native.kernel", sys.argv[1]
loader = importlib.machinery.ExtensionFileLoader(name, path)
extension = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
loader.exec_module(extension)
"""


def library(name):
    """The library of GCC for a sanitizer; None where there is no g++."""
    if shutil.which("g++") is None:
        return None
    found = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True)
    return found.stdout.strip()


def build(folder: Path) -> None:
    """Build the extension for the sanitizers."""
    headers = sysconfig.get_path("include")
    if not os.environ.get("CI"):
        if library("libasan.so") is None:
            pytest.skip("there is no g++: the sanitizers did not run")
        if not (Path(headers) / "Python.h").exists():
            pytest.skip("there is no Python.h: the sanitizers did not run")
    options = ["-std=c++17", "-O1", "-g1", "-w", "-fPIC", "-shared"]
    watch = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = sorted(map(str, NATIVE.glob("*.cpp")))
    macro = "-DPy_LIMITED_API=0x030B0000"
    command = ["g++", *options, *watch, macro, f"-I{headers}", *sources, "-o", str(folder / BUILT)]
    subprocess.run(command, check=True)


class Watched:
    """The extension, built for the sanitizers into this folder."""

    def __init__(self, folder: Path) -> None:
        self.built = folder / BUILT

    def run(self, code: str, *search: Path) -> str:
        """Run `code`, for which `extension` is what was built; return its output.

        Modules are looked for in `search`.
        """
        environment = {
            "LD_PRELOAD": library("libasan.so"),
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
            "PYTHONMALLOC": "malloc",  # each buffer has its own bounds
            "PYTHONPATH": os.pathsep.join(map(str, search)),
        }
        command = [sys.executable, "-c", LOAD + code, str(self.built)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
