#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of timed runs.

  plot.py --collect RAW --data DIR   the documents of 's2sim run' in RAW, thinned to CSV tables
  plot.py --data DIR --out OUT       the figures, from the tables alone, as SVG and PNG
  plot.py --check                    draws small made-up tables and tries malformed ones; no output

RAW/runs.tsv says what each run is (harness/graphs.sh writes it). Same tables, same bytes.
Exits with 2 when data is missing or malformed; nothing is left half-written.
"""
import argparse
import os
import shutil
import sys
import tempfile
import textwrap
from functools import partial

try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from matplotlib.patches import Patch
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
except ImportError as missing:
    print(f"plot: {sys.executable}: expected python3-matplotlib and python3-pandas of Debian's "
          f"/usr/bin/python3, found: {missing}", file=sys.stderr)
    sys.exit(2)

sys.dont_write_bytecode = True  # nothing of ours beside the sources
from plot_data import (ARCHES, EDGES, PAGE_SIZES, TABLES, TOGGLE, WEEK, DataError, collect,
                       of_arch, read_table, replace_files, write_tables)

WIDTH_IN, DPI = 9.0, 120
LINE_IN = 0.145  # height of a caption's line
PAGE_LABELS = {"none": "not mapped", "4k": "4 KiB", "2m": "2 MiB", "1g": "1 GiB"}
# Okabe and Ito's palette: told apart with any colour vision.
PAGE_COLOURS = {"none": "#f0f0f0", "4k": "#d55e00", "2m": "#0072b2", "1g": "#009e73"}
ARCH_COLOURS = {"x86": "#0072b2", "arm64": "#d55e00"}
ARCH_MARKERS = {"x86": "o", "arm64": "s"}
QUANTILES = {"p50": ("median", "o", 5.5), "p99": ("99th percentile", "D", 5.5),
             "max": ("longest", "_", 9)}
# (mapping, split): label, colour, marker, its size, line
LINES = {
    ("4K", "-"): ("4 KiB", "#d55e00", "o", 7, "-"),
    ("2M", "-"): ("2 MiB", "#0072b2", "s", 5, "-"),
    ("2M", "eager"): ("2 MiB, split eagerly", "#0072b2", "s", 5, "-"),
    ("2M", "fault"): ("2 MiB, split on fault", "#56b4e9", "D", 3.5, "--"),
    ("1G", "-"): ("1 GiB", "#009e73", "^", 4, "-."),
    ("1G", "eager"): ("1 GiB, split eagerly", "#009e73", "^", 4, "-."),
}
# Running is blue, waiting is warm or grey.
STATES = {
    "guest": ("in the guest", "#bcd7ea"),
    "kvm": ("in KVM", "#0072b2"),
    "user": ("in user space", "#cc79a7"),
    "wait_lock": ("waits for a lock", "#d55e00"),
    "wait_ack": ("waits for vCPUs to answer an IPI", "#f0e442"),
    "wait_grace": ("waits for a grace period", "#a6a6a6"),
}


# ---- What all figures share ----------------------------------------------------------------------


def set_style():
    plt.rcdefaults()
    plt.rcParams.update({
        "svg.hashsalt": "s2sim", "svg.fonttype": "none",
        "font.family": "DejaVu Sans", "font.size": 8.5,
        "axes.titlesize": 9, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8,
        "legend.fontsize": 8, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": False, "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True,
    })


def save(fig, out, name):
    """As SVG and PNG, without a date or anything else that a second run would change."""
    fig.savefig(os.path.join(out, f"{name}.svg"), metadata={"Date": None}, dpi=DPI)
    fig.savefig(os.path.join(out, f"{name}.png"), metadata={"Software": None}, dpi=DPI,
                pil_kwargs={"optimize": True})
    plt.close(fig)


def settings(row, chunk="-"):
    """What a run was made with, for a caption."""
    text = f"{row['policy']}, profile {row['profile']}"
    return text + (f", eager split in chunks of {chunk}" if chunk != "-" else "")


def made_with(table):
    """What a table was measured with, the end of a caption."""
    rows = {arch: table[table.arch == arch].iloc[0] for arch in ARCHES}
    row = table.iloc[0]
    return ("; ".join(f"{arch}: {settings(rows[arch], rows[arch].get('chunk', '-'))}"
                      for arch in ARCHES) +
            f". {row['file']}, scenario {row['scenario']}; {row['vcpus']:.0f} vCPUs, "
            f"seed {row['seed']:.0f}.")


def caption_lines(text):
    return textwrap.wrap(text, width=150)


def put_caption(fig, text):
    """At the bottom; the height that it takes, as a fraction of the figure's."""
    lines = caption_lines(text)
    fig.text(0.012, 0.01, "\n".join(lines), fontsize=7.5, va="bottom", color="#333333",
             linespacing=1.3)
    return (len(lines) * LINE_IN + 0.12) / fig.get_size_inches()[1]


def plain(number, _=None):
    """A number as one says it: 0.05, 1, 64, 16k, 1M."""
    for limit, unit in [(1e6, "M"), (1e3, "k")]:
        if abs(number) >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


# ---- Figures 1 and 2: one flag toggled -----------------------------------------------------------

FLAGS = {"toggle-log": "dirty logging", "toggle-userfault": "userfault"}
# measure: label of the row, divisor, first step above zero (None: no zeros on the axis)
ROWS = {
    "ioctl_ns": ("time of the ioctl\n(ms)", 1e6, None),
    "entries": ("table entries that\nthe ioctl stores", 1, 1),
    "faults": ("faults until the\nworking set is back", 1, 1),
    "stall_per_vcpu_ns": ("stall until then\n(ms per vCPU)", 1e6, 0.001),
    "left_4k_pages": ("4 KiB pages in\nthe table then", 1, 1),
}


def scale_row(axes, tops, linear):
    """One scale for a row: logarithmic, with zero below it where zeros occur."""
    top = max(tops)
    for ax in axes:
        if linear is None:
            ax.set_yscale("log")
        else:
            ax.set_yscale("symlog", linthresh=linear, linscale=0.8)
            steps = int(np.ceil(np.log10(top / linear))) if top > linear else 1
            stride = 1 if steps <= 4 else 2
            ticks = [0] + [linear * 10.0**i for i in range(steps % stride, steps + 1, stride)]
            ax.set_ylim(-0.6 * linear, linear * 10.0**steps * 3)
            ax.yaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(plain))


def draw_cell(ax, part, column, divisor):
    for key, (_, colour, marker, size, line) in LINES.items():
        series = part[(part.mapping == key[0]) & (part.split == key[1])].sort_values("slot_gib")
        if len(series):
            ax.plot(series.slot_gib, series[column] / divisor, line, color=colour, marker=marker,
                    markersize=size, linewidth=1.4, clip_on=False,
                    markerfacecolor="white" if marker == "o" else colour)
    ax.set_xscale("log", base=2)
    ax.grid(True, axis="y")


def toggle_caption(kind, table):
    row = table.iloc[0]
    text = (f"{FLAGS[kind].capitalize()} set (on) and cleared (off) on a populated slot while no "
            f"vCPU runs; then {row.vcpus:.0f} vCPUs write each 4 KiB page of a working set of "
            f"{row.working_set_mib:.0f} MiB once. Entries: stored in the second-stage table or in "
            "tables about to be linked. Faults include repeated ones; stall is time outside of the "
            "guest, mean of the vCPUs; 4 KiB pages are counted in the whole slot after that.")
    if kind == "toggle-log":
        text += " On x86 a logged page costs no fault but a share of a PML-full exit."
    if row.answer_us:
        text += f" User space answers a userfault exit after {row.answer_us:.0f} us."
    short = table[table.mapping == "4K"].slot_gib
    if len(short) and short.max() < table.slot_gib.max():
        text += f" 4 KiB lines end at {short.max():.0f} GiB: populating more takes long."
    return (f"{text} Vertical axes are logarithmic and shared by a row, with zero at the bottom. "
            f"{made_with(table)}")


def draw_toggle(table, kind, out, path):
    table = table[table.kind == kind]
    if table.empty:
        raise DataError(path, f"rows of {kind}", "none")
    columns = [(arch, edge) for arch in ARCHES for edge in EDGES]
    fig, axes = plt.subplots(len(ROWS), len(columns), figsize=(WIDTH_IN, 9), sharex=True,
                             sharey="row", squeeze=False)
    bottom = put_caption(fig, toggle_caption(kind, table))
    fig.subplots_adjust(left=0.1, right=0.985, top=0.91, bottom=bottom + 0.055, wspace=0.12,
                        hspace=0.16)
    for i, (measure, (label, divisor, linear)) in enumerate(ROWS.items()):
        for j, (arch, edge) in enumerate(columns):
            draw_cell(axes[i, j], of_arch(table, arch, path), f"{edge}_{measure}", divisor)
        scale_row(axes[i], [table[f"{edge}_{measure}"].max() / divisor for edge in EDGES], linear)
        axes[i, 0].set_ylabel(label)
    sizes = sorted(set(table.slot_gib))
    for j, (arch, edge) in enumerate(columns):
        axes[0, j].set_title(f"{arch}: {FLAGS[kind]} {'on' if edge == 'enable' else 'off'}", pad=8)
        axes[-1, j].set_xlabel("slot size (GiB)")
        axes[-1, j].xaxis.set_major_locator(FixedLocator(sizes))
        axes[-1, j].xaxis.set_major_formatter(FuncFormatter(plain))
        axes[-1, j].xaxis.set_minor_locator(NullLocator())
    shown = [key for key in LINES if ((table.mapping == key[0]) & (table.split == key[1])).any()]
    fig.legend(handles=[legend_line(table, key) for key in shown], loc="upper center",
               ncol=len(shown), frameon=False, title="slot mapped by", bbox_to_anchor=(0.54, 1.0),
               title_fontsize=8.5)
    save(fig, out, kind)


def legend_line(table, key):
    label, colour, marker, size, line = LINES[key]
    archs = set(table[(table.mapping == key[0]) & (table.split == key[1])].arch)
    return plt.Line2D([], [], color=colour, marker=marker, markersize=size, linestyle=line,
                      markerfacecolor="white" if marker == "o" else colour,
                      label=label + ("" if len(archs) > 1 else f" ({archs.pop()})"))


# ---- Figure 3: page sizes over time --------------------------------------------------------------


def heat_grid(table, path):
    """[place, sample, page size] as shares, the samples' period and the places' size."""
    period = table.time_ms.min()
    places = np.sort(table.gpa_mib.unique())
    times = np.arange(1, round(table.time_ms.max() / period) + 1)
    grid = np.zeros((len(places), len(times), len(PAGE_SIZES)))
    for i, size in enumerate(PAGE_SIZES):
        wide = table.assign(sample=(table.time_ms / period).round().astype(int)) \
            .pivot(index="gpa_mib", columns="sample", values=f"{size}_probes")
        wide = wide.reindex(index=places, columns=times).ffill(axis=1)
        grid[:, :, i] = wide.to_numpy()
    total = grid.sum(axis=2, keepdims=True)
    if len(places) < 2 or not np.isfinite(total).all() or not (total > 0).all():
        raise DataError(path, "a sample of each of two places or more at the first time", "gaps")
    return grid / total, period, places[1] - places[0], int(total.max())


def mark_phases(ax, week, labels):
    for i, row in enumerate(week.itertuples()):
        ax.axvline(row.start_ms / 1e3, color="black", linewidth=0.7, linestyle=(0, (3, 2)))
        if labels:
            ax.annotate(row.phase, ((row.start_ms + row.time_ms / 2) / 1e3, 1.0), (0, 4),
                        xycoords=("data", "axes fraction"), textcoords="offset points", rotation=50,
                        ha="left", va="bottom", fontsize=8, rotation_mode="anchor")


def draw_heat_map(ax, grid, period, place_mib):
    colours = np.array([matplotlib.colors.to_rgb(PAGE_COLOURS[size]) for size in PAGE_SIZES])
    extent = (period / 2e3, (grid.shape[1] + 0.5) * period / 1e3,
              0, grid.shape[0] * place_mib / 1024)
    ax.imshow(grid @ colours, origin="lower", aspect="auto", interpolation="nearest", extent=extent)
    ax.set_yticks(np.linspace(0, extent[3], 5))
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    ax.set_ylabel("guest physical\naddress (GiB)")
    ax.tick_params(labelbottom=False)


def draw_shares(ax, grid, period):
    shares = grid.mean(axis=0).T * 100
    times = np.arange(1, grid.shape[1] + 1) * period / 1e3
    order = [PAGE_SIZES.index(size) for size in ["1g", "2m", "4k", "none"]]
    ax.stackplot(times, shares[order], linewidth=0,
                 colors=[PAGE_COLOURS[PAGE_SIZES[i]] for i in order])
    ax.set_ylim(0, 100)
    ax.set_yticks([0, 50, 100])
    ax.set_ylabel("share of\nmemory (%)")


def heat_caption(week, period, place_mib, probes):
    return ("Page size in the second-stage table over simulated time, both architectures on one "
            f"time axis. A row is {place_mib:.0f} MiB, looked at in {probes} places every "
            f"{period:.0f} ms; its colour is the mixture of what was found. Below: share of "
            "all places looked at. "
            f"{made_with(week)}")


def draw_page_sizes(tables, out, paths):
    week = tables["week"]
    grids = {arch: heat_grid(tables[f"heat-{arch}"], paths[f"heat-{arch}"]) for arch in ARCHES}
    fig = plt.figure(figsize=(WIDTH_IN, 8.6))
    _, period, place_mib, probes = grids[ARCHES[0]]
    bottom = put_caption(fig, heat_caption(week, period, place_mib, probes)) + 0.055
    spec = fig.add_gridspec(5, 1, height_ratios=[4, 1.15, 1.35, 4, 1.15], left=0.085, right=0.955,
                            top=0.9, bottom=bottom, hspace=0.1)
    end = max((week.start_ms + week.time_ms).max(), 1) / 1e3
    for arch, at in zip(ARCHES, [0, 3]):
        grid, period, place_mib, _ = grids[arch]
        upper = fig.add_subplot(spec[at])
        lower = fig.add_subplot(spec[at + 1], sharex=upper)
        phases = of_arch(week, arch, paths["week"])
        draw_heat_map(upper, grid, period, place_mib)
        draw_shares(lower, grid, period)
        mark_phases(upper, phases, True)
        mark_phases(lower, phases, False)
        upper.set_xlim(0, end)
        upper.set_title(arch, loc="left", fontweight="bold", x=-0.075, pad=14)
        lower.set_xlabel("simulated time (s)", labelpad=1)
    seen = [size for i, size in enumerate(PAGE_SIZES)
            if any(grid[:, :, i].any() for grid, *_ in grids.values())]
    fig.legend(handles=[Patch(facecolor=PAGE_COLOURS[size], edgecolor="#888888", linewidth=0.5,
                              label=PAGE_LABELS[size]) for size in seen],
               loc="upper right", ncol=len(seen), frameon=False, bbox_to_anchor=(0.83, 1.0))
    save(fig, out, "page-sizes")


# ---- Figure 4: who waits for whom ----------------------------------------------------------------


def unnamed_spans(spans, lines):
    """Time within an ioctl or host operation for which its actor has no state."""
    gaps = []
    for line in lines.itertuples():
        own = spans[(spans.actor == line.actor) & (spans.end_us > line.start_us) &
                    (spans.start_us < line.end_us)].sort_values("start_us")
        at = line.start_us
        for span in own.itertuples():
            if span.start_us > at + 0.0005:
                gaps.append({"actor": line.actor, "state": "unnamed", "start_us": at,
                             "end_us": span.start_us})
            at = max(at, span.end_us)
    return pd.DataFrame(gaps, columns=["actor", "state", "start_us", "end_us"])


def busiest_window(spans, start, end, width):
    """The window within start..end in which most states begin; the earliest of equals."""
    begins = np.sort(spans.start_us.to_numpy())
    starts = [max(start, min(t - width / 12, end - width)) for t in begins if start <= t < end]
    if not starts:
        return start
    counts = [np.searchsorted(begins, t + width) - np.searchsorted(begins, t) for t in starts]
    return starts[int(np.argmax(counts))]


def draw_spans(ax, spans, actors, window):
    height = 0.5
    for y, actor in enumerate(actors):
        own = spans[(spans.actor == actor) & (spans.end_us > window[0]) &
                    (spans.start_us < window[1])]
        for state, (_, colour) in [*STATES.items(), ("unnamed", ("", "white"))]:
            part = own[own.state == state]
            if len(part):
                ax.broken_barh(list(zip(part.start_us, part.end_us - part.start_us)),
                               (y - height / 2, height), facecolor=colour,
                               linewidth=0.3 if state == "unnamed" else 0,
                               edgecolor="#888888", hatch="////" if state == "unnamed" else None)
    ax.set_xlim(*window)
    ax.set_ylim(len(actors) - 0.6, -0.75)
    ax.set_yticks(range(len(actors)), actors)
    ax.tick_params(axis="y", length=0)


def label_lines(ax, lines, actors):
    for line in lines.itertuples():
        y = actors.index(line.actor) - 0.34
        words = [word for word in line.text.split() if word not in ("op", "host") and
                 not word.startswith(("slot=", "gpa=", "size=", "map=", "len=", "delay="))]
        ax.plot([line.start_us, line.start_us, line.end_us, line.end_us],
                [y + 0.06, y, y, y + 0.06], color="black", linewidth=0.8, clip_on=False)
        ax.text(line.start_us, y - 0.03, f"{line.line}: {' '.join(words)}", fontsize=7, ha="left",
                va="bottom")


def timeline_caption(lines, width):
    return ("Who does what when while dirty logging is turned on, harvested and turned off. vmm: "
            "the ioctls; mm: the host's memory management; each operation has its line in the "
            f"scenario file and its duration. a, b: the {width:.0f} us of each set_region in which "
            "most happens, enlarged below. Time begins with the first ioctl shown. "
            f"{made_with(lines)}")


def arch_timeline(tables, arch, paths):
    """Spans and operations of one architecture, time since the first ioctl of the last phase."""
    lines = of_arch(tables["timeline-lines"], arch, paths["timeline-lines"])
    spans = of_arch(tables["timeline"], arch, paths["timeline"])
    spans = spans[["actor", "state", "start_us", "end_us"]]
    last_fill = lines[lines.actor.str.startswith("vcpu")].start_us.max()
    ops = lines[~lines.actor.str.startswith("vcpu") & (lines.start_us > last_fill)].copy()
    if ops.empty:
        raise DataError(paths["timeline-lines"], "operations beside the vCPUs' last line", "none")
    zero = ops.start_us.min()
    ops["start_us"], ops["end_us"] = ops.start_us - zero, ops.end_us - zero
    spans = spans.assign(start_us=spans.start_us - zero, end_us=spans.end_us - zero)
    return pd.concat([spans, unnamed_spans(spans, ops)]), ops


def draw_timeline(tables, out, paths):
    width = 50.0
    fig = plt.figure(figsize=(WIDTH_IN, 9.4))
    bottom = put_caption(fig, timeline_caption(tables["timeline-lines"], width)) + 0.06
    outer = fig.add_gridspec(2, 1, left=0.07, right=0.985, top=0.915, bottom=bottom, hspace=0.24)
    seen = set()
    for arch, spec in zip(ARCHES, outer):
        spans, ops = arch_timeline(tables, arch, paths)
        actors = ["vmm", "mm", *sorted(a for a in set(spans.actor) if a.startswith("vcpu"))]
        window = (-15.0, ops.end_us.max() + 15.0)
        inner = spec.subgridspec(2, 2, height_ratios=[1.4, 1], hspace=0.42, wspace=0.14)
        over = fig.add_subplot(inner[0, :])
        draw_spans(over, spans, actors, window)
        label_lines(over, ops, actors)
        over.set_ylim(len(actors) - 0.1, -0.8)
        over.set_xlabel("simulated time (us)", labelpad=1)
        over.set_title(arch, loc="left", fontweight="bold", x=-0.06)
        flags = ops[ops.text.str.startswith("op set_region ")].sort_values("start_us")
        for i, op in enumerate(flags.head(2).itertuples()):
            begin = busiest_window(spans, op.start_us, op.end_us + width / 5, width)
            zoom = fig.add_subplot(inner[1, i])
            draw_spans(zoom, spans, actors, (begin, begin + width))
            zoom.set_title("ab"[i], loc="left", fontsize=9, pad=2)
            over.axvspan(begin, begin + width, color="#888888", alpha=0.18, linewidth=0, zorder=0)
            over.text(begin + width / 2, len(actors) - 0.3, "ab"[i], ha="center", va="center",
                      fontsize=8)
            zoom.set_xlabel("simulated time (us)", labelpad=1)
        shown = spans[(spans.end_us > window[0]) & (spans.start_us < window[1])]
        seen |= set(shown.state)
    handles = [Patch(facecolor=colour, label=label) for state, (label, colour) in STATES.items()
               if state in seen]
    if "unnamed" in seen:
        handles.append(Patch(facecolor="white", edgecolor="#888888", hatch="////", linewidth=0.3,
                             label="in the operation, no state recorded"))
    fig.legend(handles=handles, loc="upper center", ncol=3, frameon=False,
               bbox_to_anchor=(0.53, 1.0))
    save(fig, out, "timeline")


# ---- Figure 5: the week in numbers ---------------------------------------------------------------


def week_caption(week):
    return ("Per phase. Above: guest accesses per second of the phase and vCPU; the grey bar is "
            "what the time that the guest computes before each access would allow alone. Below: "
            "how long a vCPU is outside of the guest each time. In a phase marked 'stopped' no "
            "vCPU runs. "
            f"{made_with(week)}")


def draw_rates(ax, week, phases, offsets):
    for arch in ARCHES:
        part = week[week.arch == arch].set_index("phase").reindex(phases)
        x = np.arange(len(phases)) + offsets[arch]
        rate = part.accesses / part.vcpus / (part.guest_ms / 1e3)
        runs = (part.guest_ms > 0).to_numpy()
        ax.plot(x[runs], rate[runs], ARCH_MARKERS[arch], color=ARCH_COLOURS[arch], markersize=7)
        for at, value in zip(x[runs], rate[runs]):
            ax.annotate(plain(value), (at, value), (0, -12), textcoords="offset points",
                        ha="center", va="center", fontsize=7.5, color=ARCH_COLOURS[arch])
        for at, think in zip(x[runs], part.think_us[runs]):
            if think > 0:
                ax.hlines(1e6 / think, at - 0.17, at + 0.17, color="#aaaaaa", linewidth=3, zorder=1)
    ax.set_yscale("log")
    ax.set_ylim(ax.get_ylim()[0] / 2.5, ax.get_ylim()[1] * 1.3)
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel("accesses per second\nand vCPU")
    ax.grid(True, axis="y")


def draw_stalls(ax, week, phases, offsets):
    for arch in ARCHES:
        part = week[week.arch == arch].set_index("phase").reindex(phases)
        x = np.arange(len(phases)) + offsets[arch]
        some = (part.stalls > 0).to_numpy()
        colour = ARCH_COLOURS[arch]
        ax.vlines(x[some], part.stall_p50_us[some], part.stall_max_us[some], color=colour,
                  linewidth=1.2)
        for name, (_, marker, size) in QUANTILES.items():
            ax.plot(x[some], part[f"stall_{name}_us"][some], marker, color=colour, markersize=size,
                    markerfacecolor="white" if marker == "o" else colour,
                    markeredgewidth=1.6 if marker == "_" else 1)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel("stall (us)")
    ax.grid(True, axis="y")


def mark_empty(axes, week, phases, offsets):
    for arch in ARCHES:
        part = week[week.arch == arch].set_index("phase").reindex(phases)
        for i, row in enumerate(part.itertuples()):
            text = "stopped" if row.guest_ms == 0 else "no stall" if row.stalls == 0 else ""
            for ax in axes if row.guest_ms == 0 else axes[1:]:
                ax.text(i + offsets[arch], 0.04, text, rotation=90, ha="center", va="bottom",
                        fontsize=7.5, color=ARCH_COLOURS[arch], transform=ax.get_xaxis_transform())


def draw_week(week, out, path):
    phases = list(of_arch(week, ARCHES[0], path).sort_values("start_ms").phase)
    other = list(of_arch(week, ARCHES[1], path).sort_values("start_ms").phase)
    if phases != other:
        raise DataError(path, f"the phases {phases} of {ARCHES[1]}", other)
    offsets = {"x86": -0.2, "arm64": 0.2}
    fig, axes = plt.subplots(2, 1, figsize=(WIDTH_IN, 6.2), sharex=True)
    bottom = put_caption(fig, week_caption(week)) + 0.05
    fig.subplots_adjust(left=0.095, right=0.985, top=0.93, bottom=bottom, hspace=0.16)
    draw_rates(axes[0], week, phases, offsets)
    draw_stalls(axes[1], week, phases, offsets)
    mark_empty(axes, week, phases, offsets)
    axes[1].set_xticks(range(len(phases)), phases, fontsize=8.5)
    for ax in axes:
        ax.tick_params(axis="x", length=0)
        ax.set_xlim(-0.5, len(phases) - 0.5)
        for i in range(1, len(phases)):
            ax.axvline(i - 0.5, color="#dddddd", linewidth=0.8)
    handles = [plt.Line2D([], [], marker=ARCH_MARKERS[arch], linestyle="", label=arch,
                          color=ARCH_COLOURS[arch]) for arch in ARCHES]
    handles.append(plt.Line2D([], [], color="#aaaaaa", linewidth=3, label="limit by computing"))
    axes[0].legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncol=3, frameon=False)
    handles = [plt.Line2D([], [], marker=marker, linestyle="", color="#555555", label=label,
                          markerfacecolor="white" if marker == "o" else "#555555", markersize=size)
               for label, marker, size in QUANTILES.values()]
    axes[1].legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 0.98), ncol=3,
                   frameon=False)
    save(fig, out, "week")


# ---- All -----------------------------------------------------------------------------------------


def draw(data, out):
    """All figures, under temporary names until the last one is there."""
    paths = {name: os.path.join(data, f"{name}.csv") for name in TABLES}
    tables = {name: read_table(paths[name], columns) for name, columns in TABLES.items()}
    for name, table in tables.items():
        for arch in ARCHES if "arch" in table else []:
            of_arch(table, arch, paths[name])
    set_style()
    with tempfile.TemporaryDirectory() as new:
        for kind in FLAGS:
            draw_toggle(tables["toggle"], kind, new, paths["toggle"])
        draw_page_sizes(tables, new, paths)
        draw_timeline(tables, new, paths)
        draw_week(tables["week"], new, paths["week"])
        replace_files(out, {name: partial(shutil.copyfile, os.path.join(new, name))
                            for name in os.listdir(new)})


# ---- Self-check ----------------------------------------------------------------------------------

CONFIG_ROW = {"file": "f.scn", "scenario": "s", "policy": "p", "profile": "q", "vcpus": 2,
              "seed": 0, "chunk": "-"}


def tiny_tables():
    """Small tables of each kind, made up: enough for each figure."""
    toggle, week, spans, lines = [], [], [], []
    for arch in ARCHES:
        base = {**dict.fromkeys(TOGGLE, 1), **CONFIG_ROW, "arch": arch, "answer_us": 0}
        toggle += [{**base, "kind": kind, "mapping": mapping, "split": "-", "slot_gib": gib}
                   for kind in FLAGS for mapping in ["4K", "2M"] for gib in [1, 2]]
        week += [{**dict.fromkeys(WEEK, i + 1), **CONFIG_ROW, "arch": arch, "phase": f"p{i}",
                  "start_ms": 20 * i, "time_ms": 20, "stalls": i} for i in range(3)]
        spans += [{"arch": arch, "actor": actor, "state": state, "start_us": at, "end_us": at + 9}
                  for actor, state, at in [("vcpu0", "guest", 0), ("vmm", "kvm", 10),
                                           ("mm", "wait_lock", 30)]]
        lines += [{**CONFIG_ROW, "arch": arch, "line": line, "actor": actor, "text": text,
                   "start_us": at, "end_us": at + 20} for line, actor, text, at in
                  [(1, "vcpu0", "guest write", 0), (2, "vmm", "op set_region slot=0 flags=log", 10),
                   (3, "mm", "host age", 30)]]
    heat = [{"time_ms": time, "gpa_mib": gpa, "none_probes": 8 - n, "4k_probes": n, "2m_probes": 0,
             "1g_probes": 0} for gpa in [0, 64] for n, time in enumerate([20, 40, 60])]
    rows = {"toggle": toggle, "week": week, "heat-x86": heat, "heat-arm64": heat, "timeline": spans,
            "timeline-lines": lines}
    return {name: pd.DataFrame(rows[name], columns=columns) for name, columns in TABLES.items()}


def files_of(directory):
    contents = {}
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            contents[name] = file.read()
    return contents


def refused(directory, expected):
    """Does drawing fail with a DataError that says this, and leave nothing?"""
    out = os.path.join(directory, "out")
    try:
        draw(directory, out)
    except DataError as error:
        return expected in str(error) and not os.path.exists(out)
    return False


def check():
    """Figures of the tiny tables, twice the same; then one malformed table at a time."""
    tiny = tiny_tables()
    week = tiny["week"]
    bad = [("toggle", tiny["toggle"].drop(columns="seed"), "expected columns"),
           ("week", week.assign(stalls="many"), "week.csv:2: expected a number as stalls"),
           ("timeline", tiny["timeline"].head(0), "expected rows, found none"),
           ("heat-x86", tiny["heat-x86"].head(2), "expected a sample of each of two places"),
           ("week", week[week.arch == "x86"], "expected rows of arm64")]
    with tempfile.TemporaryDirectory() as top:
        good = os.path.join(top, "good")
        write_tables(good, tiny)
        for name in ["first", "second"]:
            draw(good, os.path.join(top, name))
        first = files_of(os.path.join(top, "first"))
        if len(first) != 2 * (len(FLAGS) + 3) or first != files_of(os.path.join(top, "second")):
            raise DataError("check", "the same figures twice", ", ".join(first))
        for i, (name, table, expected) in enumerate(bad):
            directory = os.path.join(top, f"bad{i}")
            write_tables(directory, {**tiny, name: table})
            if not refused(directory, expected):
                raise DataError("check", f"an error '{expected}' for {name}", "none or another")
        if not refused(os.path.join(top, "nothing"), "no such file"):
            raise DataError("check", "an error for missing tables", "none or another")


def main():
    parser = argparse.ArgumentParser(description="Tables and figures of timed runs.")
    parser.add_argument("--collect", metavar="RAW", help="make the tables from documents in RAW")
    parser.add_argument("--data", metavar="DIR", help="the tables")
    parser.add_argument("--out", metavar="DIR", help="where the figures go")
    parser.add_argument("--check", action="store_true", help="check this program itself")
    args = parser.parse_args()
    if args.check == bool(args.data) or bool(args.data) != bool(args.collect or args.out):
        parser.error("give --check, or --data with --collect or --out")
    try:
        if args.check:
            check()
        if args.collect:
            collect(args.collect, args.data)
        if args.out:
            draw(args.data, args.out)
    except (DataError, OSError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
