# SPDX-License-Identifier: MIT
"""A run as tables: plain text of at most 80 columns, or Markdown."""
import math
import re
import statistics
import textwrap

from . import cells, figures, goals

WIDTH = 80
GAP = 2
PEERS_FIRST = ("quire",)
MEMORY_CREWS = ("1P1C", "4P4C")
TITLES = {"one": "One thread sends and receives (messages/s)",
          "throughput": "Throughput (messages/s)",
          "fanout": "Fan-out (deliveries to all groups/s)",
          "pingpong": "Ping-pong (round trip, p50; less is better)",
          "loaded": "Latency at a fixed rate (p99; less is better)",
          "durable": "Durable: on the disk before a send returns (messages/s)",
          "steady": "Steady state on a small ring on disk (messages/s)"}


class Table:
    def __init__(self, title, head, rows, note=""):
        self.title, self.head, self.rows, self.note = title, head, rows, note


def scaled(value, units):
    """Three digits and a unit: 31.2 M."""
    if value is None:
        return "-"
    unit = units[-1]
    for size, name in units:
        unit = (size, name)
        if value >= size * 0.9995:
            break
    number = value / unit[0]
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f} {unit[1]}".rstrip()


def rate_text(value):
    return scaled(value, ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")))


def time_text(value):
    return scaled(value, ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns")))


def bytes_text(value):
    return scaled(value, ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")))


def kib_text(value):
    return bytes_text(None if value is None else value * 1024)


def ratio_text(value):
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"


def count_text(value):
    return "-" if value is None else f"{value:.1f}" if value < 999.95 else f"{value:.0f}"


def text_of(name):
    if name.endswith("_ns"):
        return time_text
    if name.endswith("_kib"):
        return kib_text
    if name == "instructions":
        return count_text
    return bytes_text if name == "written" else rate_text


def cell_label(cell):
    words = list(cell.words)
    if cell.section in ("one", "throughput"):
        words[-1] = "x" + words[-1]
    return " ".join(words + (["pinned"] if cell.pinned else []))


def ordered_peers(run, chosen):
    """quire, its variants, then the others in the order of their families."""
    there = {peer for cell in chosen for peer in cell.samples}
    return sorted(there, key=lambda peer: (peer not in PEERS_FIRST,
                                           run.family(peer) != figures.QUIRE,
                                           run.is_floor(peer), run.family(peer), peer))


def compared_row(run, cell):
    text = text_of(cell.value_name())
    rival = run.best(cell)
    ratio = cell.ratio(rival, run.rounds) if rival else None
    row = [cell_label(cell), text(cell.median(figures.QUIRE)),
           text(cell.median(rival)) if rival else "-", rival or "-"]
    if not ratio:
        return row + ["-"]
    return row + [f"{ratio_text(ratio.median)} ({ratio_text(ratio.low)}..{ratio_text(ratio.high)})"
                  + ("" if ratio.whole else "*")]


def compared_table(run, section):
    chosen = run.section(section)
    rows = [compared_row(run, cell) for cell in chosen]
    note = "* fewer rounds than the others: a run of one of the two has no figure." \
        if any(row[-1].endswith("*") for row in rows) else ""
    if section == "throughput":
        note = ("With more than two threads, best is the best other with the trait mpmc. "
                + note).strip()
    return Table(TITLES[section], ["cell", "quire", "best", "best other", "quire / best"], rows,
                 note)


# Of each section: the values of its matrices, what of a cell makes a matrix of its own, and what
# names a column of it.
MATRICES = {
    "one": (("rate",), lambda words: "x" + words[1], lambda words: words[0]),
    "throughput": (("rate",), lambda words: f"{words[1]} x{words[2]}", lambda words: words[0]),
    "fanout": (("rate",), lambda words: "", lambda words: words[0]),
    "pingpong": (("p50_ns", "p99_ns", "p999_ns", "max_ns"), lambda words: "",
                 lambda words: " ".join(words)),
    "loaded": (("p50_ns", "p99_ns", "p999_ns", "max_ns", "rate"), lambda words: "",
               lambda words: rate_text(int(words[0])) + "/s"),
    "durable": (("rate", "p50_ns", "p99_ns", "max_ns", "written"), lambda words: "",
                lambda words: words[0]),
    "steady": (("rate", "resident_begin_kib", "resident_end_kib", "written"), lambda words: "",
               lambda words: words[0]),
}
VALUE_TITLES = {"rate": "messages/s", "p50_ns": "p50", "p99_ns": "p99", "p999_ns": "p99.9",
                "max_ns": "longest", "written": "written per message",
                "resident_begin_kib": "resident at the beginning",
                "resident_end_kib": "resident at the end"}


def matrix(run, title, chosen, value, column, order=ordered_peers):
    text = text_of(value)
    both = len({cell.pinned for cell in chosen}) > 1
    rows = []
    for peer in order(run, chosen):
        medians = [cell.median(peer, value) for cell in chosen]
        if any(median is not None for median in medians):
            rows.append([peer] + [text(median) for median in medians])
    head = ["peer"] + [column(cell.words) + ("*" if both and cell.pinned else "")
                       for cell in chosen]
    return Table(title, head, rows, "* pinned" if both else "") if rows else None


def matrices(run, section):
    values, block_of, column = MATRICES[section]
    blocks = {}
    for cell in run.section(section):
        blocks.setdefault(block_of(cell.words), []).append(cell)
    for block, chosen in blocks.items():
        for value in values:
            title = ", ".join(filter(None, (section, block, VALUE_TITLES[value])))
            pinned = all(cell.pinned for cell in chosen)
            table = matrix(run, title + (", pinned" if pinned else ""), chosen, value, column)
            if table:
                yield table


def leading(chosen):
    """The cell by which a table of instructions is sorted: 64 bytes, where it was counted."""
    return next((cell for cell in chosen if cell.words[0] == "64"), chosen[0])


def fewest_first(run, chosen):
    """Who is not in the leading cell comes after those who are."""
    def instructions(peer):
        median = leading(chosen).median(peer)
        return math.inf if median is None else median
    return sorted(ordered_peers(run, chosen), key=instructions)


def instructions_tables(run):
    for batch in map(str, cells.BATCHES):
        chosen = [cell for cell in run.counted.values() if cell.words[1] == batch]
        title = f"Instructions of one message, x{batch}, with filling and checking it"
        table = matrix(run, title, chosen, "instructions", lambda words: words[0], fewest_first)
        if table:
            table.note = ("Sent and received in one thread, counted by callgrind in the whole "
                          "process, not in the kernel; the fewest first, at size "
                          f"{leading(chosen).words[0]}.")
            yield table


def resident(chosen, peer, size):
    values = [value for cell in chosen if cell.words[1] == size
              for value in cell.values(peer, "resident_kib").values() if value > 0]
    return statistics.median(values) if values else None


def memory_tables(run):
    for crew in MEMORY_CREWS:
        chosen = [cell for cell in run.section("throughput") if cell.words[0] == crew]
        there = {cell.words[1] for cell in chosen}
        sizes = [size for size in cells.SIZES if size in there]
        rows = []
        for peer in ordered_peers(run, chosen):
            medians = [resident(chosen, peer, size) for size in sizes]
            if any(median is not None for median in medians):
                rows.append([peer] + [kib_text(median) for median in medians])
        yield Table(f"Memory, {crew}: resident in the whole process", ["peer"] + sizes, rows,
                    "Medians of all runs, one at a time and in batches.")


def goals_table(run):
    rows = [[goal.words, goal.verdict, goal.detail] for goal in goals.goals(run)]
    return Table("Goals", ["goal", "verdict", "detail"], rows)


def peers_table(run):
    rows = [[peer, str(record.get("package") or "-"), str(record.get("version") or "-"),
             " ".join(record["traits"])] for peer, record in sorted(run.peers.items())]
    return Table("Peers", ["peer", "package", "version", "traits"], rows)


def failures_table(run):
    """Equal failures are one row."""
    counts = {}
    for record in run.failed:
        cell = record.get("cell", "--list") + (" pinned" if record.get("pinned") else "")
        row = (cell, record["peer"], record["reason"])
        counts[row] = counts.get(row, 0) + 1
    return Table("Runs without a figure", ["cell", "peer", "runs", "reason"],
                 [[cell, peer, str(count), reason]
                  for (cell, peer, reason), count in counts.items()])


def about(run):
    facts = run.about
    memory = kib_text(facts["memory_kib"])
    lines = [f"Run {facts['name']}, {facts['date']}, commit {facts['commit']}",
            f"{facts['cpu']}, {facts['cpus']} CPUs, {memory}, {facts['kernel']}, "
            f"files on {facts['file_system']}",
            f"{facts['compiler']}; load before {facts['load']}",
            f"Rounds: {facts['rounds']}. Figures are medians; ratios are taken round by round, "
            "median (min..max)."]
    if facts["quick"]:
        lines.append("A quick run: it shows that everything runs, and its figures say nothing.")
    return lines


def one_line(text):
    return re.sub(r"\s+", " ", text)


def plain_table(table):
    """Columns as wide as they need; where that is more than WIDTH, the widest give way, and their
    words wrap."""
    rows = [table.head] + table.rows
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    while sum(widths) + GAP * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in rows:
        lines += plain_row(row, widths)
        if row is table.head:
            lines.append("-" * (sum(widths) + GAP * (len(widths) - 1)))
    return lines


def is_number(text):
    return re.match(r"[-\d]", text) is not None


def plain_row(row, widths):
    parts = [textwrap.wrap(text, width) or [""] for text, width in zip(row, widths)]
    lines = []
    for number in range(max(map(len, parts))):
        line = []
        for column, (part, width) in enumerate(zip(parts, widths)):
            text = part[number] if number < len(part) else ""
            right = column > 0 and is_number(row[column]) and " (" not in row[column]
            line.append(text.rjust(width) if right else text.ljust(width))
        lines.append((" " * GAP).join(line).rstrip())
    return lines


def plain_goals(table):
    lines = []
    for words, verdict, detail in table.rows:
        lines += textwrap.wrap(f"{verdict:<13} {words}", WIDTH, subsequent_indent=" " * 14)
        lines += textwrap.wrap(detail, WIDTH, initial_indent=" " * 14,
                               subsequent_indent=" " * 14)
    return lines


def plain(table):
    lines = [table.title, "=" * len(table.title), ""]
    lines += plain_goals(table) if table.title == "Goals" else plain_table(table)
    lines += [""] + textwrap.wrap(table.note, WIDTH) if table.note else []
    return lines + [""]


def markdown(table):
    def row(words):
        return "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |"
    lines = [f"### {table.title}", "", row(table.head)]
    first = table.rows[0]
    lines.append("|" + "|".join("---:" if number and is_number(first[number]) else "---"
                                for number in range(len(first))) + "|")
    lines += [row(map(one_line, words)) for words in table.rows]
    lines += [""] + textwrap.wrap(table.note, 100) if table.note else []
    return lines + [""]


def tables(run):
    present = [section for section in cells.SECTIONS if run.section(section)]
    for section in present:
        yield compared_table(run, section)
    yield goals_table(run)
    for section in present:
        yield from matrices(run, section)
    yield from instructions_tables(run)
    yield from memory_tables(run)
    yield failures_table(run)
    yield peers_table(run)


def report(run, as_markdown=False):
    shown = [table for table in tables(run) if table.rows]
    if as_markdown:
        lines = [line for fact in about(run) for line in textwrap.wrap(fact, 100)] + [""]
    else:
        lines = [line for fact in about(run) for line in textwrap.wrap(fact, WIDTH)] + [""]
    for table in shown:
        lines += markdown(table) if as_markdown else plain(table)
    return "\n".join(lines).rstrip() + "\n"
