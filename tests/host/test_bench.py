# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""tools/bench: the arguments that it refuses, and that it measures. No figure is judged."""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

from lib import BUILD, PMDS, TOP, Bench, hugepages

TOOL = os.path.join(TOP, 'tools', 'bench')
PROGRAM = os.path.join(BUILD, 'bench', 'bench-dma')
SCALE = os.path.join(BUILD, 'bench', 'bench-scale')
LIMIT = os.path.join(BUILD, 'bench', 'bench-limit')


class Turns(unittest.TestCase):
    """An error costs only the turn in which it occurs, whatever the error is."""

    def test_error_costs_only_its_turn(self):
        spec = importlib.util.spec_from_file_location(
            'bench_tool', os.path.join(TOP, 'tools', 'lib', 'bench.py'))
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        bench, called = tool.Bench(5), []
        self.addCleanup(bench.close)

        def flaky():
            if bench.turn == 1:
                raise subprocess.TimeoutExpired('slow', 300)
            bench.add('flaky', [float(bench.turn)], 'a setting')

        def never():
            called.append(bench.turn)
            raise KeyError('facts')
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            for bench.turn in range(5):
                bench.attempt(['flaky'], flaky)
                bench.attempt(['never'], never)
        doc = bench.result()
        self.assertEqual((doc['flaky'], doc['turns']), (2.5, {'flaky': 4}))
        self.assertEqual(bench.by_turn('flaky'), {0: 0, 2: 2, 3: 3, 4: 4})
        self.assertIn('timed out after 300', doc['lost']['flaky'][0])
        self.assertEqual(doc['failed'], {'never': "KeyError: 'facts'"})
        self.assertEqual(called, [0, 1])
        self.assertEqual(len(stderr.getvalue().splitlines()), 3)
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            tool.show(doc)
        self.assertRegex(shown.getvalue(), r'(?m)^flaky .*4 turns, 1 lost: .*\n^never +MISSING')


def load(name, *folders):
    spec = importlib.util.spec_from_file_location(name, os.path.join(TOP, *folders, name + '.py'))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Limits(unittest.TestCase):
    """tools/bench isolation names each limit that an attack breaks."""

    def missed(self, mode, *turns):
        load('bench', 'tools', 'lib')
        row = load('isolation', 'bench').Row('tso0', mode)
        spin = {'rate': 1000.0, 'gap_ms': 5.0, 'map_ms_max': 1.0}
        for rate, gap, longest, end in turns:
            row.add(spin, {'rate': rate, 'gap_ms': gap, 'map_ms_max': longest, 'end_s': end,
                           'map_ms_median': None}, spin)
        doc = row.json()
        self.assertEqual(doc['ok'], not doc['missed'])
        return [text.split()[0] for text in doc['missed']]

    def test_each_broken_limit_is_named(self):
        self.assertEqual(self.missed('own', (801.0, 24.9, 99.0, 1.9)), [])
        self.assertEqual(self.missed('own', (799.0, 25.1, 101.0, 2.1)),
                         ['rate', 'gap', 'map', 'end'])
        self.assertEqual(self.missed('shared', (501.0, 5.0, 1.0, 0.1)), [])
        self.assertEqual(self.missed('shared', (499.0, 5.0, 1.0, 0.1)), ['rate'])
        # The rate is judged by the median turn; the gap and the mapping time are judged in each
        # turn.
        good = (1000.0, 5.0, 1.0, 0.1)
        self.assertEqual(self.missed('own', good, (0.0, 5.0, 1.0, 0.1), good), [])
        self.assertEqual(self.missed('own', good, (1000.0, 500.0, 1.0, 0.1), good), ['gap'])
        self.assertEqual(self.missed('own', good, (1000.0, 5.0, 500.0, 0.1), good), ['map'])


class Driver(unittest.TestCase):
    """tools/bench driver: which output of bench-driver counts, and what a row contains."""

    def setUp(self):
        self.bench = load('bench', 'tools', 'lib')
        load('dma', 'bench')
        self.driver = load('driver', 'bench')

    def text(self, *subjects):
        lines = ['EAL: Detected CPU lcores: 2']
        for path, fast, rx, tx, fwd in subjects:
            lines.append(json.dumps({'path': path, 'fast_free': fast,
                                     'fast_free_exists': path != 'upstream_igb',
                                     'rx': rx, 'tx': tx, 'fwd': fwd}))
        return '\n'.join(lines) + '\n'

    def test_output_is_parsed_by_path_and_fast_free(self):
        s = self.driver.parse(self.text(('scalar', False, [30.5], [20], [50]),
                                        ('scalar', True, [30], [15], [45]),
                                        ('upstream_igb', True, [40], [30], [70])))
        self.assertEqual(list(s), [('scalar', False), ('scalar', True), ('upstream_igb', True)])
        self.assertEqual(s['scalar', False]['rx'], [30.5])

    def test_program_measures_scalar_path(self):
        r = subprocess.run([self.driver.PROGRAM, '-l', '0', '--no-telemetry', '--no-pci',
                            '--no-huge', '-m', '256', '--iova-mode=va', '--', '1'],
                           stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                           check=False)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn(('scalar', True), self.driver.parse(r.stdout))

    def test_output_without_figures_is_refused(self):
        good = ('scalar', False, [30], [20], [50])
        for bad in ([], [('avx2', False, [1], [1], [1])], [good, good],
                    [('scalar', False, [], [], [])], [('scalar', False, [30], [-1], [50])]):
            with self.assertRaises(self.bench.Failure, msg=bad):
                self.driver.parse(self.text(*bad))

    def test_row_has_medians_and_ratio_to_upstream(self):
        key, samples = self.driver.key, {}
        for path, cycles in (('scalar', (30, 20, 50)), ('upstream_igb', (40, 30, 80))):
            for figure, c in zip(('rx', 'tx', 'fwd'), cycles):
                samples[key(path, True, figure)] = [c - 1, c, c + 10]
        ours, theirs = self.driver.rows(samples, {('scalar', True): True,
                                                  ('upstream_igb', True): False})
        self.assertEqual((ours['path'], ours['fast_free'], ours['fast_free_exists']),
                         ('scalar', True, True))
        self.assertEqual((ours['rx_cycles'], ours['tx_cycles'], ours['fwd_cycles']), (30, 20, 50))
        self.assertEqual((ours['fwd_instructions'], ours['ratio_upstream']), (None, 0.625))
        self.assertEqual((ours['spread']['fwd']['min'], ours['spread']['fwd']['max'],
                          ours['spread']['fwd']['count']), (49, 60, 3))
        self.assertEqual((theirs['fast_free_exists'], theirs['ratio_upstream']), (False, 1.0))
        # Without the other driver there is no ratio.
        del samples[key('upstream_igb', True, 'fwd')]
        self.assertIsNone(self.driver.rows(samples, {('scalar', True): True})[0]['ratio_upstream'])


class Path(unittest.TestCase):
    """tools/bench path: which samples count, what a row contains, and which frames were lost."""

    def setUp(self):
        load('bench', 'tools', 'lib')
        load('dma', 'bench')
        self.path = load('path', 'bench')

    def test_sample_counts_only_between_equal_round_trips(self):
        for trips, cls in (((100, 119), 'near'), ((119, 100), 'near'), ((100, 121), None),
                           ((121, 100), None), ((500, 590), 'far'), ((240, 260), None)):
            self.assertEqual(self.path.classify(*trips), cls, trips)

    def samples(self, limit=120.0):
        s = self.path.Samples(['gantry', 'memif+testpmd', 'memif+echo', 'limit'], ['64'], 3)
        for subject, rates in (('gantry', (30, 10, 20)), ('memif+testpmd', (6, 8, 7)),
                               ('memif+echo', (12, 10, 11)), ('limit', (limit,) * 3)):
            for mpps in rates:
                self.assertEqual(s.add((subject, '64', 'io'), mpps, (100, 100)), 'near')
        return s

    def test_row_has_medians_of_its_class(self):
        s = self.samples()
        self.assertIsNone(s.add(('gantry', '64', 'io'), 1000, (100, 200)))
        self.assertEqual(s.add(('gantry', '64', 'io'), 5, (500, 500)), 'far')
        near, far = [r for r in s.rows() if r['mode'] == 'io']
        self.assertEqual((near['size'], near['class'], near['complete']), (64, 'near', True))
        self.assertEqual((near['ours_mpps'], near['limit_mpps']), (20, 120))
        self.assertEqual(near['samples']['gantry'],
                         {'count': 3, 'median': 20, 'min': 10, 'max': 30})
        self.assertEqual(near['discarded'], {'gantry': 1})
        # The faster far end of a peer counts.
        self.assertEqual((near['memif_mpps'], near['vhost_split_mpps']), (11, None))
        self.assertEqual((near['ratio_best_peer'], near['ratio_limit']), (1.818, 0.167))
        self.assertEqual((far['ours_mpps'], far['memif_mpps'], far['complete']), (5, None, False))
        self.assertEqual((far['class'], far['ratio_best_peer']), ('far', None))

    def test_class_is_complete_with_both_modes(self):
        s = self.samples()
        self.assertFalse(s.is_complete('near'))
        for subject in s.subjects:
            for _ in range(3):
                self.assertFalse(s.is_complete('near'))
                s.add((subject, '64', 'mac'), 1, (100, 100))
        self.assertTrue(s.is_complete('near'))
        self.assertFalse(s.is_complete('far'))

    def test_subject_that_never_succeeds_is_given_up(self):
        s = self.path.Samples(['gantry', 'memif+echo'], ['64'], 1)
        for mode in 'io', 'mac':
            s.add(('gantry', '64', mode), 1, (100, 100))
        s.failures['memif+echo', '64'] = 1
        self.assertFalse(s.is_complete('near'))
        s.failures['memif+echo', '64'] = 2
        self.assertTrue(s.is_complete('near'))
        self.assertFalse(s.rows()[0]['complete'])
        s.add(('memif+echo', '64', 'io'), 1, (100, 100))      # it did succeed
        self.assertFalse(s.is_complete('near'))

    def test_slow_limit_voids_the_run(self):
        self.assertEqual(self.path.slow_limits(self.samples(100.0).rows()), [])
        self.assertRegex(self.path.slow_limits(self.samples(99.0).rows())[0], 'near: 99.0 .* void')

    def frames(self, plan, turned=0):
        """Return the frames of direction 0 in the order of their injection, turned round."""
        out = [(length, n) for length, numbers in self.path.injected(plan, 0).items()
               for n in numbers]
        return out[turned:] + out[:turned]

    def test_lost_repeated_and_overtaken_frames_are_noticed(self):
        for plan in self.path.plan_of('64', 16), self.path.plan_of('IMIX', 16):
            def wrong(frames, plan=plan):
                return self.path.mistake_of(frames, plan, 0)
            good = self.frames(plan, turned=77)
            self.assertIsNone(wrong(good))
            self.assertRegex(wrong(good[:5] + good[6:]), 'in flight')                 # lost
            self.assertRegex(wrong(good[:5] + good[4:]), 'in flight')                 # repeated
            self.assertRegex(wrong(good[:5] + good[4:5] + good[6:]), 'another order')  # both
            self.assertRegex(wrong(good[:4] + good[5:6] + good[4:5] + good[6:]), 'another order')
            self.assertRegex(wrong([(61, 0)] + good[1:]), '61 bytes')
        # The numbers of the other direction.
        self.assertRegex(self.path.mistake_of(self.frames(plan), plan, 1), 'another order')

    def test_numbers_are_read_from_captures(self):
        frame = bytes(range(60))
        record = struct.pack('<IIII', 0, 0, 60, 60) + frame
        with tempfile.NamedTemporaryFile() as f:
            f.write(bytes(24) + record + record + record[:-1])
            f.flush()
            frames, offset = self.path.read_pcap(f.name, 0)
            self.assertEqual(frames, [(60, 28)] * 2)
            f.write(record[-1:])    # the recorder was about to write it
            f.flush()
            self.assertEqual(self.path.read_pcap(f.name, offset)[0], [(60, 28)])

    def limit(self, *args, status=0):
        near, far = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
        r = subprocess.run([LIMIT, args[0], str(near), str(far), *args[1:]], timeout=60,
                           stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(r.returncode, status, r.stdout)
        return json.loads(r.stdout)

    @unittest.skipUnless(os.cpu_count() > 1, 'needs two cores')
    def test_limit_notices_a_lost_and_a_repeated_frame(self):
        for mode, size in ('io', '64'), ('mac', '1518'), ('io', 'IMIX'):
            # On a busy machine, a short run may end before a core has the time to begin.
            for seconds in '0.05', '1', '10':
                run = ('run', size, mode, seconds)
                good = self.limit(*run)
                self.assertEqual((good['lost'], good['repeated'], good['wrong']), (0, 0, 0))
                if good['mpps'] > 0:
                    break
            self.assertGreater(good['mpps'], 0)
            self.assertEqual(self.limit(*run, 'lose', status=1)['lost'], 1)
            self.assertEqual(self.limit(*run, 'repeat', status=1)['repeated'], 1)
        self.assertGreater(self.limit('roundtrip'), 0)


class Scale(Bench):
    """tools/bench scale: its rows and plots, and what bench-scale notices."""

    def setUp(self):
        super().setUp()
        self.tool = load('bench', 'tools', 'lib')
        load('dma', 'bench')
        self.path_module = load('path', 'bench')
        self.module = load('scale', 'bench')

    def test_row_has_median_and_range_and_plot_has_panel_of_each_axis(self):
        samples = self.path_module.Classified(3)
        for ns in 30, 10, 14:
            samples.add(('queues', 4), {'ns_per_packet': ns}, (100, 100))
        samples.add(('queues', 4), {'ns_per_packet': 1}, (100, 200))
        self.assertEqual(self.module.row(samples, 'queues', 4, 'near'),
                         {'axis': 'queues', 'value': 4, 'ns_per_packet': 14, 'min': 10, 'max': 30,
                          'samples': 3, 'discarded': 1, 'class': 'near', 'complete': True})
        for ns in 500, 700:
            samples.add(('latency', 0.5), {'p50_ns': ns, 'p99_ns': 2 * ns, 'p9999_ns': 99 * ns,
                                                'reached': 1}, (400, 400))
        latency = self.module.row(samples, 'latency', 0.5, 'far')
        self.assertEqual(latency, {'axis': 'latency', 'load': 0.5, 'p50_ns': 600, 'p99_ns': 1200,
                                   'p9999_ns': 59400, 'reached': 1, 'samples': 2, 'discarded': 0,
                                   'class': 'far', 'complete': False})
        rows = [self.module.row(samples, 'queues', 4, 'near'), latency]
        root = ElementTree.fromstring(load('plot', 'tools', 'lib').svg(rows))
        panels = [[e.text for e in g.iter() if e.text] for g in root if g.tag.endswith('}g')]
        self.assertEqual(len(panels), 2)
        self.assertIn('near', panels[0])
        self.assertIn('99.99 % far', panels[1])

    def plot(self, *args, status):
        r = subprocess.run([sys.executable, os.path.join(TOP, 'tools', 'lib', 'plot.py'), *args],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                           check=False)
        self.assertEqual((r.returncode, len(r.stderr.splitlines())), (status, status != 0),
                         r.stderr)
        return r.stderr

    def test_plot_does_not_overwrite_its_measurement(self):
        rows = [{'axis': 'queues', 'value': value, 'ns_per_packet': 14, 'min': 10, 'max': 30,
                 'class': 'near'} for value in (1, 4)]
        name, other = self.path('scale.json'), self.path('other.json')
        with open(name, 'w', encoding='ascii') as f:
            json.dump({'rows': rows}, f)
        os.link(name, other)
        for out in name, other:
            self.assertIn('it is read', self.plot(name, out, status=1))
            with open(name, encoding='ascii') as f:
                self.assertEqual(json.load(f), {'rows': rows})
        self.plot(name, self.path('scale.svg'), status=0)
        ElementTree.parse(self.path('scale.svg'))
        self.plot(self.path('none.json'), self.path('x.svg'), status=1)

    def run_scale(self, *args, status=0):
        p = self.run_process([SCALE, '-d', PMDS, *self.eal(self.sock('a'), lcores='0'), '--',
                              *args])
        p.say('go')
        p.wait(60, status)
        return p.text().splitlines()[-1]

    def test_bad_program_arguments_print_usage(self):
        self.nic('a')
        for args in ((), ('17', '64', '8', '0', '1', '0'), ('1', '64', '8', '0', '1', '1.5'),
                     ('1', '64', '8', '0', '1', '0', 'drop')):
            self.assertRegex(self.run_scale(*args, status=2), '^usage: ')

    @unittest.skipUnless(os.cpu_count() > 1, 'needs two cores')
    def test_all_queues_forward_and_lost_and_repeated_packets_are_noticed(self):
        nic = self.nic('a:wire=loop,speed=max')
        run = ('3', '64', '4', '0', '0.5', '0')
        self.assertGreater(json.loads(self.run_scale(*run))['packets'], 0)
        for fault in 'lose', 'repeat':
            self.assertIn('void: port 0, queue 0: ', self.run_scale(*run, fault, status=1))
        queues = self.nic_stats(nic)['a']['device']['queues']
        for direction in 'tx_frames', 'rx_frames':
            counts = [q[direction] for q in queues[:4]]
            self.assertGreater(min(counts[:3]), 0)
            self.assertEqual(counts[3], 0)

    @unittest.skipUnless(os.cpu_count() > 1, 'needs two cores')
    def test_tool_measures_each_axis(self):
        """One sample of one point of each axis; the class of the machine is given."""
        axes = self.module.AXES
        self.module.AXES = {axis: (values[:1], f) for axis, (values, f) in axes.items()}
        self.module.roundtrip = lambda: 100.0
        bench = self.tool.Bench(1, argparse.Namespace(axis=None, minutes=2, seconds=0.1,
                                                      no_huge=True))
        self.addCleanup(bench.close)
        with contextlib.redirect_stdout(io.StringIO()):
            self.module.measure(bench)
        self.assertEqual(bench.failed(), {})
        self.assertEqual([row['axis'] for row in bench.rows], list(axes))
        for row in bench.rows:
            self.assertTrue(row['complete'])
        for cost in bench.rows[:-1]:
            self.assertGreater(cost['ns_per_packet'], 0)
        last = bench.rows[-1]
        self.assertTrue(0 < last['p50_ns'] <= last['p99_ns'] <= last['p9999_ns'], last)


class Tool(Bench):
    def call(self, *args, status=0):
        r = subprocess.run([TOOL, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        return r

    def test_list_names_benchmarks_and_attacks(self):
        self.assertRegex(self.call('--list').stdout, r'(?m)^dma +lib/dma: ')
        self.assertRegex(self.call('isolation', '--list').stdout, r'(?m)^spin +burns CPU')

    def test_mistake_is_one_line_before_any_work(self):
        """Each mistake causes one line, before anything is installed, built or measured."""
        for args, word in ((('nonsense',), 'nonsense'), ((), 'name a benchmark'),
                           (('dma', '--json', '/nonexistent/x'), '/nonexistent/x'),
                           (('dma', '--runs', '0'), '--runs 0'),
                           (('isolation', '--attack', 'nonsense'), 'nonsense'),
                           (('path', '--seconds', '0'), '--seconds 0'),
                           (('scale', '--minutes', '0'), '--minutes 0')):
            r = self.call(*args, status=2)
            self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
            self.assertIn(word, r.stderr)
            self.assertEqual(r.stdout, '')

    @unittest.skipUnless(os.cpu_count() > 1, 'needs two cores')
    def test_isolation_measures_baseline_against_itself(self):
        """Run the baseline against itself, without tools/bench, which would reserve hugepages."""
        out = self.path('isolation.json')
        p = self.run_process([sys.executable, os.path.join(TOP, 'tools', 'lib', 'bench.py'),
                              'isolation',
                              '--attack', 'spin', '--runs', '1', '--seconds', '0.5', '--json', out])
        p.wait(120)
        with open(out) as f:
            rows = json.load(f)['rows']
        self.assertEqual([(r['attack'], r['cores']) for r in rows],
                         [('spin', 'own'), ('spin', 'shared')])
        for row in rows:
            self.assertGreater(
                min(row['rate'], row['spin_rate'], row['map_ms_max'], row['gap_ms']), 0)
            self.assertRegex(row['runs'][0]['attacker'], '^rounds: [1-9]')

    def program(self, *args, status=0):
        p = self.run_process([PROGRAM] + list(args))
        p.wait(120, status)
        return p.text()

    def test_bad_program_arguments_print_usage(self):
        for args in ((), ('--', 'fast'), ('--', 'direct', '0'), ('--', 'direct', '1', '2')):
            self.assertRegex(self.program(*args, status=2), '^usage: ')

    @unittest.skipUnless(hugepages(480), 'needs root and 240 free hugepages of 2 MiB')
    def test_program_measures_spread_memory_in_each_mode(self):
        """Buffers are spread over at least 64 files; with IOVA-as-PA their pages are shuffled."""
        nic = self.nic('a')
        for setting, iova, devices, keys in (
                ('direct', 'va', [], ('mbuf', 'random', 'mbuf_100k', 'random_100k')),
                ('direct-pa', 'pa', [], ('mbuf', 'random_100k', 'virt2iova')),
                ('window', 'va', [self.sock('a')], ('mbuf', 'random_100k')),
                ('strict', 'va', [self.sock('a')], ('mbuf', 'random_100k')),
                ('debug', 'va', [], [way + '_threads_%d' % n for way in ('from', 'to')
                                       for n in (1, 4, 16)])):
            with self.subTest(setting=setting):
                text = self.program(*self.eal(*devices, mem='huge', mb=480, iova=iova, lcores='0'),
                                    '--', setting, '2')
                doc = json.loads(text[text.index('\n  "setting"') - 1:])
                self.assertGreaterEqual(doc['setting']['files'], 64)
                self.assertEqual(doc['setting']['live'], 100000)
                self.assertEqual(doc['setting']['iova'], iova)
                if setting == 'direct-pa':
                    self.assertLess(doc['setting']['neighbours_in_order'],
                                    doc['setting']['neighbours'] / 2)
                for key in keys:
                    self.assertEqual(len(doc[key]), 2)
                    self.assertGreater(min(doc[key]), 0)
        self.assertEqual(self.nic_stats(nic)['a']['device']['dma_faults'], 0)
