"""Loads the native module, and says what to do where there is none."""

import sys
import sysconfig
from importlib.machinery import PathFinder

__all__ = ["native"]


def _explanation() -> str:
    version = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"noex_cluster has no native module for this Python ({version} on {sysconfig.get_platform()}). Supported is "
        "CPython 3.11 or later on Linux x86-64 with glibc. In a checkout of noex-cluster, './dev build' builds the "
        "module for .venv/bin/python; for another Python, install the package with its pip"
    )


if PathFinder.find_spec(f"{__package__}._native", sys.modules[__package__].__path__) is None:
    raise ImportError(_explanation(), name=f"{__package__}._native")

from . import _native as native  # noqa: E402  # after the check
