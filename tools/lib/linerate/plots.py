# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The plots of a result: rates, latency, loss, and the gaps of the host."""

import outputs
import svg
import tables
from trial import SMALL_RING

LEAST_GAP_MS = 0.001    # shorter gaps, also none, are drawn here
LEAST_US = 0.1          # shorter latencies are drawn here
LATENCIES = ('p50', 'p50_ns'), ('p99', 'p99_ns'), ('p99.99', 'p99.99_ns')


def runs(points):
    """Return lists of neighbours: (x, y, title), where x grows by 1."""
    found = []
    for p in points:
        if found and found[-1][-1][0] == p[0] - 1:
            found[-1].append(p)
        else:
            found.append([p])
    return found


def size_ticks(result):
    return [(i, tables.size_name(s)) for i, s in enumerate(result['sizes'])]


def rates(result):
    """Return the plot of the rates, in percent of the line."""
    plot = svg.Plot('Rate against line rate', ('frame size, bytes', 'percent of the line rate'),
                    (-0.5, len(result['sizes']) - 0.5), size_ticks(result), range(0, 101, 20))
    series = ((tables.rate_name(result) + ': no loss', outputs.best),
              ('PDR: loss up to 0.5 %', lambda s: s['pdr']))
    found = [(name, [(i, s, rate(s)['lower_pps']) for i, s in enumerate(result['sizes'])
                     if rate(s) and rate(s)['lower_pps']]) for name, rate in series]
    found = [(name, points) for name, points in found if points]
    if not found:
        return None
    for n, (name, points) in enumerate(found):
        begin = n * 0.4 - 0.2 * len(found)
        shares = ((i, s, 100 * pps / s['line_pps']) for i, s, pps in points)
        plot.bars(name, (begin + 0.02, begin + 0.38), [
            (i, y, '%s: %s %.2f %%' % (tables.size_name(s), name.partition(':')[0], y))
            for i, s, y in shares])
    return plot


def latencies(result):
    """Return the plot of latencies at half of the rate; None: there are none."""
    found = [(i, s, outputs.middle(s)) for i, s in enumerate(result['sizes'])]
    found = [(i, s, {name: max(at[key] / 1e3, LEAST_US) for name, key in LATENCIES})
             for i, s, at in found if at]
    if not found:
        return None
    plot = svg.Plot('Latency at half of the rate', ('frame size, bytes', 'µs, logarithmic'),
                    (-0.5, len(result['sizes']) - 0.5), size_ticks(result),
                    svg.decades([us for _, _, at in found for us in at.values()]), True)
    for name, _ in LATENCIES:
        plot.line(name, runs([
            (i, at[name], '%s: %s %.1f µs' % (tables.size_name(s), name, at[name]))
            for i, s, at in found]))
    return plot


def losses(result):
    """Return the plot of loss against load; None: no curve was measured."""
    curves = [s for s in result['sizes'] if s['loss_curve']]
    if not curves:
        return None
    most = 100 * max(p['loss_ratio'] for s in curves for p in s['loss_curve'])
    ticks = range(0, 101, 20)
    plot = svg.Plot('Loss against load', ('load, percent of the line rate', 'percent lost'),
                    (0, 104), [(t, str(t)) for t in ticks], svg.steps(most or 1))
    for s in curves:
        plot.line(tables.size_name(s), [[
            (100 * p['line'], 100 * p['loss_ratio'], '%s: load %.0f %%, lost %.4f %%' % (
                tables.size_name(s), 100 * p['line'], 100 * p['loss_ratio']))
            for p in s['loss_curve']]])
    return plot


def gaps(result):
    """Return the plot of the longest gap in each trial, and of those that a small ring bridges."""
    counted, void, rings = [], [], []
    for i, s in enumerate(result['sizes']):
        for n, t in enumerate(s['trials']):
            ms = max(outputs.gap_ns(t) / 1e6, LEAST_GAP_MS)
            (counted if t['void'] is None else void).append((
                i - 0.45 + 0.9 * (n + 0.5) / len(s['trials']), ms,
                '%s, %s: %.3f ms' % (tables.size_name(s), t['of'], ms)))
        rings.append((i - 0.45, i + 0.45, SMALL_RING / s['line_pps'] * 1e3))
    if not counted + void:
        return None
    plot = svg.Plot("The host's longest gap in each trial", (
        'frame size, bytes; trials in their order', 'ms, logarithmic'),
        (-0.5, len(result['sizes']) - 0.5), size_ticks(result),
        svg.decades([ms for _, ms, _ in counted + void] + [ms for _, _, ms in rings]), True)
    plot.dots('trial that counts', 0, counted)
    plot.limit('smallest ring, %d frames' % SMALL_RING, rings)
    plot.dots('void trial', 5, void, 'void')
    return plot


def figures(result):
    """Return the HTML of all plots that the result has."""
    plots = [draw(result) for draw in (rates, latencies, losses, gaps)]
    return [plot.figure() for plot in plots if plot]
