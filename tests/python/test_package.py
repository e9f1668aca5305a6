"""The package itself: its names, its documentation, and what it says where it cannot be loaded."""

import dataclasses
import inspect
import shutil
import subprocess
import sys
from enum import EnumMeta
from pathlib import Path

import noex_cluster
import pytest
from noex_cluster import sync

HERE = Path(noex_cluster.__file__).parent


def test_everything_named_is_there_and_has_its_documentation() -> None:
    assert noex_cluster.__version__.count(".") == 2
    for module in (noex_cluster, sync):
        assert module.__doc__
        assert sorted(module.__all__) == sorted(set(module.__all__))
        for name in module.__all__:
            value = getattr(module, name)
            assert name.startswith("__") or not inspect.isclass(value) or value.__doc__, name


@pytest.mark.parametrize("node_class", [noex_cluster.ClusterNode, sync.ClusterNode])
def test_every_public_method_is_documented(node_class: type) -> None:
    methods = [name for name in dir(node_class) if not name.startswith("_")]
    assert {"start", "stop", "get_status", "get_nodes", "on_node_up", "on_node_down", "on_status_change"} <= set(
        methods
    )
    for name in methods:
        assert inspect.getdoc(getattr(node_class, name)), name


def test_both_styles_have_the_same_methods() -> None:
    def methods(node_class: type) -> set[str]:
        return {name for name in dir(node_class) if not name.startswith("_")}

    assert methods(sync.ClusterNode) - methods(noex_cluster.ClusterNode) == {"wait"}
    assert methods(noex_cluster.ClusterNode) <= methods(sync.ClusterNode)


def test_values_are_frozen() -> None:
    for name in noex_cluster.__all__:
        value = getattr(noex_cluster, name)
        if inspect.isclass(value) and dataclasses.is_dataclass(value) and not isinstance(value, EnumMeta):
            assert value.__dataclass_params__.frozen, name  # type: ignore[attr-defined]
            assert "__slots__" in vars(value), name


def test_without_a_native_module_it_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path / "noex_cluster", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import noex_cluster"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: noex_cluster has no native module for this Python (cpython 3.")
    assert "Linux x86-64 with glibc" in last
    assert "./dev build" in last
