"""Test cases, and how to read them out of what each test framework writes."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    name: str
    passed: bool
    seconds: float = 0.0
    skipped: bool = False
    message: str = ""  # of one that failed; of one that was skipped, the reason


def from_gtest(report: Path, log: Path) -> list[Case]:
    """GoogleTest's JSON report; without one (the program crashed), what the log says of the tests that ended."""
    if not report.exists():
        text = log.read_text(errors="replace")
        ended = re.findall(r"^\[ +(OK|FAILED) +\] (\S+?)(?:, where .*)? \((\d+) ms\)$", text, re.MULTILINE)
        return [Case(name, outcome == "OK", int(ms) / 1000) for outcome, name, ms in ended]
    cases = []
    for suite in json.loads(report.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            if test["status"] != "RUN":
                continue
            failures = test.get("failures", [])
            cases.append(
                Case(
                    f"{suite['name']}.{test['name']}",
                    not failures,
                    float(test["time"].rstrip("s")),
                    test["result"] == "SKIPPED",
                    "\n".join(failure["failure"] for failure in failures),
                )
            )
    return cases


def from_junit(report: Path) -> list[Case]:
    """pytest's junit report."""
    if not report.exists():
        return []
    cases = []
    for test in ElementTree.parse(report).iter("testcase"):
        problems = [child for child in test if child.tag in ("failure", "error")]
        skipped = test.find("skipped")
        name = "::".join(part for part in (test.get("classname", ""), test.get("name", "")) if part)
        cases.append(
            Case(
                name,
                not problems,
                float(test.get("time", 0)),
                skipped is not None,
                "\n".join(problem.text or problem.get("message", "") for problem in problems)
                or (skipped.get("message", "") if skipped is not None else ""),
            )
        )
    return cases


def from_node(report: Path) -> list[Case]:
    """The lines of reporter.mjs. A test with subtests is a group: it counts only if it failed while they all passed."""
    if not report.exists():
        return []
    cases: list[Case] = []
    open_groups: dict[int, list[bool]] = {}  # nesting -> outcomes of the tests seen there since their parent began
    for line in report.read_text().splitlines():
        test = json.loads(line)
        children = open_groups.pop(test["nesting"] + 1, [])
        open_groups.setdefault(test["nesting"], []).append(test["passed"])
        if children and (test["passed"] or not all(children)):
            continue
        if test["suite"] and not children and test["passed"]:
            continue  # an empty describe() is no test
        cases.append(
            Case(test["name"], test["passed"], test["seconds"], test["skipped"] or test["todo"], test["message"])
        )
    return cases
