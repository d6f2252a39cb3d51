# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The page of tools/linerate --report: its figures, its plots, its HTML, and texts of others.

The figures are compared with the result itself, by a computation of this file.
"""

import copy
import html.parser
import math
import re
import unittest

from test_linerate import LINE_64, FakeRig, session, steady, validate

import report       # test_linerate has made tools/lib/linerate importable
from expect import Expectation
from profiles import DEFAULT, QUICK, RFC2544

EVIL = '</code></p><script>alert("x")</script>\'&amp;<b>'


def measured(share, profile=QUICK, sizes=('64', '1518', 'imix')):
    """Return the result of a system that does this share of the line rate of 64 bytes."""
    rig = FakeRig(steady(share * LINE_64))
    rig.nic.drained_s = 0.02
    result = {
        **session(None, sizes, profile, rig), 'schema': 'linerate/1', 'version': '1.2.3',
        'profile': profile.name, 'command': ['/opt/app', '-l', '0 1'],
        'host': {'cpu': 'a cpu', 'cores': 2, 'kernel': '6.1'},
        'gaps': {'over_100us': 31, 'over_1ms': 7, 'over_10ms': 3, 'longest_ns': 12345678},
        'goals': [{'name': name, 'loss_ratio': g.loss_ratio, 'exceed_ratio': g.exceed_ratio,
                   'width': g.width, 'initial_s': g.initial_duration, 'final_s': g.final_duration,
                   'sum_s': g.duration_sum} for name, g in profile.goals.items()]}
    validate(result)
    return result


def uneven(result):
    """Return a result in which all latencies, losses and gaps differ from each other."""
    result, n = copy.deepcopy(result), 0
    for s in result['sizes']:
        for point in s['latency']:
            for f in point['flows']:
                for key in ('min', 'p50', 'p99', 'p99.9', 'p99.99', 'max', 'jitter'):
                    n += 1
                    f[key + '_ns'] = round(700 * 1.03 ** n)
                f['lost'] = n
        for t in s['trials']:
            n += 1
            t['longest_gap_ns'], t['application_waited_ns'] = 40007 * n, 30011 * (n % 7) ** 5
    if burst := result['sizes'][0]['back_to_back']:
        burst.update(mean_frames=4321.4, longest_frames=98765, buffer_s=0.0023456)
    result['sizes'][-1]['trials'][2]['void'] = 'a flow ended early'
    result['sizes'][0]['trials'][1].update(void='the generator was late by 0.3 ms', late_ns=300000)
    return result


class Element:
    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent, self.children = name, attributes, parent, []
        self.classes = (attributes.get('class') or '').split()

    def all(self, name, kind=None):
        """Return all elements below this one of that name and class."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.name == name and (kind is None or kind in child.classes):
                    found.append(child)
                found += child.all(name, kind)
        return found

    def text(self):
        return ''.join(c if isinstance(c, str) else c.text() for c in self.children)


class Page(html.parser.HTMLParser):
    """The elements of a page. Each one must be closed, in the right order."""

    def __init__(self, text):
        super().__init__()
        self.root = self.at = Element('', {}, None)
        self.feed(text)
        self.close()
        if self.at is not self.root:
            raise AssertionError('<%s> is not closed' % self.at.name)

    def handle_starttag(self, tag, attrs):  # pylint: disable=redefined-outer-name
        if len(dict(attrs)) != len(attrs):
            raise AssertionError('<%s> has an attribute twice' % tag)
        element = Element(tag, dict(attrs), self.at)
        self.at.children.append(element)
        if tag != 'meta':
            self.at = element

    def handle_startendtag(self, tag, attrs):   # pylint: disable=redefined-outer-name
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):   # pylint: disable=redefined-outer-name
        if tag != self.at.name:
            raise AssertionError('</%s> ends <%s>' % (tag, self.at.name))
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.children.append(data)

    def words(self):
        """Return all that a reader sees, with simple blanks."""
        return self.root.all('body')[0].text().replace('\u00a0', ' ')

    def table(self, title):
        """Return the headings and the rows of a table; None: the page has no such table."""
        for section in self.root.all('section'):
            if section.all('h2')[0].text() == title and section.all('table'):
                rows = [[c.text() for c in row.children] for row in section.all('tr')]
                return rows[0], rows[1:]
        return None

    def plots(self):
        return {f.all('h3')[0].text(): Plot(f) for f in self.root.all('figure')}


class Plot:
    """A plot of a page. It measures marks by the labels of the vertical axis."""

    def __init__(self, figure):
        svg = [s for s in figure.all('svg') if 'key' not in s.classes][0]
        self.names = [s.text().strip() for s in figure.all('span')]
        self.keys = [span.all('path') for span in figure.all('span')]
        self.groups = svg.all('g')
        self.texts = svg.all('text')
        self.ticks = [(float(t.attributes['y']) - 4,
                       float(t.text().replace('k', 'e3').replace('M', 'e6')))
                      for t in self.texts if t.attributes['text-anchor'] == 'end']

    def value(self, y, logarithmic):
        (y0, v0), (y1, v1) = self.ticks[0], self.ticks[-1]
        if logarithmic:
            return 10 ** (math.log10(v0) + (y0 - y) / (y0 - y1) * math.log10(v1 / v0))
        return v0 + (y0 - y) / (y0 - y1) * (v1 - v0)

    def marks(self, name, logarithmic=False):
        """Return the values of a series by the places of its marks, and by their titles."""
        group, found = self.groups[self.names.index(name)], []
        for p in group.all('path'):
            if p.classes == ['mark']:
                y = float(p.attributes['transform'].split()[1].rstrip(')'))
            elif p.classes == ['bar']:
                y = float(re.search(r'V([\d.]+)', p.attributes['d'])[1])
            else:
                continue
            found.append((self.value(y, logarithmic), p.all('title')[0].text()))
        return found


def us(ns):
    return ('%.1f' if ns < 99950 else '%.0f') % (ns / 1000)


def sized(s):
    return 'IMIX' if s['size'] == 'imix' else s['size']


class Base(unittest.TestCase):
    def page(self, result):
        text = report.page(result)
        self.assertTrue(text.startswith('<!DOCTYPE html>\n<html lang="en">'))
        return Page(text)

    def compare(self, page, title, rows):
        self.assertEqual(page.table(title)[1], [list(map(str, row)) for row in rows], title)


class Figures(Base):
    def test_table_of_rates_has_those_of_the_result(self):
        for result in uneven(measured(0.4)), uneven(measured(0.4, RFC2544, ('64', '1518'))):
            rows = []
            for s in result['sizes']:
                best = s['ndr'] or s['throughput']
                middle = [p for p in s['latency'] if p['load'] == 0.5][0]['flows']
                pdr = s['pdr'] and s['pdr']['lower_pps']
                rows.append((
                    sized(s), 'no' if s['size'] == '64' else 'yes', '%.4f' % (s['line_pps'] / 1e6),
                    '%.4f' % (best['lower_pps'] / 1e6),
                    '%.2f' % (100 * best['lower_pps'] / s['line_pps']),
                    '%.4f' % (pdr / 1e6) if pdr else '–',
                    '%.2f' % (100 * pdr / s['line_pps']) if pdr else '–',
                    us(max(f['p99_ns'] for f in middle)),
                    sum(t['lost'] for t in s['trials'] if t['void'] is None and
                        t['pps'] <= best['lower_pps'] * 1.000001)))
            page = self.page(result)
            self.compare(page, 'Frame sizes', rows)
            self.assertIn('NDR, Mpps' if result['sizes'][0]['ndr'] else 'Throughput, Mpps',
                          page.table('Frame sizes')[0])

    def test_tables_of_latency_loss_bursts_and_recovery_are_those_of_the_result(self):
        result = uneven(measured(0.5, DEFAULT))
        page = self.page(result)
        self.compare(page, 'Latency in µs', [
            (sized(s), round(100 * p['load']), f['name'], *(us(f[key + '_ns']) for key in (
                'min', 'p50', 'p99', 'p99.9', 'p99.99', 'max', 'jitter')), f['lost'])
            for s in result['sizes'] for p in s['latency'] for f in p['flows']])
        head, rows = page.table('Lost frames in percent, by load and frame size')
        self.assertEqual(head, ['Load, %', '64', '1518', 'IMIX'])
        cells = {(head[i], row[0]): row[i] for row in rows for i in range(1, 4)}
        for s in result['sizes']:
            for p in s['loss_curve']:
                cell = cells.pop((sized(s), '%.0f' % (100 * p['line'])))
                self.assertEqual(cell, '%.2f' % (100 * p['loss_ratio']) if p['loss_ratio'] else '0')
        self.assertEqual(set(cells.values()), {'–'})
        burst, recovery = result['sizes'][0]['back_to_back'], result['sizes'][0]['recovery']
        self.assertEqual(page.table('Bursts and recovery')[1][0], [
            '64', '%.0f' % burst['mean_frames'], str(burst['longest_frames']),
            '%.3f' % (1e3 * burst['buffer_s']), '%.4f' % (recovery['overload_pps'] / 1e6),
            '%.1f' % (1e3 * recovery['seconds'])])

    def test_tables_of_trials_are_those_of_the_result(self):
        result = uneven(measured(0.4))
        page = self.page(result)
        self.compare(page, 'Trials', [
            (sized(s), len(s['trials']), sum(t['void'] is not None for t in s['trials']),
             '%.3f' % (max(max(t['longest_gap_ns'], t['application_waited_ns'])
                           for t in s['trials']) / 1e6),
             '0.300' if s['size'] == '64' else '0.000') for s in result['sizes']])
        self.compare(page, 'Void trials', [
            (sized(s), t['of'], '%.1f' % (100 * t['pps'] / s['line_pps']), t['tx'], t['lost'],
             t['void']) for s in result['sizes'] for t in s['trials'] if t['void']])

    def test_beginning_has_the_answer(self):
        result = measured(0.4)
        result['expectations'] = [Expectation(text).check(result) for text in (
            'ndr.64 >= 0.3 line', 'ndr.64 >= 0.9 line')]
        result['baseline'] = {'file': 'old.json', 'changes': [
            {'of': 'ndr.64', 'before': 4321.0, 'after': 8765.0, 'ratio': 2, 'beyond_noise': True},
            {'of': 'pdr.64', 'before': 1.0, 'after': 1.0, 'ratio': 1, 'beyond_noise': False}]}
        words = self.page(result).words()
        rate = result['sizes'][0]['ndr']['lower_pps']
        for part in ('app, 1 Gb/s, 2026-01-01', 'Line rate at 2 of 3 frame sizes',
                     '1 of 2 expectations met',
                     'app forwards %.4f Mpps of frames of 64 bytes in each direction: %.2f %% of '
                     'the line rate of 1 Gb/s.' % (rate / 1e6, 100 * rate / LINE_64),
                     '99 % of the frames take at most 5.0 µs', 'all sizes: 0.',
                     'met: ndr.64 >= 0.3 line (measured: %.6g)' % (rate / LINE_64),
                     'FAILED: ndr.64 >= 0.9 line (measured: %.6g)' % (rate / LINE_64),
                     'changed: ndr.64, from 4321 to 8765, since old.json'):
            self.assertIn(part, words)
            self.assertLess(words.index(part), words.index('Frame sizes'))
        self.assertNotIn('pdr.64,', words)
        result['baseline']['changes'].pop(0)
        self.assertIn('unchanged: 1 figures, since old.json', self.page(result).words())

    def test_conditions_are_those_of_the_run(self):
        result = uneven(measured(0.4))
        page = self.page(result)
        found = dict(zip((d.text() for d in page.root.all('dt')),
                         (d.text().replace('\u00a0', ' ') for d in page.root.all('dd'))))
        self.assertEqual(found, {
            'Application': "/opt/app -l '0 1'", 'Start': '2026-01-01T00:00:00Z',
            'Duration': '1.5 s, profile quick', 'Load': '2 directions at once, ports of 1 Gb/s',
            'Search for NDR': 'loss up to 0 %, width 1 %, trials of 0.2 s to 0.4 s, 1.2 s in total',
            'Search for PDR':
                'loss up to 0.5 %, width 1 %, trials of 0.2 s to 0.4 s, 1.2 s in total',
            'Tester': 'gantry 1.2.3', 'Host': 'a cpu, 2 cores, Linux 6.1',
            "The host's gaps": 'longest 12.346 ms; 31 over 0.1 ms, 7 over 1 ms, 3 over 10 ms',
            'Trials': '%d, of which 2 are void' % sum(len(s['trials']) for s in result['sizes'])})


class Plots(Base):
    def same(self, marks, values):
        """Check marks against (value, words of the title)."""
        self.assertEqual(len(marks), len(values))
        for (at, title), (value, *words) in zip(marks, values):
            self.assertAlmostEqual(at, value, delta=0.005 * value + 0.1)
            for word in words:
                self.assertIn(word, title)

    def test_plots_show_the_figures_of_the_result(self):
        result = uneven(measured(0.4, DEFAULT))
        sizes, plots = result['sizes'], self.page(result).plots()
        rates = plots['Rate against line rate']
        for name, key in ('NDR: no loss', 'ndr'), ('PDR: loss up to 0.5 %', 'pdr'):
            self.same(rates.marks(name), [
                (100 * s[key]['line'], sized(s) + ':', '%.2f %%' % (100 * s[key]['line']))
                for s in sizes])
        latency = plots['Latency at half of the rate']
        for name in 'p50', 'p99', 'p99.99':
            worst = [max(s['latency'][1]['flows'], key=lambda f: f['p99_ns']) for s in sizes]
            self.same([(math.log(at), title) for at, title in latency.marks(name, True)], [
                (math.log(f[name + '_ns'] / 1e3), '%.1f µs' % (f[name + '_ns'] / 1e3))
                for f in worst])
        loss = plots['Loss against load']
        for s in sizes:
            self.same(loss.marks(sized(s)), [
                (100 * p['loss_ratio'], 'load %.0f %%' % (100 * p['line']),
                 'lost %.4f %%' % (100 * p['loss_ratio'])) for p in s['loss_curve']])
        gaps = plots["The host's longest gap in each trial"]
        for name, is_void in ('trial that counts', False), ('void trial', True):
            trials = [(max(t['longest_gap_ns'], t['application_waited_ns']) / 1e6, t['of'])
                      for s in sizes for t in s['trials'] if (t['void'] is not None) == is_void]
            self.assertTrue(trials)
            self.same([(math.log(at), title) for at, title in gaps.marks(name, True)],
                      [(math.log(ms), of, '%.3f ms' % ms) for ms, of in trials])

    def test_series_differ_in_more_than_colour(self):
        result = uneven(measured(0.4, DEFAULT, DEFAULT.sizes))
        for title, plot in self.page(result).plots().items():
            with self.subTest(title):
                if title == 'Rate against line rate':   # bars: their order, and light and dark
                    continue
                shapes = [keys[-1].attributes['d'] for keys in plot.keys]
                self.assertEqual(len(set(shapes)), len(shapes))

    def test_axes_have_units_and_sizes(self):
        result = measured(0.4, DEFAULT)
        for title, plot in self.page(result).plots().items():
            words = [t.text() for t in plot.texts]
            self.assertTrue(any(re.match('percent|µs|ms', w) for w in words), title)
            if title != 'Loss against load':
                for s in result['sizes']:
                    self.assertIn(sized(s), words)


class Parts(Base):
    """Results in which parts are missing, or extreme."""

    def test_profile_without_a_part_has_neither_its_plot_nor_its_table(self):
        result = measured(0.4)
        page = self.page(result)
        self.assertEqual(len(page.plots()), 3)      # no loss curve
        self.assertIsNone(page.table('Lost frames in percent, by load and frame size'))
        self.assertIsNone(page.table('Bursts and recovery'))
        self.assertIsNone(page.table('Void trials'))
        self.assertNotIn('expectations', page.words())
        for s in result['sizes']:
            s['latency'] = []
        page = self.page(result)
        self.assertNotIn('Latency', ' '.join(page.plots()))
        self.assertIsNone(page.table('Latency in µs'))
        self.assertNotIn('99 % of the frames take', page.words())
        self.assertEqual([row[7] for row in page.table('Frame sizes')[1]], 3 * ['–'])

    def test_rate_that_is_not_measured_differs_from_none(self):
        for ended, answer, share, headline, lead in (
                ('void trials', '?', '?', '0 of 3 frame sizes, 3 not measured',
                 'The rate of frames of 64 bytes is not measured'),
                ('complete', 'no', 'none', '0 of 3 frame sizes',
                 'The search found no rate without loss with frames of 64 bytes')):
            result = measured(0.4)
            for s in result['sizes']:
                s['ndr'] = dict(s['ndr'], lower_pps=None, line=0.0, ended=ended)
                s['pdr'], s['latency'] = None, []
            page = self.page(result)
            self.assertEqual(page.root.all('h1')[0].text(), 'Line rate at ' + headline)
            self.assertIn(lead, page.words())
            self.assertEqual(page.words().count('not measured: ndr.'), 3 * (answer == '?'))
            self.assertEqual('"?"' in page.words(), answer == '?')
            self.assertEqual(page.table('Frame sizes')[1][0][1:7], [
                answer, '%.4f' % (LINE_64 / 1e6), '–', share, '–', '–'])
            self.assertEqual(list(page.plots()), ["The host's longest gap in each trial"])

    def test_void_latency_and_lack_of_recovery_are_marked(self):
        result = measured(0.5, DEFAULT)
        result['sizes'][0]['latency'][1]['void'] = 'the generator was late by 1.0 ms'
        result['sizes'][0]['latency'][2]['flows'][0].update(p50_ns=None, max_ns=None)
        result['sizes'][0]['recovery']['seconds'] = None
        page = self.page(result)
        rows = page.table('Latency in µs')[1]
        self.assertEqual([row[1] for row in rows[:6]], ['10', '10', '50 void', '50 void'] +
                         2 * ['90'])
        self.assertEqual([cell == '–' for cell in rows[4][3:9]], [0, 1, 0, 0, 0, 1])
        self.assertEqual(page.table('Bursts and recovery')[1][0][-1], 'never')
        self.assertEqual(len(page.plots()['Latency at half of the rate'].marks('p50')), 2)

    def test_small_loss_is_not_none(self):
        result = measured(0.5, DEFAULT, ('64',))
        result['sizes'][0]['loss_curve'] = [
            {'line': 1.0, 'pps': LINE_64, 'loss_ratio': 1e-6},
            {'line': 0.9, 'pps': 0.9 * LINE_64, 'loss_ratio': 0.0}]
        rows = self.page(result).table('Lost frames in percent, by load and frame size')[1]
        self.assertEqual(rows, [['100', '<0.01'], ['90', '0']])

    def test_many_void_trials_are_counted_and_some_are_listed(self):
        result = measured(1.0, sizes=('64',))
        void = dict(result['sizes'][0]['trials'][0], void='late', late_ns=1)
        result['sizes'][0]['trials'] += 100 * [void]
        page = self.page(result)
        self.assertEqual(page.table('Trials')[1][0][2], '100')
        self.assertEqual(len(page.table('Void trials')[1]), 40)
        self.assertIn('The results as JSON have 60 more.', page.words())

    def test_search_that_a_limit_ended_is_marked(self):
        result = measured(0.4)
        result['sizes'][0]['ndr'].update(regular=False, ended='time limit')
        page = self.page(result)
        self.assertRegex(page.table('Frame sizes')[1][0][4], r'^[\d.]+\+$')
        self.assertIn('"+": the search ended at its limit', page.words())
        self.assertNotIn('"+"', self.page(measured(0.4)).words())

    def test_all_sizes_fit_a_phone(self):
        result = uneven(measured(0.4, DEFAULT, DEFAULT.sizes))
        page = self.page(result)
        for table in page.root.all('table'):
            columns = [c for c in table.all('th') if c.attributes['scope'] == 'col']
            self.assertLessEqual(len([c for c in columns if 'more' not in c.classes]), 9)
            for row in table.all('tr'):
                self.assertEqual([c.classes for c in row.children], [c.classes for c in columns])


class Safety(Base):
    def evil(self, text):
        """Return a result in which each text is this one."""
        result = uneven(measured(0.4, DEFAULT))
        result.update(command=[text, text], version=text, host={
            'cpu': text, 'cores': 2, 'kernel': text}, expectations=[
                {'text': text, 'met': False, 'value': None}], baseline={'file': text, 'changes': [
                    {'of': text, 'before': 1, 'after': 2, 'ratio': 2, 'beyond_noise': True}]})
        result['sizes'][0]['trials'][1]['void'] = text
        result['sizes'][0]['latency'][0]['flows'][0]['name'] = text
        return result

    def test_page_runs_nothing_and_refers_to_nothing(self):
        for result in measured(0.4), self.evil(EVIL), self.evil('https://example.com/app.js'):
            page = self.page(result)
            self.assertEqual([len(page.root.all(name)) for name in (
                'script', 'link', 'img', 'image', 'use', 'iframe', 'object', 'a', 'b', 'base')],
                10 * [0])
            style = page.root.all('style')[0].text()
            self.assertNotRegex(style, r'@import|url\(|https?:')
            for element in page.root.all('svg') + page.root.all('path'):
                for name, value in element.attributes.items():
                    self.assertNotRegex(name + '=' + value, r'^on|href|src=|style=|https?:')

    def test_texts_of_others_are_shown_as_they_are(self):
        page = self.page(self.evil(EVIL))
        words = page.words()
        name = EVIL.rpartition('/')[2]      # of the program: the part behind its folder
        self.assertTrue(words.lstrip().startswith(name + ', 1 Gb/s'))
        self.assertEqual(page.root.all('title')[0].text(),
                         name + ': Line rate at 2 of 3 frame sizes')
        self.assertEqual(words.count(EVIL), 8)
        self.assertEqual(page.table('Void trials')[1][0][-1], EVIL)
        self.assertEqual(page.table('Latency in µs')[1][0][2], EVIL)

    def test_long_names_are_whole_and_may_be_broken(self):
        name = 'a' * 5000
        page = self.page(self.evil(name))
        self.assertEqual(page.words().count(name), 12)
        style = page.root.all('style')[0].text()
        for rule in r'body \{[^}]*overflow-wrap: anywhere', r'td\.text \{ overflow-wrap: anywhere':
            self.assertRegex(style, rule)


if __name__ == '__main__':
    unittest.main()
