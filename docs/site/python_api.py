"""The reference of the Python package, as reStructuredText for autodoc: which names stand on which page, in what order.
All of `__all__` must, and each must have a text; Sphinx reads both from the package itself.
"""

import dataclasses
import enum
import importlib
import inspect
import re
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

# Page -> module, title, sections.
PAGES: dict[str, tuple[str, str, dict[str, list[str]]]] = {
    "reference/python.rst": (
        "noex_cluster",
        "Python: noex_cluster",
        {
            "The node": ["Cluster", "ClusterNode"],
            "Configuration": ["ClusterConfig", "ClusterOptions", "CLUSTER_DEFAULTS", "ClusterDefaults"],
            "Members": ["NodeInfo", "NodeStatus", "ClusterStatus"],
            "Node ids": ["NodeId"],
            "Events": [
                *("EventStream", "ClusterEvent", "NodeUp", "NodeDown", "NodeDownReason", "StatusChange"),
                *("ErrorEvent", "ErrorKind"),
            ],
            "Statistics": ["ClusterStats", "PeerStats", "METRICS_CONTENT_TYPE"],
            "Errors": [
                *("ClusterError", "ClusterNotStartedError", "InvalidClusterConfigError", "ClusterBindError"),
                *("InvalidNodeIdError", "ClusterPeerError"),
            ],
            "Version": ["__version__"],
        },
    ),
    "reference/python-sync.rst": (
        "noex_cluster.sync",
        "Python: noex_cluster.sync",
        {"The node": ["Cluster", "ClusterNode"], "Events": ["EventStream"]},
    ),
    "reference/python-testing.rst": (
        "noex_cluster.testing",
        "Python: noex_cluster.testing",
        {
            "Meshes": ["start_mesh", "start_mesh_sync", "Mesh", "SyncMesh", "MeshOptions"],
            "For pytest": ["noex_mesh", "MeshFactory"],
        },
    ),
}
FIXTURES = {"noex_cluster.testing": ["noex_mesh"]}  # public, though in no `__all__`: pytest makes it
# Their keys are options, which ClusterConfig describes.
OPTIONS = {"ClusterOptions", "MeshOptions"}
# What a class inherits and what a reader would look for there.
INHERITING = {"ClusterNode", "Mesh", "SyncMesh"}


def attribute_texts(module: ModuleType) -> dict[tuple[str, str], str]:
    """The texts behind attributes and constants, of the module and of those that it takes its names from."""
    found: dict[tuple[str, str], str] = {}
    names = {module.__name__} | {getattr(vars(module)[name], "__module__", "") for name in vars(module)}
    names |= {f"{module.__name__.split('.')[0]}.{part}" for part in ("_types", "_cluster")}
    for name in sorted(name for name in names if name and name.startswith("noex_cluster")):
        if name.endswith("_native"):
            continue
        for place, lines in ModuleAnalyzer.for_module(name).find_attr_docs().items():
            if place not in found or name == module.__name__:
                found[place] = "\n".join(lines).strip()
    return found


def render() -> dict[str, str]:
    pages = {}
    for path, (name, title, sections) in PAGES.items():
        module = importlib.import_module(name)
        texts = attribute_texts(module)
        parts = [".. highlight:: python", f"{title}\n{'=' * len(title)}", f".. automodule:: {name}"]
        for heading, names in sections.items():
            parts.append(f"{heading}\n{'-' * len(heading)}")
            parts += [entry(module, one, texts) for one in names]
        pages[path] = "\n\n".join(parts) + "\n"
    return pages


def entry(module: ModuleType, name: str, texts: dict[tuple[str, str], str]) -> str:
    path = f"{module.__name__}.{name}"
    value = None if name in FIXTURES.get(module.__name__, []) else getattr(module, name)
    if inspect.isfunction(value):
        return f".. autofunction:: {path}"
    if not inspect.isclass(value):
        kind = "MeshFactory" if value is None else type(value).__name__
        lines = [f".. py:data:: {name}"]
        if kind in vars(module) or value is None:
            lines.append(f"   :type: {kind}")
        text = texts.get(("", name), "")
        return "\n".join([*lines, "", *(f"   {line}" for line in text.split("\n"))])
    lines = [f".. autoclass:: {path}"]
    if name in OPTIONS:
        return f"{lines[0]}\n   :no-members:"
    if name in INHERITING:
        lines.append(f"   :members: {', '.join(in_order(value))}")
    else:
        lines.append("   :members:")
    if issubclass(value, Exception | enum.Enum | str):
        lines.append("   :show-inheritance:")
    return "\n".join(lines)


def in_order(cls: type) -> list[str]:
    """The public members as the sources have them, those of the class itself first."""
    names = [name for base in cls.__mro__ if base is not object for name in vars(base)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def undocumented() -> list[str]:
    """What has no text of its own, and what stands on no page."""
    missing = []
    for name, _, sections in PAGES.values():
        module = importlib.import_module(name)
        texts = attribute_texts(module)
        listed = [one for names in sections.values() for one in names]
        public = {*module.__all__, *FIXTURES.get(name, [])}
        missing += [f"{name}.{one} stands on no page of python_api.py" for one in sorted(public - set(listed))]
        missing += [f"python_api.py: {name}.{one} is not public" for one in listed if one not in public]
        if not module.__doc__:
            missing.append(f"{name} has no docstring")
        for one in sorted(public & set(listed)):
            value = None if one in FIXTURES.get(name, []) else getattr(module, one)
            if inspect.isclass(value):
                missing += [f"{name}.{one}{rest}" for rest in undocumented_members(value, texts)]
            elif inspect.isfunction(value):
                if not value.__doc__:
                    missing.append(f"{name}.{one} has no docstring")
            elif not texts.get(("", one)):
                missing.append(f"{name}.{one} has no text behind it")
    return missing


def undocumented_members(cls: type, texts: dict[tuple[str, str], str]) -> list[str]:
    own = inspect.cleandoc(cls.__doc__ or "")
    missing = [] if own and not own.startswith(f"{cls.__name__}(") else [" has no docstring"]
    names: list[str] = []
    if dataclasses.is_dataclass(cls):
        names += [field.name for field in dataclasses.fields(cls)]
    elif issubclass(cls, enum.Enum):
        names += list(cls.__members__)
    elif hasattr(cls, "_fields"):
        names += list(cls._fields)
    elif issubclass(cls, Exception) and "__init__" in vars(cls):
        # What the constructor keeps is said in the docstring of the class.
        kept = re.findall(r"self\.([a-z]\w*) = ", inspect.getsource(cls.__init__))
        missing += [f".{name} is not in its docstring" for name in kept if not re.search(rf"\b{name}\b", own)]
    if cls.__name__ not in OPTIONS:
        missing += [f".{name} has no text behind it" for name in names if not texts.get((cls.__name__, name))]
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if name.startswith("_") or isinstance(value, str | int) or name in names:
            continue
        if not value.__doc__ and (isinstance(value, property) or callable(getattr(cls, name, None))):
            missing.append(f".{name} has no docstring")
    return missing
