# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""A result as a table for people, as CSV, and as JUnit XML for CI."""

import csv
import io
import xml.etree.ElementTree as ElementTree

from mlrsearch import COMPLETE

RATES = 'ndr', 'pdr', 'throughput'


def best(size):
    """Return the rate without loss of a size: NDR, or the throughput of RFC 2544, or None."""
    return size['ndr'] or size['throughput']


def gap_ns(trial):
    """Return for how long the host kept a core away in a trial."""
    return max(trial['longest_gap_ns'], trial['application_waited_ns'])


def percent(rate, line):
    """Return a lower bound as text, in percent of the line."""
    if not rate:
        return '-'
    if not rate['lower_pps']:
        return 'none'
    return '%.2f%s' % (100 * rate['lower_pps'] / line, '' if rate.get('regular', True) or
                       rate['ended'] == 'complete' else '+')


def microseconds(ns):
    return '-' if ns is None else '%.1f' % (ns / 1e3)


def lost(size):
    """Return the frames that were lost up to the rate without loss, in trials that count."""
    top = (best(size) or {}).get('lower_pps') or 0.0
    return sum(t['lost'] for t in size['trials']
               if t['void'] is None and t['pps'] <= top * 1.000001)


def middle(size):
    """Return the latency at half of the rate that was found, the worse of both directions."""
    for point in size['latency']:
        if point['load'] == 0.5 and point['void'] is None:
            known = [f for f in point['flows'] if f['p50_ns'] is not None]
            return max(known, key=lambda f: f['p99_ns'], default=None)
    return None


def is_unmeasured(rate):
    """Return whether a search reached one of its limits before it found a rate.

    A search that is complete has an answer, also if even the least load lost frames.
    """
    return bool(rate) and rate['lower_pps'] is None and rate['ended'] != COMPLETE


def unmeasured(result):
    """Return a line for each rate that is not measured."""
    return ['%s.%s: no rate was found: the search ended at its limit (%s); %d of %d trials are '
            'void: repeat it on a host with free cores' % (
                name, s['size'], s[name]['ended'],
                sum(t['void'] is not None for t in s['trials']), len(s['trials']))
            for s in result['sizes'] for name in RATES if is_unmeasured(s[name])]


def table(result):
    """Return the lines of the table."""
    lines = ['%5s %12s %10s %8s %8s %10s %10s %8s %6s' % (
        'size', 'line, pps', 'NDR, Mpps', 'NDR, %', 'PDR, %', 'p50, us', 'p99, us', 'lost',
        'void')]
    for s in result['sizes']:
        at = middle(s) or {}
        lines.append('%5s %12.0f %10.4f %8s %8s %10s %10s %8d %6d' % (
            s['size'], s['line_pps'], ((best(s) or {}).get('lower_pps') or 0) / 1e6,
            percent(best(s), s['line_pps']), percent(s['pdr'], s['line_pps']),
            microseconds(at.get('p50_ns')), microseconds(at.get('p99_ns')), lost(s),
            sum(t['void'] is not None for t in s['trials'])))
    gaps = result['gaps']
    lines += ['', 'Rates are those of each of %d directions at %d Mb/s. p50 and p99: latency at '
              'half of the NDR.' % (result['directions'], result['speed_mbps']),
              "The host's gaps: the longest took %.2f ms, %d more than 1 ms." % (
                  gaps['longest_ns'] / 1e6, gaps['over_1ms'])]
    lines += ['FAILED  ' + line for line in unmeasured(result)]
    for e in result['expectations']:
        lines.append('%s  %s (%s)' % ('met   ' if e['met'] else 'FAILED', e['text'],
                                      'not measured' if e['value'] is None else
                                      '%.6g' % e['value']))
    for c in (result['baseline'] or {}).get('changes', ()):
        if c['beyond_noise']:
            lines.append('changed %s: from %.6g to %.6g' % (c['of'], c['before'], c['after']))
    return lines


def csv_text(result):
    """Return one row for each figure: size, figure, load, value, unit."""
    text = io.StringIO(newline='')
    out = csv.writer(text, lineterminator='\n')
    out.writerow(('size', 'figure', 'load', 'value', 'unit'))
    for s in result['sizes']:
        for name in RATES:
            if s[name]:
                for key in ('lower_pps', 'upper_pps'):
                    if s[name][key] is not None:
                        out.writerow((s['size'], name + '_' + key[:5], '', s[name][key], 'pps'))
        for point in s['latency']:
            for flow in point['flows']:
                for key in ('min_ns', 'p50_ns', 'p99_ns', 'p99.9_ns', 'p99.99_ns', 'max_ns'):
                    out.writerow((s['size'], 'latency_%s_%s' % (flow['name'], key[:-3]),
                                  point['load'], flow[key], 'ns'))
        for name, keys in (('back_to_back', (('mean_frames', 'frames'), ('buffer_s', 's'))),
                           ('recovery', (('overload_pps', 'pps'), ('seconds', 's')))):
            for key, unit in keys if s[name] else ():
                if s[name][key] is not None:
                    out.writerow((s['size'], '%s_%s' % (name, key), '', s[name][key], unit))
        for point in s['loss_curve']:
            out.writerow((s['size'], 'loss_ratio', '%.2f' % point['line'], point['loss_ratio'], ''))
    return text.getvalue()


def junit_text(result):
    """Return a test case for each size: it was measured; and one for each expectation: it is met.

    A size without a rate is an error, an expectation that is not met is a failure.
    """
    cases = [('measure.' + s['size'], 'error',
              '; '.join(unmeasured({'sizes': [s]})) or None) for s in result['sizes']]
    cases += [(e['text'], 'failure', None if e['met'] else 'the value is %s' % (
        'not measured' if e['value'] is None else '%.6g' % e['value']))
        for e in result['expectations']]

    def number(tag):
        return str(sum(kind == tag and why is not None for _, kind, why in cases))
    suite = ElementTree.Element('testsuite', {
        'name': 'linerate', 'tests': str(len(cases)), 'errors': number('error'),
        'failures': number('failure'),
        'time': '%.1f' % result['seconds'], 'timestamp': result['started'].rstrip('Z')})
    for name, kind, why in cases:
        case = ElementTree.SubElement(suite, 'testcase', {'classname': 'linerate', 'name': name})
        if why is not None:
            ElementTree.SubElement(case, kind, {'message': why})
    return '<?xml version="1.0" encoding="UTF-8"?>\n%s\n' % ElementTree.tostring(
        suite, encoding='unicode')
