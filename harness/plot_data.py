# SPDX-License-Identifier: Apache-2.0
"""The tables that plot.py draws: their columns, reading them, and making them from the documents of
's2sim run' by leaving out what no figure shows. Units are in the names of the columns."""
import json
import os
import re
from functools import partial

import numpy as np
import pandas as pd

ARCHES = ["x86", "arm64"]
PAGE_SIZES = ["none", "4k", "2m", "1g"]

CONFIG = ["file", "scenario", "policy", "profile", "vcpus", "seed"]
EDGES = ["enable", "disable"]
TOGGLE = ["kind", "arch", "mapping", "split", "slot_gib", *CONFIG, "working_set_mib", "answer_us"]
MEASURES = ["ioctl_ns", "entries", "faults", "stall_per_vcpu_ns", "left_4k_pages"]
TOGGLE += [f"{edge}_{measure}" for edge in EDGES for measure in MEASURES]
WEEK = ["arch", *CONFIG, "chunk", "phase", "start_ms", "time_ms", "guest_ms", "accesses",
        "think_us", "stalls", "stall_p50_us", "stall_p99_us", "stall_max_us"]
HEAT = ["time_ms", "gpa_mib", *[f"{size}_probes" for size in PAGE_SIZES]]
SPANS = ["arch", "actor", "state", "start_us", "end_us"]
LINE_TABLE = ["arch", *CONFIG, "chunk", "line", "actor", "text", "start_us", "end_us"]
# Columns that are not numbers.
TEXTS = {"kind", "arch", "mapping", "split", "file", "scenario", "policy", "profile", "phase",
         "actor", "state", "text", "chunk", "run", "command"}
TABLES = {"toggle": TOGGLE, "week": WEEK, "heat-x86": HEAT, "heat-arm64": HEAT, "timeline": SPANS,
          "timeline-lines": LINE_TABLE}


class DataError(Exception):
    """Data from outside that is missing or malformed: file, what was expected, what was found."""

    def __init__(self, path, expected, found):
        super().__init__(f"{path}: expected {expected}, found {found}")


# ---- Files ---------------------------------------------------------------------------------------


def read_table(path, columns, sep=","):
    """A CSV table with these columns, in this order, numbers as numbers, and at least one row."""
    try:
        table = pd.read_csv(path, sep=sep, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataError(path, "a table", "no such file") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(path, "a table", str(error).strip()) from None
    if list(table.columns) != columns:
        raise DataError(path, "columns " + ",".join(columns), ",".join(table.columns))
    if table.empty:
        raise DataError(path, "rows", "none")
    for column in columns:
        if column in TEXTS:
            continue
        numbers = pd.to_numeric(table[column], errors="coerce")
        bad = numbers[~np.isfinite(numbers)].index
        if len(bad):
            raise DataError(f"{path}:{bad[0] + 2}", f"a number as {column}",
                            repr(table[column][bad[0]]))
        table[column] = numbers
    return table


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        raise DataError(path, "a document of 's2sim run --json'", "no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(path, "a document of 's2sim run --json'", str(error)) from None
    schema = document.get("schema") if isinstance(document, dict) else type(document).__name__
    if schema != "s2sim.run/1":
        raise DataError(path, "schema s2sim.run/1", repr(schema))
    return document


def replace_files(directory, writers):
    """Writes all under temporary names, then renames them. writers: name -> function(path)."""
    os.makedirs(directory, exist_ok=True)
    temporary = {name: os.path.join(directory, f".new-{name}") for name in sorted(writers)}
    try:
        for name, path in temporary.items():
            writers[name](path)
        for name, path in temporary.items():
            os.replace(path, os.path.join(directory, name))
    finally:
        for path in temporary.values():
            if os.path.exists(path):
                os.remove(path)


def of_arch(table, arch, path):
    part = table[table.arch == arch]
    if part.empty:
        raise DataError(path, f"rows of {arch}", ", ".join(sorted(set(table.arch))))
    return part


def write_tables(directory, tables):
    options = {"index": False, "float_format": "%.12g", "lineterminator": "\n"}
    replace_files(directory, {f"{name}.csv": partial(table.to_csv, **options)
                              for name, table in tables.items()})


# ---- Collecting ----------------------------------------------------------------------------------


def value_of(path, place, name):
    if name not in place:
        raise DataError(path, f"a member '{name}'", ", ".join(sorted(place))[:200] or "none")
    return place[name]


def words_of(text):
    """key=value words of a scenario's line."""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def quantity(path, text, units):
    match = re.fullmatch(r"(0x[0-9a-fA-F]+|[0-9]+)([A-Za-z]*)", text)
    if not match or match[2] not in units:
        raise DataError(path, f"a number with one of the units {sorted(units)}", repr(text))
    return int(match[1], 0) * units[match[2]]


def size_mib(path, text):
    units = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    return quantity(path, text, units) / 2**20


def time_us(path, text):
    return quantity(path, text, {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6})


def config_of(path, document):
    config = value_of(path, document, "config")
    row = {name: value_of(path, config, name) for name in CONFIG if name != "seed"}
    return {**row, "seed": value_of(path, document, "seed")}


def phases_of(path, document):
    phases = {}
    for phase in value_of(path, document, "phases"):
        phases[value_of(path, phase, "name")] = phase
    return phases


def to_ps(time_ns):
    """The documents have nanoseconds with three decimals: exact as picoseconds."""
    return round(time_ns * 1000)


def lines_of(path, document, phase):
    """The lines that begin in a phase."""
    start = to_ps(value_of(path, phase, "start_ns"))
    end = start + to_ps(value_of(path, phase, "time_ns"))
    return [line for line in value_of(path, document, "lines")
            if start <= to_ps(line["start_ns"]) < end]


def chunk_of(command):
    match = re.search(r" -D CHUNK=([^ ]*)", command)
    return match[1] if match else "-"


def toggle_row(path, run):
    document = read_json(path)
    phases = phases_of(path, document)
    row = {**{name: run[name] for name in ["kind", "arch", "mapping", "split"]},
           "slot_gib": run["gib"], **config_of(path, document)}
    for edge in EDGES:
        ioctl = value_of(path, phases, edge)
        after = value_of(path, phases, f"after-{edge}")
        stats, back = ioctl["stats"], after["stats"]
        ops = [line for line in lines_of(path, document, ioctl)
               if line["text"].startswith("op set_region ")]
        if len(ops) != 1:
            raise DataError(path, f"one set_region in phase {edge}", len(ops))
        row[f"{edge}_ioctl_ns"] = ops[0]["time_ns"]
        row[f"{edge}_entries"] = sum(value_of(path, stats, name) for name in
                                     ["s2_pte_write", "s2_pte_cmpxchg", "s2_split_entry"])
        row[f"{edge}_faults"] = value_of(path, back, "s2_exit_fault")
        row[f"{edge}_left_4k_pages"] = value_of(path, back, "s2_pages_4k")
        row[f"{edge}_stall_per_vcpu_ns"] = value_of(path, back, "s2_stall_ns") / row["vcpus"]
    after = lines_of(path, document, phases["after-enable"])
    words = words_of(after[0]["text"])
    row["working_set_mib"] = (row["vcpus"] * int(value_of(path, words, "n")) *
                              size_mib(path, value_of(path, words, "stride")))
    row["answer_us"] = time_us(path, words.get("answer", "0us"))
    return row


def week_rows(path, run):
    document = read_json(path)
    config = config_of(path, document)
    for name, phase in phases_of(path, document).items():
        own = lines_of(path, document, phase)
        guest = [line for line in own if line["actor"].startswith("vcpu")]
        stats = phase["stats"]
        if not own or name == "run":
            continue
        think = {time_us(path, words_of(line["text"]).get("think", "0us")) for line in guest}
        yield {"arch": run["arch"], **config, "chunk": chunk_of(run["command"]), "phase": name,
               "start_ms": phase["start_ns"] / 1e6, "time_ms": phase["time_ns"] / 1e6,
               "guest_ms": max((line["time_ns"] for line in guest), default=0) / 1e6,
               "accesses": value_of(path, stats, "s2_access"), "think_us": max(think, default=0),
               "stalls": value_of(path, stats, "s2_stalls"),
               **{f"stall_{q}_us": value_of(path, stats, f"s2_stall_{q}_ns") / 1e3
                  for q in ["p50", "p99", "max"]}}


def thin_heat(path):
    """Only the samples of a place that differ from the one before; the last one always."""
    raw = read_table(path, ["time_ns", "gpa", "bytes", *PAGE_SIZES])
    table = pd.DataFrame({"time_ms": raw.time_ns / 1e6, "gpa_mib": raw.gpa / 2**20})
    for size in PAGE_SIZES:
        table[f"{size}_probes"] = raw[size]
    table = table.sort_values(["gpa_mib", "time_ms"], kind="stable")
    before = table.groupby("gpa_mib").shift(1)
    changed = (table[HEAT[2:]] != before[HEAT[2:]]).any(axis=1)
    return table[changed | (table.time_ms == table.time_ms.max())]


def timeline_rows(path, run):
    document = read_json(path)
    config = config_of(path, document)
    for line in value_of(path, document, "lines"):
        start = line["start_ns"] / 1e3
        yield {"arch": run["arch"], **config, "chunk": chunk_of(run["command"]),
               "line": line["line"], "actor": line["actor"], "text": line["text"],
               "start_us": start, "end_us": start + line["time_ns"] / 1e3}


def add_run(run, raw, rows, tables):
    """One run's rows and tables; rows: lists for toggle, week, lines and spans."""
    path = os.path.join(raw, f"{run['run']}.json")
    arch = run["arch"]
    if run["kind"].startswith("toggle-"):
        rows["toggle"].append(toggle_row(path, run))
    elif run["kind"] == "week":
        rows["week"].extend(week_rows(path, run))
        tables[f"heat-{arch}"] = thin_heat(os.path.join(raw, f"heat-{arch}.csv"))
    elif run["kind"] == "timeline":
        rows["lines"].extend(timeline_rows(path, run))
        table = read_table(os.path.join(raw, f"timeline-{arch}.csv"),
                           ["actor", "state", "start_ns", "end_ns"])
        rows["spans"].append(table.assign(arch=arch, start_us=table.start_ns / 1e3,
                                          end_us=table.end_ns / 1e3)[SPANS])
    else:
        raise DataError(os.path.join(raw, "runs.tsv"), "toggle-*, week or timeline", run["kind"])


def collect(raw, data):
    """The tables of all runs that RAW/runs.tsv lists."""
    runs = read_table(os.path.join(raw, "runs.tsv"),
                      ["run", "kind", "arch", "mapping", "split", "gib", "command"], sep="\t")
    rows = {name: [] for name in ["toggle", "week", "lines", "spans"]}
    tables = {}
    for run in runs.to_dict("records"):
        try:
            add_run(run, raw, rows, tables)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(os.path.join(raw, f"{run['run']}.json"),
                            "a document of 's2sim run --json'", repr(error)) from None
    tables["toggle"] = pd.DataFrame(rows["toggle"], columns=TOGGLE)
    tables["week"] = pd.DataFrame(rows["week"], columns=WEEK)
    tables["timeline-lines"] = pd.DataFrame(rows["lines"], columns=LINE_TABLE)
    tables["timeline"] = pd.concat(rows["spans"] or [pd.DataFrame(columns=SPANS)])
    write_tables(data, tables)
