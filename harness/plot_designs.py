#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures and the table of the designs compared.

  plot_designs.py DATA.csv OUT   OUT/table.txt, and a figure a question as SVG and PNG
  plot_designs.py --check        draws a small made-up table and tries malformed ones; no output

Same data, same bytes. Exits with 2 when the data is missing or malformed.
"""
import os
import sys
import tempfile

try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
except ImportError as missing:
    print(f"plot_designs: expected python3-matplotlib and python3-pandas, found: {missing}", file=sys.stderr)
    sys.exit(2)

COLUMNS = ["question", "arch", "design", "x", "policy", "change_ps", "removed", "again_ps", "faults"]
NUMBERS = ["x", "change_ps", "removed", "again_ps", "faults"]
# Okabe and Ito's palette, a marker and a line each: told apart with any colour vision, and where lines coincide.
STYLES = [("#d55e00", "o", "-"), ("#0072b2", "s", "--"), ("#009e73", "^", "-."), ("#cc79a7", "D", ":"),
          ("#e69f00", "v", "-"), ("#56b4e9", "P", "--")]
# question: file, title, what x is
QUESTIONS = {
    "invalidation by share": ("invalidation-share", "USERFAULT set on a slot of 16 MiB in use", "pages asked for, of 4096"),
    "invalidation by size": ("invalidation-size", "USERFAULT set, 1 % of the pages asked for", "slot, MiB"),
    "early return": ("early-return", "USERFAULT goes from a logged slot (arm64)", "slot, MiB"),
    "recovery": ("recovery", "USERFAULT ends on a slot that the host has in huge pages", "slot, MiB"),
    "order success": ("order-success", "a slot moves", "slot, MiB"),
    "order failure": ("order-failure", "a move fails in the architecture's prepare", "slot, MiB"),
}
MEASURES = [("change_ps", "the ioctl"), ("again_ps", "until the guest has touched everything again")]


class DataError(Exception):
    """What is wrong with the data, in one sentence."""


def read(path):
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: expected a CSV table, found: {error}") from None
    if list(table.columns) != COLUMNS:
        raise DataError(f"{path}: expected the columns {','.join(COLUMNS)}, found {','.join(table.columns)}")
    for name in NUMBERS:
        if not pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().any():
            raise DataError(f"{path}: expected numbers in column {name}")
    unknown = set(table.question) - set(QUESTIONS)
    if unknown:
        raise DataError(f"{path}: expected known questions, found '{sorted(unknown)[0]}'")
    return table


def duration(ps, _=None):
    for unit, size in (("s", 1e12), ("ms", 1e9), ("us", 1e6)):
        if ps >= size:
            return f"{ps / size:.3g} {unit}"
    return f"{ps / 1e3:.3g} ns"


def draw_cell(axes, part, column, styles):
    for size, (design, of) in enumerate(part.groupby("design", sort=False)):
        colour, marker, line = styles[design]
        axes.plot(of.x, of[column], line, color=colour, marker=marker, markersize=8 - size, linewidth=1.5, label=design)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(part.x))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(duration))
    axes.grid(True, color="#dddddd", linewidth=0.6)


def draw(table, question, out):
    stem, title, x_label = QUESTIONS[question]
    part = table[table.question == question]
    arches = sorted(set(part.arch), reverse=True)
    styles = dict(zip(part.design.unique(), STYLES))
    fig, grid = plt.subplots(len(arches), len(MEASURES), figsize=(9.5, 0.8 + 3.1 * len(arches)), squeeze=False)
    for row, arch in zip(grid, arches):
        for axes, (column, name) in zip(row, MEASURES):
            draw_cell(axes, part[part.arch == arch], column, styles)
            axes.set_title(f"{arch}: {name}", fontsize=10)
            axes.set_xlabel(x_label)
            axes.tick_params(labelsize=8)
        row[0].legend(fontsize=8)
    fig.suptitle(title)
    fig.tight_layout()
    for kind in ("svg", "png"):
        fig.savefig(os.path.join(out, f"{stem}.{kind}"), dpi=110, metadata={"Date": None} if kind == "svg" else None)
    plt.close(fig)


def write_table(table, out):
    lines = []
    for question, part in table.groupby("question", sort=False):
        lines.append(f"{question}: {QUESTIONS[question][1]}")
        lines.append(f"  {'arch':6} {QUESTIONS[question][2]:24} {'design':24} {'ioctl':>10} {'removed':>8} "
                     f"{'again':>10} {'faults':>7}")
        for r in part.itertuples():
            lines.append(f"  {r.arch:6} {r.x:<24g} {r.design:24} {duration(r.change_ps):>10} {r.removed:>8} "
                         f"{duration(r.again_ps):>10} {r.faults:>7}")
        lines.append("")
    with open(os.path.join(out, "table.txt"), "w", encoding="ascii") as file:
        file.write("\n".join(lines))


def make(path, out):
    table = read(path)
    os.makedirs(out, exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "s2sim"
    write_table(table, out)
    for question in QUESTIONS:
        if question in set(table.question):
            draw(table, question, out)


def check():
    head = ",".join(COLUMNS)
    good = f"{head}\nrecovery,x86,a,4,p,1000,1,2000,3\nrecovery,x86,a,8,p,3000,1,2000,3\n"
    bad = [("", "expected a CSV table"), ("a,b\n1,2\n", "expected the columns"),
           (f"{head}\nrecovery,x86,a,4,p,x,1,2,3\n", "expected numbers in column change_ps"),
           (f"{head}\nwhat,x86,a,4,p,1,1,2,3\n", "expected known questions, found 'what'")]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "data.csv")
        results = []
        for _ in range(2):
            with open(path, "w", encoding="ascii") as file:
                file.write(good)
            make(path, directory)
            with open(os.path.join(directory, "recovery.svg"), "rb") as file:
                results.append(file.read())
        assert results[0] == results[1], "expected the same bytes from the same data"
        for text, says in bad:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            try:
                make(path, directory)
            except DataError as error:
                assert says in str(error), f"expected '{says}', found '{error}'"
                continue
            assert False, f"expected '{says}', found that it was drawn"


def main():
    try:
        if sys.argv[1:] == ["--check"]:
            check()
        elif len(sys.argv) == 3:
            make(sys.argv[1], sys.argv[2])
        else:
            raise DataError(f"operands: expected DATA.csv OUT, found {len(sys.argv) - 1}")
    except DataError as error:
        print(f"plot_designs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
