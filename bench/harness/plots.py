"""One picture per plot name of the curves: points, lines, or how many of the samples lie below a value."""

from collections.abc import Sequence
from pathlib import Path

from harness.figures import Curve


def draw(curves: Sequence[Curve], folder: Path) -> list[Path]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn = []
    for bench, name in dict.fromkeys((curve.bench, curve.plot) for curve in curves):
        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        for curve in curves:
            if (curve.bench, curve.plot) != (bench, name):
                continue
            if curve.style == "cdf":
                ordered = sorted(curve.x)
                shares = [(index + 1) / len(ordered) for index in range(len(ordered))]
                axes.step(ordered, shares, where="post", label=f"{curve.label} ({len(ordered)})")
                axes.set_ylabel(curve.y_label or "share of all")
                axes.set_ylim(0, 1.02)
            else:
                axes.plot(curve.x, curve.y, "-o" if curve.style == "points" else "-", markersize=4, label=curve.label)
                axes.set_ylabel(curve.y_label)
                axes.set_ylim(bottom=0)
            axes.set_xlabel(curve.x_label)
        axes.set_title(f"{bench}: {name}")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        path = folder / f"{bench}-{name.replace(' ', '-')}.png"
        figure.savefig(path, dpi=120)
        plt.close(figure)
        drawn.append(path)
    return drawn
