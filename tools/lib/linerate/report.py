# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The page of a result: one HTML file without scripts or references, for screens and for paper.

It begins with the answer: at which sizes the application reached the line rate, and whether the
expectations are met. Plots and tables follow, and the conditions of the run are at the end.
"""

import os
import shlex
from html import escape

import outputs
import plots
import tables

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'report.css')


def speed(mbps):
    return '%g\u00a0Gb/s' % (mbps / 1e3) if mbps >= 1000 else '%d\u00a0Mb/s' % mbps


def application(result):
    return os.path.basename(result['command'][0])


def headline(result):
    found = list(map(tables.line_rate, result['sizes']))
    unknown = found.count(tables.UNKNOWN)
    return 'Line rate at %d of %d frame sizes%s' % (
        found.count('yes'), len(found), ', %d not measured' % unknown if unknown else '')


def lead(result):
    """Return sentences about the first size, which is the smallest, and about the loss of all."""
    s = result['sizes'][0]
    best, at = outputs.best(s), outputs.middle(s)
    frames = 'frames of %s' % ('IMIX' if s['size'] == 'imix' else s['size'] + ' bytes')
    if outputs.is_unmeasured(best):
        yield 'The rate of %s is not measured: the search reached its limit.' % frames
    elif not best or not best['lower_pps']:
        yield 'The search found no rate without loss with %s.' % frames
    else:
        yield '%s forwards %s Mpps of %s in each direction: %s\u00a0%% of the line rate of %s.' % (
            application(result), tables.megapackets(best), frames,
            outputs.percent(best, s['line_pps']), speed(result['speed_mbps']))
    if at:
        yield 'At half of the rate, 99\u00a0%% of the frames take at most %s\u00a0µs.' % (
            tables.time(at['p99_ns']))
    yield 'Frames lost at loads up to the rates without loss, all sizes: %d.' % (
        sum(map(outputs.lost, result['sizes'])))


def checks(result):
    """Return lines about expectations, about rates that are missing, and about changes."""
    def line(is_good, words, text):
        return '<li><span class="%s">%s</span> %s</li>' % (
            'good' if is_good else 'bad', ('✓ ' if is_good else '✗ ') + words, escape(text))
    lines = [line(False, 'not measured:', text) for text in outputs.unmeasured(result)]
    lines += [line(e['met'], 'met:' if e['met'] else 'FAILED:', '%s (%s)' % (
        e['text'], 'not measured' if e['value'] is None else 'measured: %.6g' % e['value']))
        for e in result['expectations']]
    if result['baseline']:
        file, found = result['baseline']['file'], result['baseline']['changes']
        changed = [c for c in found if c['beyond_noise']]
        lines += [line(False, 'changed:', '%s, from %.6g to %.6g, since %s' % (
            c['of'], c['before'], c['after'], file)) for c in changed]
        if not changed:
            lines.append(line(True, 'unchanged:', '%d figures, since %s' % (len(found), file)))
    return lines and '<ul class="checks">%s</ul>' % ''.join(lines) or ''


def verdict(result):
    """Return how many expectations are met; '' without expectations."""
    total, met = len(result['expectations']), sum(e['met'] for e in result['expectations'])
    return total and '<p class="%s">%d of %d expectations met</p>' % (
        'good' if met == total else 'bad', met, total) or ''


def conditions(result):
    """Return how the figures came about: pairs of a subject and HTML."""
    host, gaps = result['host'], result['gaps']
    trials = [t for s in result['sizes'] for t in s['trials']]
    return (
        ('Application', '<code>%s</code>' % escape(shlex.join(result['command']))),
        ('Start', escape(result['started'])),
        ('Duration', '%.1f s, profile %s' % (result['seconds'], escape(result['profile']))),
        ('Load', '%d directions at once, ports of %s' % (
            result['directions'], speed(result['speed_mbps']))),
        *(('Search for ' + escape(g['name'].upper()), escape(
            'loss up to %g %%, width %g %%, trials of %g s to %g s, %g s in total' % (
                100 * g['loss_ratio'], 100 * g['width'], g['initial_s'], g['final_s'],
                g['sum_s']))) for g in result['goals']),
        ('Tester', 'gantry %s' % escape(result['version'])),
        ('Host', escape('%s, %d cores, Linux %s' % (host['cpu'], host['cores'], host['kernel']))),
        ("The host's gaps", 'longest %.3f ms; %d over 0.1 ms, %d over 1 ms, %d over 10 ms' % (
            gaps['longest_ns'] / 1e6, gaps['over_100us'], gaps['over_1ms'], gaps['over_10ms'])),
        ('Trials', '%d, of which %d are void' % (
            len(trials), sum(t['void'] is not None for t in trials))))


def page(result):
    """Return the page."""
    with open(STYLE, encoding='utf-8') as f:
        style = f.read()
    title = headline(result)
    parts = (
        '<p class="quiet">%s, %s, %s</p>' % (escape(application(result)), speed(
            result['speed_mbps']), escape(result['started'][:10])),
        '<h1>%s</h1>' % escape(title), verdict(result),
        '<p>%s</p>' % escape(' '.join(lead(result))), checks(result), tables.rates(result),
        '<div class="plots">%s</div>' % ''.join(plots.figures(result)),
        '<section><h2>Conditions</h2><dl>%s</dl></section>' % ''.join(
            '<dt>%s</dt><dd>%s</dd>' % pair for pair in conditions(result)),
        tables.bursts(result), tables.losses(result), tables.latencies(result),
        tables.trials(result), tables.voids(result))
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<title>%s: %s</title>\n<style>\n%s</style></head><body>\n%s\n</body></html>\n' % (
                escape(application(result)), escape(title), style,
                '\n'.join(filter(None, parts))))
