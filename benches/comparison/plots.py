# SPDX-License-Identifier: MIT
"""The pictures of a run, as gnuplot scripts: panels of bars or lines under one legend."""
import math

from . import cells, figures, tables

KINDS = {"svg": "svg size {width},{height} background 'white' dynamic",
         "png": "pngcairo size {width},{height} background 'white'"}
FONT = "DejaVu Sans"
OURS = "#d55e00"
OURS_VARIANTS = ("#f2a26b", "#8c3d00", "#ffd2ad")
# The colours of Okabe and Ito, which the colour-blind can tell apart, less the one that is quire's
# and the yellow, which is pale on white. Where there are more peers than colours, bars are hatched
# and lines dashed.
COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#cc79a7", "#8c8c8c", "#e69f00")
FILLS = ("solid 1.0", "pattern 4", "pattern 2", "pattern 5")
FLOOR_COLOUR = "#000000"
POINTS = (5, 7, 9, 11, 13, 15, 4, 6, 8, 10, 12, 14)
BARS_WIDE = 0.88  # of a group, whose width is 1
LOG_FROM = 30  # a log axis where the greatest is this many times the least
HEAD, FOOT, PANEL_GAP = 64, 14, 76  # pixels
LEGEND_ROW, LEGEND_SAMPLE, LEGEND_LETTER = 22, 56, 9.2


class Style:
    def __init__(self, colour, fill, point, dash, ours):
        self.colour, self.fill, self.point = colour, fill, point
        self.dash, self.ours = dash, ours
        self.width = 1.6 if not ours else 4 if dash == 1 else 2.4

    def bar(self):
        border = "black" if self.ours else "#505050"
        return f"fs {self.fill} border lc rgb '{border}' lc rgb '{self.colour}' " \
               f"lw {1.6 if self.ours else 0.6}"

    def line(self):
        return f"lc rgb '{self.colour}' lw {self.width} dt {self.dash} " \
               f"pt {self.point} ps {1.3 if self.ours else 1.0}"


def share(run, peer):
    """How near it is to the best of each of its cells, in the mean: 1 where it is the best in
    all."""
    shares = []
    for cell in run.cells.values():
        medians = {name: cell.median(name) for name in cell.samples if not run.is_floor(name)}
        if medians.get(peer):
            best = min(medians.values()) if cell.less_is_better() else max(medians.values())
            shares.append(min(best / medians[peer], medians[peer] / best))
    return sum(shares) / len(shares) if shares else 0


def order_of(run):
    """quire and its variants, then the others with the fastest first, whose bars are plain."""
    peers = tables.ordered_peers(run, run.cells.values())
    ours = [peer for peer in peers if run.family(peer) == figures.QUIRE]
    others = [peer for peer in peers if peer not in ours]
    return ours + sorted(others, key=lambda peer: (run.is_floor(peer), -share(run, peer)))


def style_of(run, peers):
    """The same peer looks the same in every picture of a run. Durable peers stand in pictures of
    their own, and have the colours for themselves."""
    styles, ours, floors = {}, 0, 0
    counts = {True: 0, False: 0}
    for peer in peers:
        durable = "durable" in run.traits(peer)
        if peer == figures.QUIRE:
            styles[peer] = Style(OURS, "solid 1.0", 7, 1, True)
        elif run.family(peer) == figures.QUIRE:
            styles[peer] = Style(OURS_VARIANTS[ours % len(OURS_VARIANTS)], "solid 1.0", 6, 2, True)
            ours += 1
        elif run.is_floor(peer):
            styles[peer] = Style(FLOOR_COLOUR, "pattern 1", (1, 2, 3)[floors % 3], 3, False)
            floors += 1
        else:
            others = counts[durable]
            turn, place = divmod(others, len(COLOURS))
            styles[peer] = Style(COLOURS[place], FILLS[turn % len(FILLS)],
                                 POINTS[others % len(POINTS)], 1 + turn % 4, False)
            counts[durable] += 1
    return styles


class Panel:
    """data: {peer: [(x, middle, low, high)]}; labels: what stands at 0, 1, 2 ... of the x axis, or
    None where x is a number."""

    def __init__(self, title, unit, data, labels=None, x_title="", bars=True):
        self.title, self.unit, self.data, self.labels = title, unit, data, labels
        self.x_title, self.bars = x_title, bars

    def values(self):
        return [value for points in self.data.values() for point in points for value in point[1:]]


class Picture:
    def __init__(self, name, title, run, styles, panels, columns=1, size=(1500, 240)):
        self.name, self.title, self.run, self.styles = name, title, run, styles
        self.panels = [panel for panel in panels if panel.data]
        self.columns, self.size = columns, size
        self.own_axes = False

    def peers(self):
        there = {peer for panel in self.panels for peer in panel.data}
        return [peer for peer in self.styles if peer in there]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def axis(panels):
    """(log, least, most) of the y axis: a log axis where values span decades."""
    values = [value for panel in panels for value in panel.values() if value > 0]
    low, high = min(values), max(values)
    bars = any(panel.bars for panel in panels)
    if high / low < LOG_FROM:
        return False, 0, high * 1.08
    least = 10 ** math.floor(math.log10(low * (0.7 if bars else 0.95)))
    return True, least, high * 1.6


def block(number, panel, peers, floor):
    """The data of a panel: one index for each peer. Bars of a group stand close together about its
    middle: a peer that is not in it leaves no gap."""
    lines = [f"$panel{number} << END"]
    width = BARS_WIDE / len(peers)
    for peer in peers:
        for x, middle, low, high in panel.data.get(peer, ()):
            if not panel.bars:
                lines.append(f"{x} {middle:.9g} {low:.9g} {high:.9g}")
                continue
            present = [name for name in peers
                       if any(point[0] == x for point in panel.data.get(name, ()))]
            left = x + (present.index(peer) - len(present) / 2) * width
            lines.append(f"{left + width / 2:.5f} {middle:.9g} {low:.9g} {high:.9g} "
                         f"{left + 0.06 * width:.5f} {left + 0.94 * width:.5f} {floor:.9g}")
        if peer in panel.data:
            lines += ["", ""]
    return lines + ["END"]


def curves(number, panel, peers, styles):
    """quire is drawn last, over the others."""
    present = [peer for peer in peers if peer in panel.data]
    parts = []
    for peer in sorted(present, key=lambda name: styles[name].ours):
        source = f"$panel{number} index {present.index(peer)}"
        style = styles[peer]
        if panel.bars:
            parts.append(f"{source} using 1:2:5:6:7:2 with boxxyerror {style.bar()} notitle")
        else:
            parts.append(f"{source} using 1:2 with linespoints {style.line()} notitle")
    if panel.bars:
        parts.append(f"$panel{number} using 1:3:(0):($4-$3) with vectors heads nofilled "
                     "size screen 0.002,90 lc rgb 'black' lw 1 notitle")
    return "plot " + ", \\\n    ".join(parts)


def y_ticks(unit, log, most):
    """Of a log axis gnuplot's own, at the decades; else round numbers with their unit."""
    suffix = "s" if unit == "s" else ""
    if log:
        return [f"set ytics auto; set format y '%.0s %c{suffix}'"]
    step = 10 ** math.floor(math.log10(most / 7))
    step = next(step * times for times in (1, 2, 5, 10) if most / (step * times) <= 7)
    power = max(-3, min(3, math.floor(math.log10(most * 0.999) / 3)))
    prefix = {-3: "n", -2: "u", -1: "m", 0: "", 1: "k", 2: "M", 3: "G"}[power]
    ticks = [("0", 0)] + [
        (f"{number * step / 1000 ** power:.6g} {prefix}{suffix}".strip(), number * step)
        for number in range(1, int(most / step) + 1)]
    return ["set ytics (" + ", ".join(f"{quoted(text)} {at:.9g}" for text, at in ticks) + ")"]


def panel_commands(number, panel, box, scale, styles, peers):
    left, right, top, bottom = box
    log, least, most = scale
    lines = [f"set lmargin at screen {left:.4f}; set rmargin at screen {right:.4f}",
             f"set tmargin at screen {top:.4f}; set bmargin at screen {bottom:.4f}",
             f"set title {quoted(panel.title)} font '{FONT},12' offset 0,-0.6",
             f"set ylabel {quoted('seconds' if panel.unit == 's' else panel.unit)} offset 0.5,0",
             f"set xlabel {quoted(panel.x_title)} offset 0,0.4",
             f"{'set' if log else 'unset'} logscale y",
             *y_ticks(panel.unit, log, most), f"set yrange [{least:.9g}:{most:.9g}]"]
    if panel.labels is not None:
        ticks = ", ".join(f"{quoted(label)} {at}" for at, label in enumerate(panel.labels))
        lines += [f"set xtics ({ticks}) scale 0", "unset logscale x",
                  f"set xrange [-0.5:{len(panel.labels) - 0.5}]"]
    else:
        lines += ["set xtics auto scale 0.5; unset logscale x", "set xrange [0:*]"]
    return lines + [curves(number, panel, peers, styles)]


def legend_columns(picture):
    longest = max(map(len, picture.peers()))
    return max(1, int(picture.size[0] * 0.96 / (LEGEND_SAMPLE + LEGEND_LETTER * longest)))


def legend(picture, height, rows):
    """A plot of nothing, under the title, whose key is the legend of all panels."""
    bars = any(panel.bars for panel in picture.panels)
    lines = ["set lmargin at screen 0.02; set rmargin at screen 0.98",
             f"set tmargin at screen {1 - HEAD / height:.4f}",
             f"set bmargin at screen {1 - (HEAD + rows * LEGEND_ROW) / height:.4f}",
             "unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid",
             "unset logscale; set xrange [0:1]; set yrange [0:1]",
             f"set key at screen 0.5, screen {1 - HEAD / height:.4f} center top horizontal "
             f"Left reverse samplen 2.2 spacing 1.1 width 1 maxcols {legend_columns(picture)}"]
    parts = []
    for peer in picture.peers():
        style = picture.styles[peer]
        drawn = f"with boxes {style.bar()}" if bars else f"with linespoints {style.line()}"
        parts.append(f"NaN {drawn} title {quoted(peer)}")
    return lines + ["plot " + ", \\\n    ".join(parts), "unset key",
                    "set border 3 lc rgb '#606060'; set ytics nomirror; set xtics nomirror",
                    "set grid ytics lc rgb '#c4c4c4' lw 1 dt 1"]


def subtitle(run):
    facts = run.about
    return (f"Run {facts['name']}, {facts['date'][:10]}; {facts['cpu']}, {facts['cpus']} CPUs, "
            f"{tables.kib_text(facts['memory_kib'])}; commit {facts['commit']}; rounds: "
            f"{facts['rounds']}")


def scales_of(picture):
    """Panels of one unit have one range, so that they can be compared by eye; but where a picture
    says that what it shows is the form of each panel's lines."""
    if picture.own_axes:
        return [axis([panel]) for panel in picture.panels]
    return [axis([other for other in picture.panels if other.unit == panel.unit])
            for panel in picture.panels]


def script(picture):
    peers, panels = picture.peers(), picture.panels
    rows = -(-len(panels) // picture.columns)
    width = picture.size[0]
    legend_rows = -(-len(peers) // legend_columns(picture))
    top = HEAD + legend_rows * LEGEND_ROW
    height = top + rows * (picture.size[1] + PANEL_GAP) + FOOT
    scales = scales_of(picture)
    lines = ["# SPDX-License-Identifier: MIT", "set encoding utf8"]
    for number, panel in enumerate(panels):
        lines += block(number, panel, peers, scales[number][1])
    for kind, terminal in KINDS.items():
        lines += ["reset", f"set terminal {terminal.format(width=width, height=height)} "
                           f"font '{FONT},11' noenhanced",
                  f"set output {quoted(f'{picture.name}.{kind}')}", "set multiplot",
                  f"set label 1 {quoted(picture.title)} at screen 0.5, screen "
                  f"{1 - 20 / height:.4f} center font '{FONT},16'",
                  f"set label 2 {quoted(subtitle(picture.run))} at screen 0.5, "
                  f"screen {1 - 44 / height:.4f} center font '{FONT},11' tc rgb '#404040'"]
        lines += legend(picture, height, legend_rows) + ["unset label 1; unset label 2"]
        for number, panel in enumerate(panels):
            row, column = divmod(number, picture.columns)
            y = top + row * (picture.size[1] + PANEL_GAP) + 30
            left = (column + 88 / (width / picture.columns)) / picture.columns
            box = (left, (column + 1) / picture.columns - 18 / width, 1 - y / height,
                   1 - (y + picture.size[1]) / height)
            lines += panel_commands(number, panel, box, scales[number], picture.styles, peers)
        lines += ["unset multiplot", "set output"]
    return "\n".join(lines) + "\n"


def point(cell, peer, x, name=None, scale=1.0):
    """(x, median, least, most), or None."""
    values = [value * scale for value in cell.values(peer, name).values() if value > 0]
    if not values:
        return None
    return x, cell.median(peer, name) * scale, min(values), max(values)


def collected(chosen, name=None, scale=1.0, peers=None):
    """The points of all peers, the x of a cell being its place among those chosen."""
    data = {}
    for x, cell in enumerate(chosen):
        for peer in peers or cell.samples:
            made = point(cell, peer, x, name, scale)
            if made:
                data.setdefault(peer, []).append(made)
    return data


def with_way(label, cell):
    return label + (" pinned" if cell.pinned else "")


def size_title(size):
    return "real text of mixed sizes" if size == "mixed" else f"{size} bytes"


def batch_title(batch):
    return "one at a time" if batch == "1" else f"batches of {batch}"


def throughput_pictures(run, styles):
    found = run.section("throughput")
    for batch in map(str, cells.BATCHES):
        panels = []
        for size in cells.SIZES:
            chosen = [cell for cell in found if cell.words[1:] == [size, batch]]
            panels.append(Panel(size_title(size), "messages/s", collected(chosen),
                                [with_way(cell.words[0], cell) for cell in chosen]))
        yield Picture(f"throughput-{batch}", f"Throughput, {batch_title(batch)}", run, styles,
                      panels)


def scaling_picture(run, styles):
    panels = []
    for crew in ("1P1C", "2P2C", "4P4C", "8P8C"):
        for batch in map(str, cells.BATCHES):
            for pinned in (False, True):
                chosen = [cell for cell in run.section("throughput")
                          if cell.words[0] == crew and cell.words[1] != "mixed"
                          and cell.words[2] == batch and cell.pinned == pinned]
                panel = Panel(f"{crew}{', pinned' if pinned else ''}, {batch_title(batch)}",
                              "messages/s", collected(chosen),
                              [f"{cell.words[1]} bytes" for cell in chosen], bars=False)
                if len(chosen) > 1:
                    panels.append(panel)
    made = Picture("scaling", "Throughput by message size", run, styles, panels, columns=2,
                   size=(1500, 260))
    made.own_axes = True
    yield made


def one_picture(run, styles):
    panels = []
    for batch in map(str, cells.BATCHES):
        chosen = [cell for cell in run.section("one") if cell.words[1] == batch]
        panels.append(Panel(batch_title(batch), "messages/s", collected(chosen),
                            [with_way(cell.words[0], cell) for cell in chosen],
                            "size of a message (bytes)"))
    yield Picture("one", "One thread sends and receives", run, styles, panels)


def fanout_picture(run, styles):
    chosen = run.section("fanout")
    yield Picture("fanout", "Fan-out: deliveries to all groups, 64 bytes", run, styles,
                  [Panel("", "messages/s", collected(chosen),
                         [with_way(cell.words[0].rstrip("G"), cell) for cell in chosen],
                         "groups")], size=(1000, 300))


PERCENTILES = (("p50_ns", "p50"), ("p99_ns", "p99"), ("p999_ns", "p99.9"), ("max_ns", "longest"))


def percentile_panel(cell, title):
    data = {}
    for peer in cell.samples:
        points = [point(cell, peer, x, name, 1e-9) for x, (name, _) in enumerate(PERCENTILES)]
        data[peer] = [made for made in points if made]
    return Panel(title, "s", data, [label for _, label in PERCENTILES], bars=False)


def latency_pictures(run, styles):
    panels = []
    for cell in run.section("pingpong"):
        wait = "busy waits" if cell.words[0] == "busy" else "blocking waits"
        panels.append(percentile_panel(cell, with_way(f"{wait}, {cell.words[1]} bytes,", cell)))
    pingpong = Picture("pingpong", "Ping-pong: time of a round trip", run, styles, panels,
                       columns=2, size=(1500, 300))
    pingpong.own_axes = True
    yield pingpong
    panels = [percentile_panel(cell, with_way(f"{int(cell.words[0]):,} messages/s,", cell))
              for cell in run.section("loaded")]
    yield Picture("loaded", "Latency at a fixed rate, 64 bytes, busy waits, from the time a "
                  "message was due", run, styles, panels, columns=3, size=(1500, 360))


def durable_picture(run, styles):
    chosen = run.section("durable")
    labels = [with_way(cell.words[0].rstrip("P"), cell) for cell in chosen]
    latency = {}
    for x, cell in enumerate(chosen):
        for peer in cell.samples:
            p50, p99 = (point(cell, peer, x, name, 1e-9) for name in ("p50_ns", "p99_ns"))
            if p50 and p99:
                latency.setdefault(peer, []).append((x, p50[1], p50[1], p99[1]))
    yield Picture("durable", "Durable: each message on the disk before its send returns", run,
                  styles, [Panel("Throughput", "messages/s", collected(chosen), labels,
                                 "producers"),
                           Panel("Time of one send: p50, and p99 at the end of the whisker", "s",
                                 latency, labels, "producers")], columns=2, size=(1300, 360))


def steady_picture(run, styles):
    """The series of the last round that a peer has."""
    panels = []
    for cell in run.section("steady"):
        data = {}
        for peer, samples in cell.samples.items():
            series = samples[max(samples)]["series"]
            data[peer] = [(second, rate, rate, rate) for second, rate in enumerate(series, 1)
                          if rate > 0]
        data = {peer: points for peer, points in data.items() if points}
        panels.append(Panel(with_way("", cell), "messages/s", data, x_title="seconds",
                            bars=False))
    yield Picture("steady", "Steady state on a small ring on disk", run, styles, panels,
                  size=(1200, 360))


def pictures(run):
    """Those that have something to show."""
    styles = style_of(run, order_of(run))
    for made in (one_picture, throughput_pictures, scaling_picture, fanout_picture,
                 latency_pictures, durable_picture, steady_picture):
        yield from (picture for picture in made(run, styles) if picture.panels)
