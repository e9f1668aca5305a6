"""The test runner itself: a crash, a hang, an empty suite and a failing test all end red."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from repository import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from runner import jobs
from runner.jobs import Job, Result, Scheduler

RunJob = Callable[[Job], Result]


@pytest.fixture
def run_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunJob:
    monkeypatch.setattr(jobs, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(jobs, "ROOT", tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")

    def run(job: Job) -> Result:
        job.cwd = tmp_path
        return Scheduler([job], colour=False).run()[0]

    return run


def counts(result: Result) -> tuple[int, int]:
    return sum(case.passed and not case.skipped for case in result.cases), sum(not case.passed for case in result.cases)


def program(code: str, **options: object) -> Job:
    return Job("self", "program", [sys.executable, "-c", code], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "expected"), [("pass", (1, 0)), ("raise SystemExit(3)", (0, 1)), ("import os; os.abort()", (0, 1))]
)
def test_a_program_is_one_test(run_job: RunJob, code: str, expected: tuple[int, int]) -> None:
    assert counts(run_job(program(code))) == expected


def test_a_hang_is_ended_with_all_that_it_started(run_job: RunJob, tmp_path: Path) -> None:
    grandchild = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']);"
    )
    code = f"{grandchild} open('pid', 'w').write(str(p.pid)); time.sleep(100)"
    result = run_job(program(code, time_limit=2))
    assert result.failed
    assert any("not done after 2 s" in case.name for case in result.cases)
    pid = (tmp_path / "pid").read_text()
    status = Path(f"/proc/{pid}/stat")
    assert not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def pytest_job(tmp_path: Path, code: str) -> Job:
    (tmp_path / "test_it.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path / "test_it.py"]
    return Job("self", "pytest", command, framework="pytest")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def test_a(): pass\ndef test_b(): assert 0\n", (1, 1)),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): pass\ndef test_b(): pass\n", (1, 0)),
        ("", (0, 1)),  # no test
        ("def test_a(:\n", (0, 1)),  # does not parse
        ("import os\ndef test_a(): os.abort()\n", (0, 1)),
        ("import atexit, os\ndef test_a(): atexit.register(os._exit, 7)\n", (1, 1)),  # ends badly after all passed
    ],
)
def test_pytest_is_counted_by_case(run_job: RunJob, tmp_path: Path, code: str, expected: tuple[int, int]) -> None:
    assert counts(run_job(pytest_job(tmp_path, code))) == expected


def node_job(tmp_path: Path, code: str) -> Job:
    node = shutil.which("node")
    assert node
    (tmp_path / "it.test.mjs").write_text("import { test, describe } from 'node:test';\n" + code)
    return Job("self", "node", [node, tmp_path / "it.test.mjs"], framework="node", time_limit=60)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("test('a', () => {}); test('b', () => { throw new Error('no'); });", (1, 1)),
        ("describe('group', () => { test('a', () => {}); test('b', () => {}); });", (2, 0)),
        ("describe('group', () => { test('a', () => {}); test('b', () => { throw 1; }); });", (1, 1)),
        ("test('group', async (t) => { await t.test('a', () => {}); throw new Error('after'); });", (1, 1)),
        ("test.skip('a', () => {}); test('b', () => {});", (1, 0)),
        ("", (0, 1)),  # no test
        ("test('a', () => {}); test('b', () => process.abort());", (0, 1)),
        ("test('a', () => {}); setTimeout(() => process.exit(7), 300);", (1, 1)),
    ],
)
def test_node_is_counted_by_leaf(run_job: RunJob, tmp_path: Path, code: str, expected: tuple[int, int]) -> None:
    passed, failed = counts(run_job(node_job(tmp_path, code)))
    assert failed == expected[1]
    if "abort" not in code:  # a crash may take the reports of earlier tests along
        assert passed == expected[0]


def gtest_job(tmp_path: Path, report: str, log: str, status: int) -> Job:
    """Stands in for a GoogleTest program: prints `log`, writes `report` where it was told to."""
    code = (
        "import sys\n"
        f"print({log!r})\n"
        f"report = {report!r}\n"
        "path = [a.split(':', 1)[1] for a in sys.argv if a.startswith('--gtest_output=')][0]\n"
        "report and open(path, 'w').write(report)\n"
        f"sys.exit({status})\n"
    )
    return Job("self", "gtest", [sys.executable, "-c", code], framework="gtest")


def test_gtest_is_counted_by_case(run_job: RunJob, tmp_path: Path) -> None:
    good = '{"name": "A", "status": "RUN", "result": "COMPLETED", "time": "0.1s"}'
    bad = '{"name": "B", "status": "RUN", "result": "COMPLETED", "time": "0.1s", "failures": [{"failure": "it is 1"}]}'
    off = '{"name": "C", "status": "NOTRUN", "result": "SUPPRESSED", "time": "0s"}'
    report = '{"testsuites": [{"name": "S", "testsuite": [%s]}]}'
    assert counts(run_job(gtest_job(tmp_path, report % f"{good}, {bad}, {off}", "", 1))) == (1, 1)
    assert counts(run_job(gtest_job(tmp_path, report % good, "", 0))) == (1, 0)
    assert counts(run_job(gtest_job(tmp_path, report % off, "", 0))) == (0, 1)
    assert counts(run_job(gtest_job(tmp_path, "", "[       OK ] S.A (3 ms)\n[ RUN      ] S.B", 139))) == (1, 1)
