# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The page of a result: one HTML file without scripts or references, for screens and for paper.

gnuplot draws the plots, as SVG inside the page. Each is as wide as a phone, so that its letters
stay legible there; wider screens and paper have several in a row. Tables have the same numbers.
"""

import html
import re
import subprocess

import outputs

WIDTH, HEIGHT = 440, 300
NDR, PDR, LOW, MIDDLE, HIGH, VOID = '#1b6ca8', '#9cc5e3', '#2a9d68', '#e09f3e', '#b23a48', '#b23a48'
QUANTILES = ('p50', 'p50', LOW), ('p99', 'p99', MIDDLE), ('p99.99', 'p99.99', HIGH)

STYLE = '''
:root { color-scheme: light; }
body { font: 16px/1.45 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 0 auto;
  padding: 1.2rem; max-width: 62rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
p { margin: .3rem 0; } .quiet { color: #5a6675; font-size: .9rem; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
  gap: 1rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #dde3ea;
  white-space: nowrap; } th { font-weight: 600; } td.text, th.text { text-align: left; }
td.text { white-space: normal; }
.good { color: #1d7a4d; } .bad { color: #b23a48; font-weight: 600; }
@media print { body { font-size: 10pt; padding: 0; max-width: none; }
  .plots { grid-template-columns: 1fr 1fr; } figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .wide { overflow: visible; } th, td { padding: .1rem .35rem; } }
'''


def draw(commands, blocks):
    """Return a plot as SVG. blocks are the lines of data, by the name of the block."""
    data = ''.join('$%s << END\n%s\nEND\n' % (name, '\n'.join(lines))
                   for name, lines in blocks.items())
    script = ("set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,13'\n"
              "set border 3 lc rgb '#8a94a3'\nset tics nomirror scale 0.5\n"
              "set grid y lc rgb '#dde3ea' lt 1\nset key outside top center horizontal\n"
              % (WIDTH, HEIGHT)) + data + commands + '\n'
    r = subprocess.run(['gnuplot'], input=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, check=False)
    if r.returncode != 0:
        raise OSError('gnuplot: %s' % ' '.join(r.stderr.split())[:300])
    svg = r.stdout[r.stdout.index('<svg'):]
    # Names must be unique in the page, and nobody points at plots.
    svg = re.sub(r'<title>.*?</title>|<desc>.*?</desc>|onclick="[^"]*"', '', svg, flags=re.S)
    return svg


def unique(svg, number):
    """Return the SVG with names of its own: several are in one page."""
    for name in set(re.findall(r'\bid=["\']([^"\']+)["\']', svg)):
        svg = re.sub(r'(id=["\']|#)%s(?=["\')])' % re.escape(name), r'\g<1>f%d_%s' % (
            number, name), svg)
    return svg


def share(rate, line):
    return '%.4f' % (100 * rate['lower_pps'] / line) if rate and rate['lower_pps'] else 'NaN'


def tics(sizes):
    return ', '.join("'%s' %d" % (s['size'], i) for i, s in enumerate(sizes))


def rates(result):
    """Return the plot of the rates, in percent of the line."""
    sizes = result['sizes']
    rows = ['%d %s %s' % (i, share(s['ndr'] or s['throughput'], s['line_pps']),
                          share(s['pdr'], s['line_pps'])) for i, s in enumerate(sizes)]
    return draw("set boxwidth 0.35\nset style fill solid noborder\nset yrange [0:112]\n"
                "set ytics 20\nset ylabel 'percent of the line'\nset xlabel 'bytes'\n"
                "set xrange [-0.6:%g]\nset xtics (%s)\n"
                "plot $r using ($1-0.19):2 with boxes lc rgb '%s' title 'without loss', "
                "$r using ($1+0.19):3 with boxes lc rgb '%s' title 'loss up to 0.5 %%'" % (
                    len(sizes) - 0.4, tics(sizes), NDR, PDR), {'r': rows})


def latencies(result):
    """Return the plot of latencies at half of the rate; None: there are none."""
    rows = []
    for i, s in enumerate(result['sizes']):
        at = outputs.middle(s)
        if at:
            rows.append(' '.join([str(i)] + ['%g' % (max(at[key + '_ns'], 100) / 1e3)
                                             for key, _, _ in QUANTILES]))
    if not rows:
        return None
    lines = ', '.join("$r using 1:%d with linespoints lw 2 pt 7 ps 0.6 lc rgb '%s' title '%s'" % (
        i, colour, title) for i, (_, title, colour) in enumerate(QUANTILES, 2))
    return draw("set logscale y\nset ylabel 'microseconds'\nset xlabel 'bytes'\n"
                "set xrange [-0.5:%g]\nset xtics (%s)\nset format y '%%g'\nplot %s" % (
                    len(result['sizes']) - 0.5, tics(result['sizes']), lines), {'r': rows})


def losses(result):
    """Return the plot of loss against load; None: no curve was measured."""
    curves = [s for s in result['sizes'] if s['loss_curve']]
    if not curves:
        return None
    blocks = {'c%d' % i: ['%g %g' % (100 * p['line'], 100 * p['loss_ratio'])
                          for p in s['loss_curve']] for i, s in enumerate(curves)}
    lines = ', '.join("$c%d using 1:2 with linespoints lw 2 pt 7 ps 0.5 title '%s'" % (
        i, s['size']) for i, s in enumerate(curves))
    return draw("set xrange [0:105]\nset yrange [0:*]\nset xlabel 'load, percent of the line'\n"
                "set ylabel 'percent lost'\nplot %s" % lines, blocks)


def gaps(result):
    """Return the plot of the host's longest gap in each trial."""
    trials = [t for s in result['sizes'] for t in s['trials']]

    def rows(void):
        return ['%d %g' % (i, max(t['longest_gap_ns'], t['application_waited_ns'], 1000) / 1e6)
                for i, t in enumerate(trials) if (t['void'] is not None) == void] or ['NaN NaN']
    return draw("set logscale y\nset ylabel 'milliseconds'\nset xlabel 'trial'\n"
                "set format y '%%g'\nset xrange [-1:%d]\n"
                "plot $good with points pt 7 ps 0.4 lc rgb '%s' title 'counts', "
                "$void with points pt 2 ps 0.7 lc rgb '%s' title 'void'" % (
                    len(trials), NDR, VOID), {'good': rows(False), 'void': rows(True)})


def table(head, rows):
    """Return a table; texts are escaped, and a cell in a list is text to the left."""
    def cell(tag, value):
        left = isinstance(value, list)
        return '<%s%s>%s</%s>' % (tag, ' class="text"' if left else '',
                                  html.escape(str(value[0] if left else value)), tag)
    return '<div class="wide"><table><tr>%s</tr>%s</table></div>' % (
        ''.join(cell('th', h) for h in head),
        ''.join('<tr>%s</tr>' % ''.join(cell('td', c) for c in row) for row in rows))


def number(value, form='%.1f', scale=1.0):
    return '-' if value is None else form % (value / scale)


def rate_rows(result):
    for s in result['sizes']:
        best = s['ndr'] or s['throughput'] or {}
        at = outputs.middle(s) or {}
        yield [s['size'], '%.4f' % (s['line_pps'] / 1e6),
               number(best.get('lower_pps'), '%.4f', 1e6),
               outputs.percent(s['ndr'] or s['throughput'], s['line_pps']),
               outputs.percent(s['pdr'], s['line_pps']),
               *(number(at.get(k), '%.1f', 1e3) for k in ('p50_ns', 'p99_ns', 'p99.99_ns')),
               number((s['back_to_back'] or {}).get('mean_frames'), '%.0f'),
               number((s['recovery'] or {}).get('seconds'), '%.1f', 1e-3), outputs.lost(s)]


def latency_rows(result):
    for s in result['sizes']:
        for point in s['latency']:
            for f in point['flows']:
                yield [s['size'], '%d %%' % (100 * point['load']), [f['name']],
                       *(number(f[k], '%.1f', 1e3) for k in (
                           'min_ns', 'p50_ns', 'p99_ns', 'p99.9_ns', 'p99.99_ns', 'max_ns',
                           'jitter_ns')), f['lost']]


def loss_rows(result):
    for s in result['sizes']:
        for p in s['loss_curve']:
            yield [s['size'], '%.0f %%' % (100 * p['line']), '%.0f' % p['pps'],
                   '%.4f' % (100 * p['loss_ratio'])]


def void_rows(result):
    for s in result['sizes']:
        for t in s['trials']:
            if t['void'] is not None:
                yield [s['size'], [t['of']], '%.0f' % t['pps'], t['tx'], t['lost'], [t['void']]]


def summary(result):
    """Return one line for the smallest size, and one for all."""
    s = result['sizes'][0]
    best = s['ndr'] or s['throughput'] or {}
    full = [x['size'] for x in result['sizes']
            if (x['ndr'] or x['throughput'] or {}).get('line', 0) >= 0.99999]
    yield '%s%s: %s Mpps in each direction, %s %% of the line rate of %d Mb/s, %d lost' % (
        s['size'], '' if s['size'] == 'imix' else ' bytes',
        number(best.get('lower_pps'), '%.3f', 1e6),
        outputs.percent(s['ndr'] or s['throughput'], s['line_pps']), result['speed_mbps'],
        outputs.lost(s))
    if len(result['sizes']) > 1:
        yield 'Line rate without loss at %d of %d sizes' % (len(full), len(result['sizes']))


def outcomes(result):
    """Return the list of expectations and of changes."""
    out = ['<p class="bad">%s</p>' % html.escape(line)
           for line in outputs.unmeasured(result)]
    for e in result['expectations']:
        value = 'not measured' if e['value'] is None else '%.6g' % e['value']
        out.append('<p class="%s">%s: %s (%s)</p>' % (
            'good' if e['met'] else 'bad', 'met' if e['met'] else 'FAILED',
            html.escape(e['text']), value))
    for c in (result['baseline'] or {}).get('changes', ()):
        if c['beyond_noise']:
            out.append('<p class="bad">changed since %s: %s, from %.6g to %.6g</p>' % (
                html.escape(result['baseline']['file']), html.escape(c['of']), c['before'],
                c['after']))
    return ''.join(out)


def section(title, content):
    return '<h2>%s</h2>%s' % (title, content) if content else ''


def page(result):
    """Return the page."""
    plots = [('Rates', rates(result)), ('Latency at half of the rate', latencies(result)),
             ('Loss', losses(result)), ("The host's gaps", gaps(result))]
    figures = ''.join('<figure><h2>%s</h2>%s</figure>' % (title, unique(svg, i))
                      for i, (title, svg) in enumerate(plots) if svg)
    lines = list(summary(result))
    tables = section('Figures', table(
        ('size', 'line, Mpps', 'NDR, Mpps', 'NDR, %', 'PDR, %', 'p50, us', 'p99, us', 'p99.99, us',
         'burst', 'recovery, ms', 'lost'), rate_rows(result)))
    parts = (
        ('Latency, us', ('size', 'load', ['flow'], 'min', 'p50', 'p99', 'p99.9', 'p99.99', 'max',
                         'jitter', 'lost'), list(latency_rows(result))),
        ('Loss curve', ('size', 'load', 'pps', 'lost, %'), list(loss_rows(result))),
        ('Void trials', ('size', ['of'], 'pps', 'sent', 'lost', ['reason']),
         list(void_rows(result))))
    for title, head, rows in parts:
        tables += section(title, rows and table(head, rows))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>%s</title><style>%s</style></head><body>'
        '<h1>%s</h1>%s%s'
        '<p class="quiet">%s, profile %s, %.0f s, gantry %s; %s, %d cores, Linux %s</p>'
        '<p><code>%s</code></p><div class="plots">%s</div>%s</body></html>\n' % (
            html.escape(lines[0]), STYLE, html.escape(lines[0]),
            ''.join('<p>%s</p>' % html.escape(line) for line in lines[1:]), outcomes(result),
            html.escape(result['started']), html.escape(result['profile']), result['seconds'],
            html.escape(result['version']), html.escape(result['host']['cpu']),
            result['host']['cores'], html.escape(result['host']['kernel']),
            html.escape(' '.join(result['command'])), figures, tables))
