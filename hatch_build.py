"""Builds the extension in C++, `provenance.native.kernel`, for a wheel or an editable install.

It is optional: where there is no compiler, or no Python.h, the install goes on without it. One
build serves every Python from 3.11 on (the limited API). `python hatch_build.py` builds it beside
its sources, as an editable install does.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

NATIVE = Path(__file__).parent / "provenance" / "native"

# Of what AVX-512 headers of GCC 12 leave undefined on purpose it warns in thousands of lines.
GNU = ["-std=c++17", "-O3", "-g0", "-Wno-maybe-uninitialized"]
MICROSOFT = ["/std:c++17", "/O2"]


def build(folder: Path) -> Path | None:
    """Compile into `folder` and return the extension; None, after a warning, where that fails."""
    extension = Extension(
        "kernel",
        sorted(map(str, NATIVE.glob("*.cpp"))),
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        extra_compile_args=MICROSOFT if os.name == "nt" else GNU,
        language="c++",
        py_limited_api=True,
        optional=True,
    )
    command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    with tempfile.TemporaryDirectory() as objects:
        command.build_lib, command.build_temp = str(folder), objects
        command.ensure_finalized()
        command.run()
    return next(folder.glob("kernel.*"), None)


def build_in_place() -> None:
    """Put the extension beside its sources; one of older sources does not stay, come what may."""
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder))
        for old in {*NATIVE.glob("kernel.*")} - {NATIVE / "kernel.pyi"}:
            old.unlink()
        if built is not None:
            shutil.move(built, NATIVE)


class BuildHook(BuildHookInterface):  # type: ignore[misc]
    """Called by hatchling around the build of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the extension to the wheel, or of an editable install put it beside its sources."""
        if version == "editable":
            build_in_place()
            return
        self._folder = tempfile.TemporaryDirectory()
        if built := build(Path(self._folder.name)):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"
            build_data["force_include"][str(built)] = f"provenance/native/{built.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what is in the wheel now."""
        if version != "editable":
            self._folder.cleanup()


if __name__ == "__main__":
    build_in_place()
