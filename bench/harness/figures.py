"""What a benchmark says: figures, each beside its target, and the curves behind them.

A benchmark is a module of this folder with a function `run(bench)`; its docstring says what is measured and how. It
calls `bench.figure(...)` for each number that has been measured. Machines are noisy: a figure is the median or the
stated quantile of several samples, and where a machine's own slowness would count, a ratio to a floor that was measured
in between, in the same run.
"""

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
GREEN, RED, DIM, BOLD, RESET = ("\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m") if COLOUR else ("",) * 5


def quantile(samples: Iterable[float], share: float) -> float:
    """The smallest sample that at least `share` of all are not above: p99 of 50 samples is the largest."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Figure:
    """One number. `target` is the most that it may be, None if it is only told."""

    bench: str
    name: str
    value: float
    unit: str
    target: float | None
    samples: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.target is None or self.value <= self.target


@dataclass
class Curve:
    """Points for a plot: those of one `plot` share its axes."""

    bench: str
    plot: str
    label: str
    x: list[float]
    y: list[float]
    x_label: str
    y_label: str
    style: str = "points"  # or "cdf": y is not used; or "line"


class Bench:
    """Where one benchmark puts what it has measured."""

    def __init__(self, name: str, smoke: bool, out: Path) -> None:
        self.name = name
        self.smoke = smoke  # a short run that shows that it works; its figures are not judged
        self.out = out  # a folder for what its processes write
        self.figures: list[Figure] = []
        self.curves: list[Curve] = []

    def times(self, count: int, smoke: int = 1) -> int:
        return smoke if self.smoke else count

    def figure(
        self, name: str, value: float, unit: str, target: float | None, samples: Sequence[float] = (), note: str = ""
    ) -> None:
        figure = Figure(self.name, name, value, unit, target, [float(sample) for sample in samples], note)
        self.figures.append(figure)
        print(line(figure, self.smoke), flush=True)

    def median(
        self, name: str, samples: Sequence[float], unit: str, target: float | None = None, note: str = ""
    ) -> float:
        self.figure(f"{name}, median", statistics.median(samples), unit, target, samples, note)
        return statistics.median(samples)

    def p99(self, name: str, samples: Sequence[float], unit: str, target: float | None = None, note: str = "") -> float:
        value = quantile(samples, 0.99)
        self.figure(f"{name}, p99 of {len(samples)}", value, unit, target, samples, note)
        return value

    def curve(
        self,
        plot: str,
        label: str,
        x: Sequence[float],
        y: Sequence[float] = (),
        *,
        x_label: str,
        y_label: str = "",
        style: str = "points",
    ) -> None:
        self.curves.append(Curve(self.name, plot, label, list(x), list(y), x_label, y_label, style))

    def say(self, text: str) -> None:
        print(f"{DIM}    {text}{RESET}", flush=True)


def number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def line(figure: Figure, smoke: bool = False) -> str:
    value = f"{number(figure.value)} {figure.unit}"
    if figure.target is None:
        target, verdict = "", f"{DIM}·{RESET}"
    else:
        target = f"at most {number(figure.target)} {figure.unit}"
        verdict = f"{GREEN}✓{RESET}" if figure.is_met else f"{RED}✗{RESET}"
    if smoke:
        verdict = f"{DIM}·{RESET}"
    note = f"  {DIM}{figure.note}{RESET}" if figure.note else ""
    return f"  {verdict} {figure.name:<66} {value:>16}   {target:<24}{note}".rstrip()


def table(figures: Sequence[Figure], smoke: bool) -> str:
    lines = []
    bench = None
    for figure in figures:
        if figure.bench != bench:
            bench = figure.bench
            lines += ["", f"{BOLD}{bench}{RESET}"]
        lines.append(line(figure, smoke))
    return "\n".join(lines)


def machine() -> dict[str, str | int]:
    model = next(
        (
            text.split(":", 1)[1].strip()
            for text in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in text
        ),
        platform.machine(),
    )
    return {
        "cores": os.cpu_count() or 0,
        "processor": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_results(path: Path, figures: Sequence[Figure], curves: Sequence[Curve]) -> None:
    """Adds to what is there: a run of one benchmark does not lose the results of the others."""
    results = json.loads(path.read_text()) if path.exists() else {}
    benches = results.get("benches", {})
    for name in {figure.bench for figure in figures}:
        benches[name] = {
            "machine": machine(),
            "figures": [{**asdict(figure), "met": figure.is_met} for figure in figures if figure.bench == name],
            "curves": [asdict(curve) for curve in curves if curve.bench == name],
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"benches": benches}, indent=1) + "\n")
