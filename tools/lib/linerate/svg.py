# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Axes and marks as SVG: what the plots of a page have in common.

The style sheet of the page colours a plot by the classes of its elements, so that the plot follows
the page to dark screens and to paper. Series number n has the class "s<n>". Series differ in the
shape of their marks and in the dashes of their lines as much as in colour, so that people who
are colour-blind, and readers of a black-and-white print, can distinguish them. Each mark has its
value as a title, which browsers show beside the pointer.

A plot is as wide as a phone, so that a unit is a pixel there, and letters have the size of text.
"""

import math
from html import escape

WIDTH, HEIGHT = 350, 230
LEFT, RIGHT, TOP, BOTTOM = 42, 342, 22, 190
SHAPES = ('M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z', 'M-3.5-3.5h7v7h-7Z', 'M0-4.5L4.5 3.5h-9Z',
          'M0-5L5 0L0 5L-5 0Z', 'M0 4.5L4.5-3.5h-9Z', 'M-4-4L4 4M4-4L-4 4', 'M0-5V5M-5 0H5',
          'M-5-2h10v4h-10Z')


class Scale:
    """Maps values to positions. Values beyond the ends are drawn at the ends."""

    def __init__(self, low, high, begin, end, logarithmic=False):
        self.of = math.log10 if logarithmic else float
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value):
        low, high = self.of(self.low), self.of(self.high)
        value = self.of(min(max(value, self.low), self.high))
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)


def steps(highest):
    """Return about five round numbers from 0 to a number that is no less than the highest."""
    unit = 10.0 ** math.floor(math.log10(highest / 2))
    unit *= next(n for n in (1, 2, 5, 10) if highest / (unit * n) <= 5)
    return [unit * i for i in range(math.ceil(highest / unit - 1e-9) + 1)]


def decades(values):
    """Return the powers of ten around all values, which are greater than 0."""
    first = math.floor(math.log10(min(values)))
    return [10.0 ** i for i in range(first, max(first + 1, math.ceil(math.log10(max(values)))) + 1)]


def short(value):
    """Return the label of a tick, which may not be longer than its margin."""
    return '%gM' % (value / 1e6) if value >= 1e6 else '%gk' % (value / 1e3) if value >= 1e4 else \
        '%g' % value


def text(x, y, words, anchor='middle'):
    return '<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>' % (x, y, anchor, escape(words))


def path(kind, d, title='', at=None):
    """Return a path; at is the place of its origin."""
    return '<path class="%s"%s d="%s"%s' % (
        kind, '' if at is None else ' transform="translate(%.1f %.1f)"' % at, d,
        '><title>%s</title></path>' % escape(title) if title else '/>')


class Plot:
    """One plot. Vertical ticks are numbers; horizontal ones are pairs of a value and its label."""

    def __init__(self, title, units, ends, xticks, yticks, logarithmic=False):
        """units: what both axes count, horizontal first; ends: of the horizontal axis."""
        self.title = title
        self.x = Scale(*ends, LEFT, RIGHT)
        self.y = Scale(yticks[0], yticks[-1], BOTTOM, TOP, logarithmic)
        self.keys, self.parts = [], []
        for tick in yticks:
            self.parts += [path('grid', 'M%d %.1fH%d' % (LEFT, self.y(tick), RIGHT)),
                           text(LEFT - 5, self.y(tick) + 4, short(tick), 'end')]
        self.parts += [text(self.x(value), BOTTOM + 16, label) for value, label in xticks]
        self.parts += [text((LEFT + RIGHT) / 2, BOTTOM + 34, units[0]),
                       text(2, 11, units[1], 'start')]

    def series(self, name, shape, drawing, kind=None):
        """Add a drawing as the next series, and its shape to the legend. kind: another class."""
        kind = kind or 's%d' % len(self.keys)
        self.keys.append('<span><svg class="key %s" viewBox="-13 -6 26 12" width="26" height="12" '
                         'aria-hidden="true">%s</svg> %s</span>' % (kind, shape, escape(name)))
        self.parts.append('<g class="%s">%s</g>' % (kind, ''.join(drawing)))

    def bars(self, name, ends, points):
        """Add bars. ends: of a bar, beside its value; points: (x, y, title), without None."""
        self.series(name, path('bar', 'M-9-5h18v10h-18Z'), [
            path('bar', 'M%.1f %dV%.1fH%.1fV%d' % (
                self.x(x + ends[0]), BOTTOM, self.y(y), self.x(x + ends[1]), BOTTOM), title)
            for x, y, title in points])

    def line(self, name, runs):
        """Add marks that a line joins within each run. runs: lists of (x, y, title)."""
        shape = SHAPES[len(self.keys) % len(SHAPES)]
        self.series(name, path('line', 'M-13 0H13') + path('mark', shape), [
            path('line', 'M' + 'L'.join('%.1f %.1f' % (self.x(x), self.y(y)) for x, y, _ in run))
            for run in runs if len(run) > 1] + self.marks(shape, sum(runs, [])))

    def dots(self, name, shape, points, kind=None):
        """Add marks without lines: points are (x, y, title), and shape a number of SHAPES."""
        self.series(name, path('mark', SHAPES[shape]), self.marks(SHAPES[shape], points), kind)

    def marks(self, shape, points):
        return [path('mark', shape, title, (self.x(x), self.y(y))) for x, y, title in points]

    def limit(self, name, runs):
        """Add level lines without marks. runs: (begin, end, y)."""
        self.series(name, path('limit', 'M-13 0H13'), [
            path('limit', 'M%.1f %.1fH%.1f' % (self.x(begin), self.y(y), self.x(end)))
            for begin, end, y in runs])

    def figure(self):
        """Return the HTML of the plot."""
        return ('<figure><h3>%s</h3><p class="legend">%s</p><svg viewBox="0 0 %d %d" role="img" '
                'aria-label="%s">%s</svg></figure>' % (
                    escape(self.title), ' '.join(self.keys), WIDTH, HEIGHT, escape(self.title),
                    ''.join(self.parts)))
