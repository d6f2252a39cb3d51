#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Plot the rows of tools/bench scale: one panel for each axis, one line for each figure and class.

    plot.py scale.json doc/scale.svg

The values of an axis are evenly spaced, because they grow by a constant factor (loads: by a
constant step). A bar at a point is the range of its samples. The script needs nothing but Python.
"""

import json
import math
import sys
from xml.sax.saxutils import escape

from output import Output

WIDTH, HEIGHT = 400, 250        # of a panel
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 60, 50
NAMES = 3       # of lines, beside each other
TITLES = {'queues': ('queues', 'ns a packet'), 'ports': ('ports', 'ns a packet'),
          'rings': ('descriptors of a ring', 'ns a packet'),
          'bursts': ('packets of a burst', 'ns a packet'),
          'pools': ('mbufs of a pool without a cache', 'ns a packet'),
          'latency': ('load, of the rate of saturation', 'ns of a round trip, logarithmic')}
FIGURES = {'ns_per_packet': '', 'p50_ns': 'median', 'p99_ns': '99 %', 'p9999_ns': '99.99 %'}
COLOURS = ('#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#8c564b')


def lines_of(rows):
    """Return {name: [(value, ns, lowest, highest)]} of the rows of an axis."""
    out = {}
    for row in rows:
        for figure, name in FIGURES.items():
            if figure in row:
                ns = row[figure]
                out.setdefault(' '.join(filter(None, (name, row['class']))), []).append(
                    (row.get('value', row.get('load')), ns, row.get('min', ns),
                     row.get('max', ns)))
    return out


def ticks_of(highest, lowest, logarithmic):
    """Return the numbers beside a vertical axis, of which the first and the last are its ends."""
    if logarithmic:
        return [10 ** i for i in range(math.floor(math.log10(lowest)),
                                       math.ceil(math.log10(highest * 1.01)) + 1)]
    step = 10 ** math.floor(math.log10(highest / 2))
    step *= next(n for n in (1, 2, 5, 10) if highest / (step * n) <= 6)
    return [step * i for i in range(math.ceil(highest / step) + 1)]


def text(x, y, words, anchor='middle', colour='black'):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>' % (x, y, anchor, colour,
                                                                             escape(words))


def panel(axis, rows):
    """Return the SVG of an axis."""
    lines = lines_of(rows)
    points = [p for line in lines.values() for p in line]
    values = sorted({p[0] for p in points})
    logarithmic = axis == 'latency'
    ticks = ticks_of(max(p[3] for p in points), min(p[2] for p in points), logarithmic)
    scale = math.log10 if logarithmic else float
    low, high = scale(ticks[0]), scale(ticks[-1])
    step = (WIDTH - LEFT - RIGHT) / len(values)

    def x(value):
        return LEFT + (values.index(value) + 0.5) * step

    def y(ns):
        return HEIGHT - BOTTOM - (scale(ns) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    out = [text(LEFT, 16, TITLES[axis][1], 'start')]
    out += [text(x(v), HEIGHT - BOTTOM + 16, '%g' % v) for v in values]
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, TITLES[axis][0]))
    for tick in ticks:
        out.append('<path d="M%d %.1fH%d" stroke="#ccc"/>' % (LEFT, y(tick), WIDTH - RIGHT))
        out.append(text(LEFT - 6, y(tick) + 4, format(tick, ','), 'end'))
    for i, (name, line) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        bars = ''.join('M%.1f %.1fV%.1f' % (x(v), y(lowest), y(highest))
                       for v, _, lowest, highest in line)
        out.append('<path d="M%s%s" fill="none" stroke="%s" stroke-width="2"/>' % (
            'L'.join('%.1f %.1f' % (x(v), y(ns)) for v, ns, _, _ in line), bars, colour))
        out.append(text(LEFT + i % NAMES * (WIDTH - LEFT) / NAMES, 32 + i // NAMES * 16, name,
                        'start', colour))
    return '\n'.join(out)


def svg(rows):
    axes = [axis for axis in TITLES if any(row['axis'] == axis for row in rows)]
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-size="11" '
           'font-family="sans-serif">' % (2 * WIDTH, (len(axes) + 1) // 2 * HEIGHT),
           '<rect width="100%" height="100%" fill="white"/>']
    for i, axis in enumerate(axes):
        out.append('<g transform="translate(%d %d)">' % (i % 2 * WIDTH, i // 2 * HEIGHT))
        out += [panel(axis, [row for row in rows if row['axis'] == axis]), '</g>']
    return '\n'.join(out + ['</svg>', ''])


def main():
    if len(sys.argv) != 3:
        print('usage: plot.py scale.json FILE.svg', file=sys.stderr)
        return 2
    try:
        out = Output(sys.argv[2], [sys.argv[1]])
        with open(sys.argv[1], encoding='utf-8') as f:
            rows = json.load(f)['rows']
        out.write_text(svg(rows))
    except (OSError, ValueError, KeyError) as e:
        print('plot.py: %s' % e, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
