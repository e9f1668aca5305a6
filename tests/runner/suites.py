"""The suites: which jobs each is made of. A suite is there as soon as its folder is; an empty one is a failure."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from runner.jobs import ROOT, Job

PYTHON = ROOT / ".venv" / "bin" / "python"
TESTS = ROOT / "tests"
SLOWER = {"release": 1, "debug": 1, "asan": 3, "tsan": 4}  # time limits under a sanitizer

ASAN_OPTIONS = "detect_stack_use_after_return=1:strict_string_checks=1"
TSAN_OPTIONS = "halt_on_error=1:second_deadlock_stack=1"
SANITIZER_ENV = {
    "asan": {
        "ASAN_OPTIONS": f"{ASAN_OPTIONS}:detect_leaks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    },
    "tsan": {"TSAN_OPTIONS": TSAN_OPTIONS},
}

# What makes no sense under a sanitizer: files, and single tests of a file.
NOT_SANITIZED_FILES = {
    "mesh/test_documents.py",  # what the documents print, compiled as they say: without a sanitizer
    "mesh/test_migration.py",  # as those: the programs and commands of a document, with the release build
    "mesh/test_migration_programs.py",
    "mesh/test_clocks.py",  # its nodes preload a clock of the test's in the place of the sanitizer's runtime
}
NOT_SANITIZED_TESTS = {
    # A sanitizer keeps what was freed for a while, to notice who still uses it: the process grows whatever it frees.
    # That nothing leaks, the leak checker says of the C and C++ tests.
    "python/test_garbage.py": ["test_memory_of_many_nodes_is_given_back"],
    # An interpreter under a sanitizer takes longer to start than its peers' first tries: they are right to report it.
    "mesh/test_ten.py": ["test_ten_of_all_languages_at_once"],
}

# Of the simulator's two thousand random lives 250 are enough to look at its memory: they take ten times as long there.
SANITIZED_LIVES = 2
SANITIZED_FILTER = "-" + ":".join(f"*RandomLives.AreSound/{shard}" for shard in range(SANITIZED_LIVES, 16))

# Suite -> number of processes that its tests are shared out to.
GTEST_SUITES = {"unit": 1, "sim": 2, "cluster": 3}
GTEST_FOLDERS = {"unit": ("unit",), "sim": ("sim",), "cluster": ("cluster", "transport")}


def exists(folder: str) -> bool:
    return (TESTS / folder).is_dir()


def nothing_found(suite: str, message: str = "") -> Job:
    message = message or f"tests/{suite} has no test, or it was not built"
    return Job(suite, "empty", [sys.executable, "-c", f"import sys; sys.exit({message!r})"])


def gtest_jobs(suite: str, build: Path, prefix: str = "") -> list[Job]:
    if not any(exists(folder) for folder in GTEST_FOLDERS[suite]):
        return []
    program = build / "tests" / f"noex_{suite}_tests"
    if not program.exists():
        return [nothing_found(suite)]
    variant = build.name
    shards = GTEST_SUITES[suite]
    return [
        Job(
            f"{prefix}{suite}",
            f"tests-{index + 1}" if shards > 1 else "tests",
            [program],
            framework="gtest",
            cost=1 if suite == "cluster" else 2,
            time_limit=300 * SLOWER.get(variant, 1),
            env={
                "GTEST_TOTAL_SHARDS": str(shards),
                "GTEST_SHARD_INDEX": str(index),
                "NOEX_BUILD_DIR": str(build),
                **SANITIZER_ENV.get(variant, {}),
                **({"GTEST_FILTER": SANITIZED_FILTER} if variant in SANITIZER_ENV else {}),
            },
            may_be_empty=shards > 1,
        )
        for index in range(shards)
    ]


def capi_jobs(build: Path, prefix: str = "") -> list[Job]:
    if not exists("capi"):
        return []
    variant = build.name
    programs = sorted(source.stem for pattern in ("*.c", "*.cc") for source in (TESTS / "capi").glob(pattern))
    env = {"NOEX_BUILD_DIR": str(build), **SANITIZER_ENV.get(variant, {})}
    jobs = []
    for name in programs:
        command = [build / "tests" / "capi" / name]
        if not command[0].exists():
            jobs.append(nothing_found(f"{prefix}capi", f"tests/capi/{name}.c was not built"))
            continue
        jobs.append(Job(f"{prefix}capi", name, command, time_limit=120 * SLOWER.get(variant, 1), env=env))
    return jobs or [nothing_found("capi")]


def pytest_jobs(
    suite: str, build: Path, *, tree: Path = ROOT, prefix: str = "", cost: int = 1, time_limit: int = 300
) -> list[Job]:
    if not exists(suite):
        return []
    env = {"NOEX_BUILD_DIR": str(build), **interpreter_env(build)}
    slower = SLOWER.get(build.name, 1)
    options = ["--timeout", str(120 * slower)] if slower > 1 else []
    if tree != ROOT:
        env["PYTHONPATH"] = str(tree / "python" / "src")
    files = sorted((TESTS / suite).rglob("test_*.py"))
    left_out: dict[str, list[str]] = {}
    if build.name in SANITIZER_ENV:
        files = [file for file in files if str(file.relative_to(TESTS)) not in NOT_SANITIZED_FILES]
        left_out = NOT_SANITIZED_TESTS
    return [
        Job(
            f"{prefix}{suite}",
            file.stem,
            [
                *(PYTHON, "-m", "pytest", "-c", tree / "tests" / "pytest.ini", *options),
                *(
                    f"--deselect={file.relative_to(TESTS)}::{name}"
                    for name in left_out.get(str(file.relative_to(TESTS)), [])
                ),
                tree / file.relative_to(ROOT),
            ],
            framework="pytest",
            cost=cost,
            time_limit=time_limit * slower,
            env=env,
            cwd=tree,
        )
        for file in files
    ] or [nothing_found(suite)]


def node_jobs(build: Path, *, tree: Path = ROOT, prefix: str = "") -> list[Job]:
    if not exists("node"):
        return []
    files = sorted(file for suffix in ("js", "cjs", "mjs") for file in (TESTS / "node").rglob(f"*.test.{suffix}"))
    return [
        Job(
            f"{prefix}node",
            file.name.replace(".test.", "."),
            [node(), "--expose-gc", tree / file.relative_to(ROOT)],
            framework="node",
            time_limit=300 * SLOWER.get(build.name, 1),
            env={"NOEX_BUILD_DIR": str(build), **interpreter_env(build)},
            cwd=tree,
        )
        for file in files
    ] or [nothing_found("node")]


def interpreter_env(build: Path) -> dict[str, str]:
    """What python and node need to load a module of `build` that has a sanitizer in it.

    They are not instrumented themselves: the sanitizer's runtime must be there before anything else is, and with it the
    C++ library whose exceptions it intercepts. Their leaks are not looked for: both keep memory to their very end on
    purpose, and V8's heap is none that the leak checker reads pointers from. Ours are found by the C and C++ tests.
    """
    if build.name not in SANITIZER_ENV:
        return {}
    module = next((build / "lib").glob("_native*.so"))
    needed = subprocess.run(["ldd", module], check=True, capture_output=True, text=True).stdout
    runtimes = [re.search(rf"=> (/\S*/{name}\.so\S*)", needed) for name in (f"lib{build.name}", r"libstdc\+\+")]
    env = {
        **SANITIZER_ENV[build.name],
        # It keeps what was freed for a while, to notice who still uses it: how far a process grew says nothing.
        "NOEX_SANITIZER": build.name,
        "LD_PRELOAD": " ".join(found.group(1) for found in runtimes if found),
        "PYTHONMALLOC": "malloc",  # each object is a block of its own that the sanitizer knows
    }
    if build.name == "asan":
        env["ASAN_OPTIONS"] = f"{ASAN_OPTIONS}:detect_leaks=0"
    else:
        env["TSAN_OPTIONS"] = f"{TSAN_OPTIONS}:suppressions={TESTS / 'runner' / 'tsan.supp'}"
    return env


def node() -> str:
    return shutil.which("node") or "node"


def types_jobs() -> list[Job]:
    """Types as a user sees them: each checker is one test."""
    if not exists("types"):
        return []
    config = ROOT / "python" / "pyproject.toml"
    mypy = [PYTHON, "-m", "mypy", "--config-file", config, "--strict", "--cache-dir", ROOT / ".mypy_cache"]
    env = {"MYPYPATH": str(ROOT / "python" / "src")}
    samples = sorted((TESTS / "types").glob("*.py"))
    modules = ROOT / "node" / "node_modules"
    jobs = [
        Job("types", "mypy", [*mypy, ROOT / "python" / "src" / "noex_cluster", *samples], cost=2, env=env),
        Job(
            "types",
            "stubtest",
            [PYTHON, "-m", "mypy.stubtest", "--mypy-config-file", config, "noex_cluster"],
            cost=2,
            env=env,
        ),
    ]
    for version, compiler in (("5.9", modules / "typescript/bin/tsc"), ("7", modules / "typescript-7/bin/tsc")):
        for project in sorted((TESTS / "types" / "node").glob("tsconfig.*.json")):
            name = f"typescript-{version}-{project.name.split('.')[1]}"
            jobs.append(Job("types", name, [node(), compiler, "-p", project], cost=2))
    return jobs


def fuzz_jobs(seconds: int) -> list[Job]:
    if not exists("fuzz"):
        return []
    return [
        Job(
            "fuzz",
            source.stem,
            [PYTHON, TESTS / "fuzz" / "run.py", source.stem, "--seconds", str(seconds)],
            cost=2,
            time_limit=seconds + 120,
        )
        for source in sorted((TESTS / "fuzz").glob("*.cc"))
    ] or [nothing_found("fuzz")]


def module_tree(build: Path) -> Path:
    """A second checkout-like tree whose Python and Node modules are those of `build`: linked against
    libnoex_cluster.so instead of its objects, or with a sanitizer in them."""
    tree = build / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    skip = shutil.ignore_patterns("node_modules", "prebuilds", "_native*.so", "__pycache__", "fuzz")
    for folder in ("python", "node", "tests", "examples", "demo"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, tree / folder, ignore=skip)
    (tree / "node" / "node_modules").symlink_to(ROOT / "node" / "node_modules")
    (tree / "node_modules").mkdir()
    (tree / "node_modules" / "noex-cluster").symlink_to(tree / "node")
    (tree / ".venv").symlink_to(ROOT / ".venv")
    for module in (build / "lib").glob("_native*.so"):
        shutil.copy2(module, tree / "python" / "src" / "noex_cluster")
    for place in (ROOT / "node" / "prebuilds").iterdir():
        (tree / "node" / "prebuilds" / place.name).mkdir(parents=True)
        shutil.copy2(build / "lib" / "noex_cluster.node", tree / "node" / "prebuilds" / place.name)
    return tree


def correctness(build: Path) -> list[Job]:
    """What `./dev test` runs."""
    if build.name in SANITIZER_ENV:
        return [*sanitized(build, ""), *sanitized_interpreters(build)]
    return [
        *gtest_jobs("unit", build),
        *gtest_jobs("sim", build),
        *mass_start_jobs(build, 1000 if "NOEX_SOAK" in os.environ else 200),
        *gtest_jobs("cluster", build),
        *capi_jobs(build),
        *pytest_jobs("tidy", build, cost=2),
        *pytest_jobs("cli", build),
        *http_jobs(build),
        *pytest_jobs("python", build),
        *node_jobs(build),
        *types_jobs(),
        *pytest_jobs("mesh", build, time_limit=420),
        *pytest_jobs("hostile", build, time_limit=300),
        *pytest_jobs("examples", build),
    ]


def sanitized(build: Path, prefix: str) -> list[Job]:
    """C and C++ under a sanitizer. The simulator has one thread: nothing in it for the thread sanitizer."""
    jobs = [*gtest_jobs("unit", build, prefix), *gtest_jobs("cluster", build, prefix), *capi_jobs(build, prefix)]
    if build.name != "tsan":
        jobs += gtest_jobs("sim", build, prefix)
    return jobs


def sanitized_interpreters(build: Path) -> list[Job]:
    """The other languages with a sanitizer below them; whole under asan, the mesh and a smoke under tsan."""
    tree = module_tree(build)
    python = pytest_jobs("python", build, tree=tree)
    javascript = node_jobs(build, tree=tree)
    if build.name == "asan":
        return [*python, *javascript]
    smoke = {"test_lifecycle", "test_events", "lifecycle.mjs", "events.mjs"}
    return [
        *(job for job in (*python, *javascript) if job.name in smoke),
        *pytest_jobs("mesh", build, tree=tree, time_limit=420),
    ]


def mass_start_jobs(build: Path, nodes: int) -> list[Job]:
    """Very many nodes in the simulator, all at once: full mesh within five virtual seconds. Its figures are shown."""
    program = build / "tests" / "noex_mass_start"
    command: list[str | Path] = [program, "--nodes", str(nodes), "--limit", "5", "--beats", "1"]
    return [Job("sim", f"mass-start-{nodes}", command, cost=2, time_limit=1500, shows_output=True)]


def compared_jobs() -> list[Job]:
    """Fifty seeds of the simulator by gcc and by clang: the same lives, to the byte."""
    programs = [ROOT / "build" / name / "tests" / "noex_sim" for name in ("release", "clang")]
    options = [word for program in programs for word in ("--program", program)]
    command: list[str | Path] = [PYTHON, TESTS / "sim" / "sim.py", *options, "--compare", "--seeds", "50"]
    return [Job("sim", "gcc-and-clang", command, time_limit=300)]


def everything(fuzz_seconds: int) -> list[list[Job]]:
    """What `./dev test --all` runs, in stages: a sanitizer's load does not disturb the tests of the real thing."""
    release = ROOT / "build" / "release"
    stages = [correctness(release), net_jobs(release)]
    tree = module_tree(ROOT / "build" / "shared")
    stages.append(
        [
            *pytest_jobs("install", release, cost=2, time_limit=900),  # first, for it compiles for minutes
            *pytest_jobs("python", release, tree=tree, prefix="shared-"),
            *node_jobs(release, tree=tree, prefix="shared-"),
            *guides_jobs(),
            *web_jobs(release),
            *docs_jobs(),
            *deploy_jobs(),
            *bench_jobs(release),
            Job("format", "sources", [ROOT / "dev", "format", "--check"]),
        ]
    )
    stages.append(
        [
            *mass_start_jobs(release, 1000),
            *compared_jobs(),
            *sanitized(ROOT / "build" / "asan", "asan-"),
            *sanitized(ROOT / "build" / "tsan", "tsan-"),
            *fuzz_jobs(fuzz_seconds),
        ]
    )
    return stages


def net_jobs(build: Path) -> list[Job]:
    """Hosts as network namespaces. They wait for real timeouts beside each other, with little else on the machine."""
    return pytest_jobs("net", build)


def guides_jobs() -> list[Job]:
    """The examples, as processes: they need packages of third parties, and an etcd."""
    return pytest_jobs("guides", ROOT / "build" / "release")


def http_jobs(build: Path) -> list[Job]:
    """What `run --http` answers: it needs no more than the command."""
    return [job for job in pytest_jobs("web", build) if job.name.startswith("test_http")]


def web_jobs(build: Path) -> list[Job]:
    """What needs a browser, or the tools of Prometheus: the page, the metrics, the dashboard and the alerts."""
    if not exists("web"):
        return []
    page = Job(
        "web",
        "page",
        [node(), TESTS / "web" / "page.test.mjs"],
        framework="node",
        cost=2,
        env={"NOEX_BUILD_DIR": str(build)},
    )
    return [page, *(job for job in pytest_jobs("web", build) if not job.name.startswith("test_http"))]


def docs_jobs() -> list[Job]:
    """The site of the documentation, and every block of code in it."""
    return pytest_jobs("docs", ROOT / "build" / "release", cost=2)


def deploy_jobs() -> list[Job]:
    """What examples/deploy describes, as processes in namespaces, and what the guides say of messages."""
    return pytest_jobs("deploy", ROOT / "build" / "release")


def bench_jobs(build: Path) -> list[Job]:
    """A short run of each benchmark: that it works. Its figures are not judged."""
    names = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if path.stem != "run")
    command: list[str | Path] = [PYTHON, ROOT / "bench" / "run.py", "--smoke"]
    env = {"NOEX_BUILD_DIR": str(build)}
    return [Job("bench", name, [*command, name], cost=2, time_limit=300, env=env) for name in names]


def extra(name: str, fuzz_seconds: int) -> list[Job]:
    """Suites that run only when they are named."""
    if name == "fuzz":
        return fuzz_jobs(fuzz_seconds)
    if name == "net":
        return net_jobs(ROOT / "build" / "release")
    if name == "bench":
        return bench_jobs(ROOT / "build" / "release")
    if name == "guides":
        return guides_jobs()
    if name == "web":
        return web_jobs(ROOT / "build" / "release")
    if name == "docs":
        return docs_jobs()
    if name == "deploy":
        return deploy_jobs()
    if name == "install":
        return pytest_jobs("install", ROOT / "build" / "release", cost=2, time_limit=900)
    return []


def environment() -> None:
    """What every test may rely on."""
    # A shell's background job ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("NOEX_ADVERTISE_HOST", "127.0.0.1")
    if "NOEX_RUNTIME_DIR" not in os.environ:  # the control sockets of tests are not among this machine's
        os.environ["NOEX_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="noex-run-")
        atexit.register(shutil.rmtree, os.environ["NOEX_RUNTIME_DIR"], ignore_errors=True)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.environ["PYTHONUNBUFFERED"] = "1"
