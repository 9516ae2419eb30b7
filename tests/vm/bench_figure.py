"""What bench tells: figures, and the table of them."""

import os
import time
from dataclasses import dataclass, field
from math import ceil, floor


class Clock:
    """Says what goes on, when, and how busy the host is."""

    def __init__(self):
        self.started = time.monotonic()

    def say(self, what: str):
        elapsed = time.monotonic() - self.started
        print(f"bench: {elapsed:6.1f} s  load {os.getloadavg()[0]:4.1f}  {what}", flush=True)


@dataclass
class Figure:
    """A line of the table: medians over the rounds, and `spread` from the least to the most."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    spread: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""


def median_span(values) -> str:
    """In which the true median is with 95 % likelihood: a matter of ranks (binomial)."""
    values = sorted(values)
    middle, reach = (len(values) - 1) / 2, 0.98 * len(values) ** 0.5
    low, high = max(0, floor(middle - reach)), min(len(values) - 1, ceil(middle + reach))
    return f"{values[low]:.3f}–{values[high]:.3f}"


def span(values) -> list[float]:
    values = list(values)
    return [min(values), max(values)]


def table(figures: list[Figure]) -> str:
    def number(value: float | None, unit: str) -> str:
        return "" if value is None else f"{value:.{0 if unit == '' else 2}f} {unit}".strip()

    def ratio(figure: Figure) -> str:
        if figure.ratio is None:
            return ""
        low, high = figure.spread["ratio"]
        return f"{figure.ratio:.3f} ({low:.3f}–{high:.3f})"

    rows = [("", "value", "baseline", "ratio (spread)", "target", "")]
    for f in figures:
        verdict = "" if f.met is None else "met" if f.met else "MISSED"
        baseline = f"{number(f.baseline, f.unit)} {f.baseline_name}".strip()
        rows.append((f.name, number(f.value, f.unit), baseline, ratio(f), f.target, verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row, f in zip(rows, [None, *figures]):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if f and f.note:
            lines.append(f"  {f.note}")
    return "\n".join(lines)
