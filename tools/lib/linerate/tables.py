# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The tables of a page: one row for each frame size, load or trial.

No table is wider than a phone: columns of the class "more" are left out on narrow screens.
"""

from html import escape

import outputs

MOST_VOID = 40      # void trials that a page lists; the JSON has all of them
NONE, UNKNOWN = '–', '?'
TEXT, MORE = 'text', 'more'


def size_name(size):
    return size['size'].replace('imix', 'IMIX')


def rate_name(result):
    return 'Throughput' if any(s['throughput'] for s in result['sizes']) else 'NDR'


def number(value, form='%.1f', scale=1.0):
    return NONE if value is None else form % (value / scale)


def time(ns):
    """Return microseconds with three digits or more."""
    return NONE if ns is None else ('%.1f' if ns < 99950 else '%.0f') % (ns / 1e3)


def megapackets(rate):
    return number((rate or {}).get('lower_pps'), '%.4f', 1e6)


def percent(rate, line):
    """Return a rate in percent of the line."""
    return UNKNOWN if outputs.is_unmeasured(rate) else outputs.percent(rate, line) if rate else NONE


def line_rate(size):
    """Return whether the application reached the line rate: yes, no, or UNKNOWN."""
    if outputs.is_unmeasured(outputs.best(size)):
        return UNKNOWN
    return 'yes' if (outputs.best(size) or {}).get('line', 0) >= 0.99999 else 'no'


def table(title, columns, rows, note=''):
    """Return the HTML; '' without rows. columns: headings, or pairs of a heading and a class."""
    columns = [(c, '') if isinstance(c, str) else c for c in columns]
    if not (rows := list(rows)):
        return ''

    def cell(tag, value, kind):
        return '<%s%s>%s</%s>' % (tag, kind and ' class="%s"' % kind, escape(str(value)),
                                  tag.partition(' ')[0])
    head = ''.join(cell('th scope="col"', name, kind) for name, kind in columns)
    body = ''.join('<tr>%s</tr>' % ''.join(
        cell('td' if n else 'th scope="row"', value, kind)
        for n, (value, (_, kind)) in enumerate(zip(row, columns))) for row in rows)
    return ('<section><h2>%s</h2><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table>'
            '%s</section>' % (escape(title), head, body,
                              note and '<p class="quiet">%s</p>' % escape(note)))


def rates(result):
    """Return the table of the rates of each size."""
    name = rate_name(result)
    rows = []
    for s in result['sizes']:
        best = outputs.best(s)
        rows.append((size_name(s), line_rate(s), '%.4f' % (s['line_pps'] / 1e6),
                     megapackets(best), percent(best, s['line_pps']),
                     megapackets(s['pdr']), percent(s['pdr'], s['line_pps']),
                     time((outputs.middle(s) or {}).get('p99_ns')), outputs.lost(s)))
    note = ('%s: the greatest rate without loss. PDR: the greatest that loses at most 0.5 %%. '
            'Rates are those of each direction, and percentages those of the line rate; both '
            'directions carry the load concurrently. p99: latency of 99 %% of the frames at half '
            'of the rate, in the worse direction. Lost: frames of all trials that count, at loads '
            'up to the %s.' % (name, name if name == 'NDR' else name.lower()))
    exceed = max((g['exceed_ratio'] for g in result['goals']), default=0)
    if exceed and any(row[-1] for row in rows):
        note += (' The search of RFC 9971 accepts a rate if trials for at most %g %% of the time '
                 'miss the goal, so that frames may be lost below it.' % (100 * exceed))
    if any('+' in cell for row in rows for cell in (row[4], row[6])):
        note += ' "+": the search ended at its limit, so that the rate may be greater.'
    if any(UNKNOWN in row for row in rows):
        note += ' "?": not measured, because the search reached its limit before it found a rate.'
    return table('Frame sizes', (
        'Bytes', 'Line rate', ('Line rate, Mpps', MORE), name + ', Mpps', name + ', %',
        ('PDR, Mpps', MORE), 'PDR, %', ('p99, µs', MORE), 'Lost'), rows, note)


def latencies(result):
    rows = [(size_name(s), '%.0f%s' % (100 * point['load'], ' void' if point['void'] else ''),
             f['name'], time(f['min_ns']), time(f['p50_ns']), time(f['p99_ns']),
             time(f['p99.9_ns']), time(f['p99.99_ns']), time(f['max_ns']), time(f['jitter_ns']),
             f['lost']) for s in result['sizes'] for point in s['latency'] for f in point['flows']]
    return table('Latency in µs', (
        'Bytes', 'Load, %', ('Flow', TEXT), ('min', MORE), 'p50', 'p99', ('p99.9', MORE),
        'p99.99', 'max', ('Jitter', MORE), ('Lost', MORE)), rows,
        'From first bit to first bit, at shares of the rate that was found.')


def loss(ratio):
    """Return percent; 0 has no decimals, so that nobody takes a small loss for none."""
    return '0' if ratio == 0 else '<0.01' if ratio < 0.00005 else '%.2f' % (100 * ratio)


def losses(result):
    """Return the table of the loss curves: a row for each load, a column for each size."""
    sizes = [s for s in result['sizes'] if s['loss_curve']]
    curves = [{round(100 * p['line']): p['loss_ratio'] for p in s['loss_curve']} for s in sizes]
    loads = sorted({load for curve in curves for load in curve}, reverse=True)
    return table('Lost frames in percent, by load and frame size', (
        'Load, %', *map(size_name, sizes)),
        [(load, *(loss(c[load]) if load in c else NONE for c in curves)) for load in loads])


def bursts(result):
    rows = []
    for s in result['sizes']:
        burst, recovery = s['back_to_back'], s['recovery']
        if burst or recovery:
            rows.append((size_name(s), number((burst or {}).get('mean_frames'), '%.0f'),
                         number((burst or {}).get('longest_frames'), '%.0f'),
                         number((burst or {}).get('buffer_s'), '%.3f', 1e-3),
                         number((recovery or {}).get('overload_pps'), '%.4f', 1e6),
                         'never' if recovery and recovery['seconds'] is None else
                         number((recovery or {}).get('seconds'), '%.1f', 1e-3)))
    return table('Bursts and recovery', (
        'Bytes', 'Burst, frames', ('Longest offered', MORE), 'Buffer, ms',
        ('Overload, Mpps', MORE), 'Recovery, ms'), rows,
        'Burst: the mean of the longest bursts at line rate without loss. Recovery: the time for '
        'which frames are lost behind the overload; "never": until the end of the trial. A line '
        'that cannot overload the application has none.')


def trials(result):
    """Return a row for each size: how many trials there were, and what the host did to them."""
    return table('Trials', ('Bytes', 'Trials', 'Void', 'Longest gap, ms', 'Late, ms'), [
        (size_name(s), len(s['trials']), sum(t['void'] is not None for t in s['trials']),
         '%.3f' % (max(map(outputs.gap_ns, s['trials'])) / 1e6),
         '%.3f' % (max(max(t['late_ns'], t['stalled_ns']) for t in s['trials']) / 1e6))
        for s in result['sizes'] if s['trials']],
        'A trial is void if the generator was late, or if frames were lost while the host kept a '
        'core away for longer than the smallest receive ring lasts. A void trial never counts, '
        'and is repeated.')


def voids(result):
    void = [(s, t) for s in result['sizes'] for t in s['trials'] if t['void'] is not None]
    rest = len(void) - MOST_VOID
    return table('Void trials', ('Bytes', ('Part', TEXT), 'Load, %', 'Sent', 'Lost',
                                 ('Reason', TEXT)), [
        (size_name(s), t['of'], '%.1f' % (100 * t['pps'] / s['line_pps']), t['tx'], t['lost'],
         t['void']) for s, t in void[:MOST_VOID]],
        'The results as JSON have %d more.' % rest if rest > 0 else '')
