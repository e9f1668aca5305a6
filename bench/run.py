"""The benchmarks: runs those named, or all; prints each figure beside its target; writes results and pictures.

    ./dev bench                  everything, about an hour, half of which is the churn
    ./dev bench join calls       some
    ./dev bench --smoke          a short run of each, which shows that it works; its figures are not judged
    ./dev bench --list

Ends with 1 if a target is missed. The machine should have nothing else to do.
"""

import argparse
import importlib
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness.figures import BOLD, RED, RESET, Bench, table, write_results  # noqa: E402
from harness.plots import draw  # noqa: E402

OUT = HERE / "out"


def modules() -> dict[str, Path]:
    return {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem != "run"}


def first_line(name: str) -> str:
    document = importlib.import_module(name).__doc__ or ""
    return document.splitlines()[0] if document else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; default: all")
    parser.add_argument("--smoke", action="store_true", help="a short run of each; nothing is judged or kept")
    parser.add_argument("--list", action="store_true", help="the names, and what each measures")
    options = parser.parse_args()
    found = modules()
    if options.list:
        for name in found:
            print(f"  {name:<14} {first_line(name)}")
        return 0
    unknown = [name for name in options.names if name not in found]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(found)}")

    load = os.getloadavg()[0]
    if load > 0.5 and not options.smoke:
        print(f"note: something else is running here (load {load:.1f}); timing figures will show it", flush=True)
    benches = []
    failed = []
    for name in options.names or list(found):
        print(f"{BOLD}{name}{RESET}: {first_line(name)}", flush=True)
        folder = OUT / ("smoke" if options.smoke else "logs") / name
        shutil.rmtree(folder, ignore_errors=True)
        bench = Bench(name, options.smoke, folder)
        began = time.monotonic()
        try:
            importlib.import_module(name).run(bench)
        except Exception:
            traceback.print_exc()
            failed.append(name)
        else:
            if not bench.figures:
                print(f"  {RED}{name} has measured nothing{RESET}")
                failed.append(name)
        bench.say(f"{time.monotonic() - began:.0f} s")
        benches.append(bench)

    figures = [figure for bench in benches for figure in bench.figures]
    curves = [curve for bench in benches for curve in bench.curves]
    missed = [figure for figure in figures if not figure.is_met]
    place = OUT / "smoke" if options.smoke else OUT
    write_results(place / "results.json", figures, curves)
    pictures = draw(curves, place)
    if not options.smoke:
        if len(benches) > 1:
            print(table(figures, options.smoke))
        print(f"\n{place / 'results.json'} and {len(pictures)} pictures beside it")
        judged = sum(figure.target is not None for figure in figures)
        print(f"{judged - len(missed)} of {judged} targets met" + (f"; failed: {', '.join(failed)}" if failed else ""))
        return 1 if missed or failed else 0
    print(f"{len(benches) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
