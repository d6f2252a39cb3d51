# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""tools/linerate: its searches on systems with known answers, its results, and a real application.

Three systems are measured. FakeRig takes the place of daemon and application, without a process or
real time. fake_nic.py takes the place of the daemon alone, so that a whole run of the tool speaks
its protocol. The last class has the real daemon and a real application.
"""

import copy
import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from lib import TOP, Bench, tag

sys.path.insert(0, os.path.join(TOP, 'tools', 'lib', 'linerate'))
sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
import baseline  # noqa: E402
import jsonschema  # noqa: E402
import mlrsearch  # noqa: E402
import outputs  # noqa: E402
from expect import Expectation  # noqa: E402
from profiles import DEFAULT, QUICK, RFC2544, Profile, goals  # noqa: E402
from rig import Failure, complete, gantry  # noqa: E402
from session import Session  # noqa: E402
from trial import Measurer, Size, slices  # noqa: E402

LINE_64 = 1e9 / 8 / 84
FAKE_DAEMON = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fake_nic.py')


class FakeNic:
    """Answers for flows, which a system forwards that can do capacity(load) frames a second."""

    folder = '/tmp'

    def __init__(self, capacity):
        self.capacity = capacity
        self.late_ns = self.gap_ns = 0
        self.jitter = {'jitter_ns': 10}     # absent if less than two frames arrived
        self.drained_s = 0.0    # behind an overload, after which nothing is lost
        self.running, self.results, self.started = [], {}, 0

    def socket(self, name):
        return '/tmp/%s.sock' % name

    def eal(self, name):
        return 'vfio_user:' + self.socket(name)

    def set_flows(self, *flows):
        self.running, self.results = flows, {}

    def start(self):
        self.started += 1
        for f in self.running:
            size = f['size']['fixed'] if 'fixed' in f['size'] else Size('imix').mean_bytes
            line = 1e9 / 8 / (size + 20)
            load = f['rate']['percentage'] / 100 * line
            duration = f['duration']
            frames = (duration['fixed_packets']['packets'] if 'fixed_packets' in duration else
                      int(load * duration['fixed_seconds']['seconds']))
            got = min(frames, int(frames * self.capacity(load) / load + 1e-6))
            delay = duration.get('fixed_packets', {}).get('delay')
            if delay and delay['nanoseconds'] / 1e9 - 1.0 < self.drained_s:    # DEFAULT.recovery
                got = 0
            self.results[f['name']] = {
                'name': f['name'], 'transmit': 'stopped', 'frames_tx': frames, 'frames_rx': got,
                'bytes_tx': frames * size,
                'lost': frames - got, 'late_ns': self.late_ns,
                'rx': [{'duplicated': 0, 'reordered': 0, 'corrupted': 0, **self.jitter,
                        'latency_ns': dict.fromkeys(
                            ('min', 'mean', 'p50', 'p99', 'p99.9', 'p99.99', 'max'), 5000)
                        if got else None}]}

    def wait_until_sent(self, timeout):
        return self.flows()

    def settled(self, quiet):
        return self.flows()

    def flows(self):
        return self.results

    def report(self, new_interval=False):
        wire = {'stalled_ns': 0, 'longest_gap_ns': self.gap_ns, 'gaps_over_100us': 0,
                'gaps_over_1ms': 0, 'gaps_over_10ms': 0}
        return {'ports': [{'rx': wire, 'tx': wire}, {'rx': wire, 'tx': None}]}


class FakeRig:
    speed_mbps = 1000

    def __init__(self, capacity):
        self.nic = FakeNic(capacity)
        self.waited = 0
        self.now = 0.0      # seconds of the trials, with what a trial costs besides

    def waited_ns(self):
        self.waited += self.nic.gap_ns
        return {'1': self.waited, '2': 0}

    def check(self):
        pass

    def sleep(self, seconds):
        self.now += seconds + 0.1


def steady(pps):
    return lambda load: pps


def session(capacity, sizes=('64',), profile=QUICK, rig=None):
    """Return the result of a run on such a system."""
    rig = rig or FakeRig(capacity)
    found = Session(rig, profile, lambda *_: None, lambda: rig.now).run(sizes)
    return {'sizes': found, 'expectations': [], 'baseline': None, 'directions': 2, 'seconds': 1.5,
            'started': '2026-01-01T00:00:00Z', 'speed_mbps': 1000,
            'gaps': {'over_100us': 0, 'over_1ms': 0, 'over_10ms': 0, 'longest_ns': 0}}


class Searches(unittest.TestCase):
    def test_line_rate_is_found_at_each_size(self):
        for s in session(steady(1e9), QUICK.sizes)['sizes']:
            for name in 'ndr', 'pdr':
                self.assertEqual(s[name]['line'], 1.0, s['size'])
                self.assertIsNone(s[name]['upper_pps'])
                self.assertEqual(s[name]['throughput_pps'], s['line_pps'])

    def test_capacity_of_a_steady_system_is_found_within_the_width(self):
        for share in 0.011, 0.1, 0.37, 0.9, 0.995:
            s = session(steady(share * LINE_64))['sizes'][0]
            for name, loss in ('ndr', 0.0), ('pdr', 0.005):
                true = share * LINE_64 / (1 - loss)
                self.assertTrue(s[name]['regular'])
                self.assertLessEqual(s[name]['lower_pps'], true * (1 + 1e-6))
                self.assertGreater(s[name]['lower_pps'], true * 0.985)
                self.assertGreaterEqual(s[name]['upper_pps'], true * (1 - 1e-6))

    def test_system_that_is_slow_at_times_has_the_rate_of_its_better_half(self):
        # A load may miss its goal in half of the seconds.
        for bad, least, most in (0.2, 0.95, 1.0), (0.8, 0.4, 0.52):
            rng = random.Random(1)
            s = session(lambda load, r=rng, b=bad: LINE_64 * (0.5 if r.random() < b else 1.0),
                        profile=Profile('long', goals=goals(0.01, 1.0, 1.0, 40.0)))['sizes'][0]
            self.assertTrue(least <= s['ndr']['line'] <= most, s['ndr'])

    def test_rfc_profile_finds_throughput_curve_and_buffer(self):
        s = session(steady(0.5 * LINE_64), profile=RFC2544)['sizes'][0]
        self.assertIsNone(s['ndr'])
        self.assertAlmostEqual(s['throughput']['line'], 0.5, delta=0.006)
        self.assertEqual([p['loss_ratio'] == 0 for p in s['loss_curve']],
                         5 * [False] + 2 * [True])
        self.assertAlmostEqual(s['loss_curve'][0]['loss_ratio'], 0.5, delta=0.01)
        self.assertEqual(len(s['back_to_back']['bursts']), 50)
        self.assertEqual(s['back_to_back']['mean_frames'], 0)

    def test_buffer_is_the_longest_burst_without_loss(self):
        rig = FakeRig(None)

        def capacity(load):
            frames = rig.nic.running[0]['duration'].get('fixed_packets', {}).get('packets', 0)
            return LINE_64 if frames <= 100000 else LINE_64 / 2
        rig.nic.capacity = capacity
        s = session(None, profile=DEFAULT, rig=rig)['sizes'][0]['back_to_back']
        self.assertAlmostEqual(s['mean_frames'], 100000, delta=s['longest_frames'] / 1000)

    def test_latency_is_measured_at_shares_of_the_rate(self):
        s = session(steady(0.5 * LINE_64))['sizes'][0]
        self.assertEqual([p['load'] for p in s['latency']], [0.1, 0.5, 0.9])
        for p in s['latency']:
            self.assertAlmostEqual(p['pps'], p['load'] * s['ndr']['lower_pps'])
            self.assertEqual([f['name'] for f in p['flows']], ['a-b', 'b-a'])
            self.assertEqual(p['flows'][0]['p99.9_ns'], 5000)

    def test_recovery_is_the_end_of_the_last_slice_with_loss(self):
        for drained, least, most in ((0.0, 0.0, 0.0), (0.02, 0.02, 0.026), (0.2, 0.2, 0.26)):
            rig = FakeRig(steady(0.5 * LINE_64))
            rig.nic.drained_s = drained
            r = session(None, profile=DEFAULT, rig=rig)['sizes'][0]['recovery']
            self.assertTrue(least <= r['seconds'] <= most, r)
            self.assertAlmostEqual(r['overload_pps'] / LINE_64, 0.55, delta=0.01)

    def test_overload_does_not_exceed_the_line(self):
        s = session(steady(0.95 * LINE_64), profile=DEFAULT)['sizes'][0]
        self.assertEqual(s['recovery']['overload_pps'], s['line_pps'])
        self.assertTrue(all(t['pps'] <= s['line_pps'] * (1 + 1e-9) for t in s['trials']))

    def test_flow_without_jitter_has_null(self):
        rig = FakeRig(steady(1e9))
        rig.nic.jitter = {}
        s = session(None, rig=rig)['sizes'][0]
        self.assertIsNone(s['latency'][0]['flows'][0]['jitter_ns'])

    def test_application_that_does_not_recover_is_reported(self):
        rig = FakeRig(steady(0.5 * LINE_64))
        rig.nic.drained_s = 9.0
        r = session(None, profile=DEFAULT, rig=rig)['sizes'][0]['recovery']
        self.assertIsNone(r['seconds'])

    def test_line_that_cannot_overload_the_application_measures_no_recovery(self):
        self.assertIsNone(session(steady(1e9), profile=DEFAULT)['sizes'][0]['recovery'])

    def test_slices_of_a_recovery_follow_each_other_until_its_end(self):
        for rate in 700000.0, 400.0:
            found = slices(rate, 1.0)
            self.assertGreaterEqual(found[-1][1], 1.0)
            for before, after in zip(found, found[1:]):
                self.assertEqual(before[1], after[0])
            self.assertTrue(all(frames >= 1 for _, _, frames in found))

    def test_application_that_forwards_nothing_is_reported(self):
        with self.assertRaisesRegex(Failure, 'no frame of a-b came back'):
            session(steady(0))


class VoidTrials(unittest.TestCase):
    def measurer(self, capacity=steady(1e9)):
        self.rig = FakeRig(capacity)
        return Measurer(self.rig, Size('64'))

    def test_generator_that_was_late_voids_a_trial(self):
        m = self.measurer()
        self.assertFalse(m.measure(0.5, LINE_64).void)
        self.rig.nic.late_ns = 1
        trial = m.measure(0.5, LINE_64)
        self.assertTrue(trial.void)
        self.assertIn('late', trial.facts['void'])

    def test_gap_voids_a_trial_only_if_frames_were_lost(self):
        m = self.measurer(steady(LINE_64 / 2))
        ring_ns = int(512 / LINE_64 * 1e9)
        for gap, void in (ring_ns, False), (ring_ns + 1000, True):
            self.rig.nic.gap_ns = gap
            self.assertEqual(m.measure(0.5, LINE_64).void, void)
            self.assertFalse(m.measure(0.5, LINE_64 / 4).void)

    def test_gap_voids_a_recovery_only_if_frames_were_lost_behind_the_overload(self):
        m = self.measurer(steady(LINE_64 / 2))
        self.rig.nic.gap_ns = 10 ** 9
        for drained, void in (0.0, False), (0.1, True):
            self.rig.nic.drained_s = drained
            trial = m.recover(1.0, 0.6 * LINE_64)
            self.assertGreater(trial.facts['lost'], 0)
            self.assertEqual(trial.void, void)

    def test_flow_that_ended_early_voids_a_trial(self):
        m = self.measurer()
        start = self.rig.nic.start

        def shorter():
            start()
            self.rig.nic.results['b-a']['frames_tx'] -= 40
            self.rig.nic.results['b-a']['bytes_tx'] -= 40 * 64
        self.rig.nic.start = shorter
        self.assertIn('early', m.measure(0.5, LINE_64).facts['void'])

    def test_void_trials_are_repeated_and_listed(self):
        rig = FakeRig(steady(1e9))
        start, rng = rig.nic.start, random.Random(2)

        def sometimes_late():
            rig.nic.late_ns = 5 if rng.random() < 0.4 else 0
            start()
        rig.nic.start = sometimes_late
        s = session(None, rig=rig)['sizes'][0]
        self.assertEqual(s['ndr']['line'], 1.0)
        self.assertGreater(sum(t['void'] is not None for t in s['trials']), 0)
        self.assertEqual(len(s['trials']), rig.nic.started)


class Limits(unittest.TestCase):
    """Runs of the clock of FakeRig, in which each trial costs 0.1 s besides its duration."""

    def run_on(self, rig, profile):
        result = session(None, profile.sizes, profile, rig)
        self.assertEqual([s['size'] for s in result['sizes']], list(profile.sizes))
        return result, rig.now

    def test_run_ends_in_time_if_all_trials_are_void(self):
        for profile, most in (QUICK, 90), (DEFAULT, 900):
            rig = FakeRig(steady(1e9))
            rig.nic.late_ns = 1
            result, seconds = self.run_on(rig, profile)
            self.assertLess(seconds, most)
            # Each size had its share.
            self.assertTrue(all(len(s['trials']) > 10 for s in result['sizes']))
            self.assertEqual(len(outputs.unmeasured(result)), 2 * len(profile.sizes))

    def test_run_ends_in_time_on_a_noisy_system(self):
        for profile, most in (QUICK, 90), (DEFAULT, 900):
            rng = random.Random(3)
            rig = FakeRig(lambda load, r=rng: load * (1 - 0.02 * (r.random() < 0.5)))
            result, seconds = self.run_on(rig, profile)
            self.assertLess(seconds, most)
            self.assertTrue(all(s['latency'] for s in result['sizes'] if s['ndr']['lower_pps']))

    def test_search_leaves_the_other_parts_their_time(self):
        rig = FakeRig(steady(0.5 * LINE_64))
        profile = replace(DEFAULT, goals=goals(1e-9, 0.2, 0.4, 0.4), limit=60.0, sizes=('64',))
        result, seconds = self.run_on(rig, profile)
        s = result['sizes'][0]
        self.assertLess(seconds, profile.limit)
        self.assertEqual(s['ndr']['ended'], 'time limit')
        self.assertEqual(len(s['latency']), 3)
        self.assertTrue(s['loss_curve'] and s['back_to_back']['bursts'] and s['recovery'])

    def test_time_that_a_size_does_not_need_serves_the_next_ones(self):
        rig = FakeRig(steady(1e9))
        start = rig.nic.start

        def late_at_1518():
            rig.nic.late_ns = int(rig.nic.running[0]['size'].get('fixed') == 1518)
            start()
        rig.nic.start = late_at_1518
        result, seconds = self.run_on(rig, replace(QUICK, sizes=('64', '1518'), void_repeats=1000))
        self.assertGreater(seconds, 0.9 * QUICK.limit)
        self.assertEqual(result['sizes'][0]['ndr']['ended'], 'complete')


def validate(result):
    """Check a result against the schema that is published for it."""
    with open(os.path.join(TOP, 'doc', 'linerate.schema.json'), encoding='utf-8') as f:
        jsonschema.validate(result, json.load(f))


class Results(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.result = session(steady(0.4 * LINE_64), ('64', '1518', 'imix'))

    def value(self, text):
        return Expectation(text).check(self.result)

    def test_expectations(self):
        for text, met in (('ndr.64 >= 0.39 line', True), ('ndr.64 >= 0.41 line', False),
                          ('pdr.64>0.39line', True), ('ndr.64 < 1 Mpps', True),
                          ('ndr.64 > 600 kpps', False), ('ndr.1518 == 1 line', True),
                          ('latency.64.0.5.p99 <= 5 us', True),
                          ('latency.imix.0.9.p99.99 <= 4999 ns', False),
                          ('corrupted.64 == 0', True), ('lost.64 == 0', False),
                          ('throughput.64 >= 0 pps', False)):
            self.assertEqual(self.value(text)['met'], met, text)
        self.assertAlmostEqual(self.value('ndr.64 >= 0 line')['value'], 0.4, delta=0.005)
        self.assertIsNone(self.value('throughput.64 >= 0 pps')['value'])

    def test_expectations_with_mistakes_are_refused_in_one_line(self):
        for text, why in (('', 'expected FIGURE'), ('ndr.64', 'expected FIGURE'),
                          ('ndr.64 = 1 line', 'expected FIGURE'),
                          ('speed.64 > 1', 'no such figure'),
                          ('ndr.65 > 1 line', 'no such size'), ('ndr.64 > 1 us', 'expected a unit'),
                          ('ndr.64 > 1', 'expected a unit'),
                          ('latency.64 > 1 us', 'no such figure'),
                          ('latency.64.0.5.p98 > 1 us', 'no such quantile'),
                          ('ndr.64.0.5.p99 > 1 line', 'no such figure'),
                          ('ndr.64 > 1.2.3 line', 'is no number')):
            with self.assertRaises(ValueError, msg=text) as raised:
                Expectation(text)
            self.assertIn(why, str(raised.exception))
            self.assertNotIn('\n', str(raised.exception))

    def test_void_latency_does_not_count(self):
        result = copy.deepcopy(self.result)
        for point in result['sizes'][0]['latency']:
            point['void'] = 'the generator was late'
        check = Expectation('latency.64.0.5.p99 <= 1 s').check(result)
        self.assertEqual((check['met'], check['value']), (False, None))
        self.assertIsNone(outputs.middle(result['sizes'][0]))
        self.assertNotIn('latency.64.0.5.p50',
                         [c['of'] for c in baseline.compare('old', self.result, result)['changes']])

    def test_rate_that_a_limit_prevented_is_no_success(self):
        result = copy.deepcopy(self.result)
        result['sizes'][0]['ndr'].update(lower_pps=None, line=0.0, ended='void trials')
        self.assertEqual(len(outputs.unmeasured(result)), 1)
        self.assertIn('FAILED  ndr.64: no rate was found', '\n'.join(outputs.table(result)))
        self.assertFalse(Expectation('ndr.64 >= 0 line').check(result)['met'])
        suite = ElementTree.fromstring(outputs.junit_text(result))
        self.assertEqual((suite.get('errors'), suite.get('failures')), ('1', '0'))
        # A complete search has an answer: even the least load lost frames.
        result['sizes'][0]['ndr'].update(ended='complete')
        self.assertEqual(outputs.unmeasured(result), [])
        self.assertEqual(Expectation('ndr.64 < 0.01 line').check(result)['value'], 0.0)

    def test_recovery_and_buffers_are_figures(self):
        rig = FakeRig(steady(0.5 * LINE_64))
        rig.nic.drained_s = 0.02
        result = session(None, profile=DEFAULT, rig=rig)
        for text, met in ('recovery.64 <= 30 ms', True), ('recovery.64 < 20 ms', False):
            self.assertEqual(Expectation(text).check(result)['met'], met)
        self.assertFalse(self.value('recovery.64 < 1 s')['met'])    # QUICK does not measure it
        figures = {r['figure'] for r in csv.DictReader(io.StringIO(outputs.csv_text(result)))}
        self.assertLess({'recovery_seconds', 'recovery_overload_pps', 'back_to_back_mean_frames'},
                        figures)

    def test_table_has_a_line_for_each_size_and_what_failed(self):
        result = dict(self.result, expectations=[self.value('ndr.64 >= 0.9 line')])
        lines = outputs.table(result)
        self.assertEqual([line.split()[0] for line in lines[1:4]], ['64', '1518', 'imix'])
        self.assertRegex('\n'.join(lines), r'FAILED  ndr\.64 >= 0\.9 line \(0\.3\d+\)')

    def test_csv_has_the_figures_of_the_result(self):
        rows = list(csv.DictReader(io.StringIO(outputs.csv_text(self.result))))
        rate = next(r for r in rows if (r['size'], r['figure']) == ('64', 'ndr_lower'))
        self.assertEqual(float(rate['value']), self.result['sizes'][0]['ndr']['lower_pps'])
        self.assertEqual(rate['unit'], 'pps')
        self.assertTrue(any(r['figure'] == 'latency_a-b_p99.99' and r['load'] == '0.9'
                            for r in rows))

    def test_junit_has_a_failure_for_each_expectation_that_is_not_met(self):
        result = dict(self.result, expectations=[self.value('ndr.64 >= 0.1 line'),
                                                 self.value('ndr.64 >= 0.9 line')])
        suite = ElementTree.fromstring(outputs.junit_text(result))
        self.assertEqual((suite.get('tests'), suite.get('failures')), ('5', '1'))
        self.assertEqual([c.find('failure') is not None for c in suite], 4 * [False] + [True])
        suite = ElementTree.fromstring(outputs.junit_text(self.result))
        self.assertEqual((suite.get('tests'), suite.get('failures')), ('3', '0'))

    def test_baseline_reports_what_changed_beyond_noise(self):
        def changes(before):
            return {c['of']: c['beyond_noise']
                    for c in baseline.compare('old', before, self.result)['changes']}
        before = copy.deepcopy(self.result)
        self.assertEqual(set(changes(before).values()), {False})
        before['sizes'][0]['ndr']['lower_pps'] *= 1.1
        before['sizes'][2]['latency'][1]['flows'][0]['p50_ns'] *= 3
        found = changes(before)
        self.assertEqual({of for of, beyond in found.items() if beyond},
                         {'ndr.64', 'latency.imix.0.5.p50'})
        self.assertIn('pdr.1518', found)

    def test_devices_are_put_behind_the_program_or_where_the_command_says(self):
        nic = FakeNic(None)
        self.assertEqual(complete(['app', '-l', '0'], nic)[1::2][:4],
                         ['-d', '-a', '-a', '-l'])
        self.assertEqual(complete(['app', '--dev={a}', 'x{b}'], nic),
                         ['app', '--dev=/tmp/a.sock', 'x/tmp/b.sock'])
        folder = complete(['app'], nic)[2]
        self.assertEqual(complete(['app', '-d', '{pmds}', '{a}'], nic),
                         ['app', '-d', folder, '/tmp/a.sock'])
        self.assertEqual(complete(['app', '{pmds}'], nic)[-1], folder)


class Protocol(unittest.TestCase):
    """Single trials by JSON-RPC on fake_nic.py, whose queue has known answers."""

    def measurer(self, **model):
        rig = FakeRig(None)
        with unittest.mock.patch.dict(os.environ, FAKE_NIC=json.dumps(model)):
            rig.nic = gantry.Nic('a', 'b', binary=FAKE_DAEMON)
        self.addCleanup(rig.nic.kill)
        rig.sleep, rig.waited_ns = time.sleep, lambda: {}
        return Measurer(rig, Size('64'))

    def test_burst_without_loss_fills_the_queue(self):
        m = self.measurer(capacity=0.75 * LINE_64, buffer=3000)
        found = mlrsearch.back_to_back(m.burst, m.line, 20000, 100, 1)
        self.assertAlmostEqual(found.bursts[0], 3000 / (1 - 0.75), delta=200)

    def test_loss_is_the_excess_of_the_load(self):
        m = self.measurer(capacity=0.5 * LINE_64)
        for share in 0.4, 0.8, 1.0:
            trial = m.measure(0.1, share * LINE_64)
            self.assertFalse(trial.void)
            self.assertAlmostEqual(trial.loss_ratio, max(0.0, 1 - 0.5 / share), delta=0.001)

    def test_recovery_begins_when_the_overload_ends(self):
        m = self.measurer(capacity=0.5 * LINE_64, buffer=3000)
        trial = m.recover(0.1, LINE_64 * 0.6)
        self.assertGreater(trial.facts['lost'], 0)
        self.assertEqual((trial.void, trial.recovered_s), (False, 0.0))
        # Half of this overload is more than the capacity.
        trial = self.measurer(capacity=0.4 * LINE_64).recover(0.1, LINE_64)
        self.assertIsNone(trial.recovered_s)


def runs(pid, timeout=10):
    """Return whether a process still runs after a moment; init may not have reaped an orphan."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            with open('/proc/%s/stat' % pid, encoding='ascii', errors='replace') as f:
                if f.read().rpartition(')')[2].split()[0] == 'Z':
                    return False
        except OSError:
            return False
        time.sleep(0.02)
    return True


class Whole(unittest.TestCase):
    """The command line, with fake_nic.py in the place of the daemon, and a shell as application."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='gantry.', dir='/tmp')
        self.addCleanup(shutil.rmtree, self.dir)
        os.mkdir(self.path('app'))
        os.symlink(FAKE_DAEMON, self.path('app', 'gantry-nic'))

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def start(self, model, *args, app='echo $$ >%s/pid; exec sleep 600'):
        argv = [sys.executable, os.path.join(TOP, 'tools', 'lib', 'linerate', 'main.py'),
                '--quick', '--sizes', '64', *args, '--', 'sh', '-c', app % self.dir + ' # {a}']
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, GANTRY_BUILD=self.dir, TMPDIR=self.dir,
                                         FAKE_NIC=json.dumps(model)))

    def end(self, process, status):
        """Wait for the end, check that no process is left, and return both outputs."""
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, status, err)
        self.assertNotIn('Traceback', err)
        if os.path.exists(self.path('pid')):
            with open(self.path('pid'), encoding='ascii') as f:
                for pid in f.read().split():
                    self.assertFalse(runs(pid), 'process %s is left' % pid)
        return out, err

    def run_on(self, model, *args, status=0, **kw):
        return self.end(self.start(model, *args, **kw), status)

    def result(self, name='r.json'):
        with open(self.path(name), encoding='utf-8') as f:
            found = json.load(f)
        validate(found)
        return found

    def test_known_capacity_is_found_and_written_in_all_forms(self):
        _, progress = self.run_on(
            {'capacity': 0.4 * LINE_64}, '--json', self.path('r.json'), '--csv', self.path('r.csv'),
            '--junit', self.path('r.xml'), '--expect', 'ndr.64 >= 0.39 line',
            '--expect', 'ndr.64 >= 0.99 line', status=1)
        result = self.result()
        self.assertEqual((result['version'], result['profile']), ('9.9.9', 'quick'))
        s = result['sizes'][0]
        self.assertTrue(s['ndr']['regular'])
        self.assertAlmostEqual(s['ndr']['line'], 0.4, delta=0.005)
        self.assertAlmostEqual(s['pdr']['line'], 0.4 / 0.995, delta=0.005)
        self.assertEqual([e['met'] for e in result['expectations']], [True, False])
        self.assertEqual(len(re.findall(r'bytes, ', progress)), len(s['trials']))
        suite = ElementTree.parse(self.path('r.xml')).getroot()
        self.assertEqual((suite.get('tests'), suite.get('failures')), ('3', '1'))
        with open(self.path('r.csv'), encoding='utf-8', newline='') as f:
            rows = {(r['size'], r['figure']): r['value'] for r in csv.DictReader(f)
                    if not r['load']}
        self.assertEqual(float(rows['64', 'ndr_lower']), s['ndr']['lower_pps'])
        # A faster system differs from this baseline.
        out, _ = self.run_on({}, '--baseline', self.path('r.json'), '--json', self.path('s.json'))
        changes = {c['of']: c['beyond_noise'] for c in self.result('s.json')['baseline']['changes']}
        self.assertTrue(changes['ndr.64'] and not changes['latency.64.0.5.p50'], changes)
        self.assertIn('changed ndr.64', out)

    def test_noisy_and_bimodal_systems_are_measured(self):
        for model, least, most in (({'noise': 0.1}, 0.35, 0.4), ({'bad': 0.15, 'worse': 0.5},
                                                                 0.19, 0.405)):
            self.run_on({'capacity': 0.4 * LINE_64, **model}, '--json', self.path('r.json'))
            self.assertTrue(least < self.result()['sizes'][0]['ndr']['line'] < most)

    def test_void_trials_of_each_kind_do_not_count(self):
        # The first start is the warm-up.
        self.run_on({'late': [2], 'gap': [3], 'short': [4, 6]}, '--json', self.path('r.json'))
        s = self.result()['sizes'][0]
        self.assertEqual(s['ndr']['line'], 1.0)
        voids = [t['void'] or '' for t in s['trials'][1:6]]
        for void, why in zip(voids, ('late by', 'kept a core away', 'ended early', '', 'early')):
            self.assertTrue(why in void and bool(why) == bool(void), voids)
        self.assertTrue(all(t['void'] is None for t in s['trials'][6:]))

    def test_run_without_a_valid_trial_fails(self):
        out, _ = self.run_on({'late': 1.0}, '--speed', '1000', '--junit', self.path('r.xml'),
                             status=1)
        self.assertIn('FAILED  ndr.64: no rate was found', out)
        self.assertEqual(ElementTree.parse(self.path('r.xml')).getroot().get('errors'), '1')

    def test_daemon_that_ends_or_refuses_is_reported(self):
        for model, why in ({'dies': 3}, 'gantry-nic ended with status 3'), \
                ({'refuses': 'flows[0].rate: no'}, 'tools/linerate: flows[0].rate: no'):
            out, err = self.run_on(model, status=1)
            self.assertIn(why, err)
            self.assertEqual(out, '')

    def test_signal_ends_all_processes_of_the_run(self):
        # The shell leaves a child in the background, which ignores SIGINT.
        app = 'sleep 600 & echo $$ $! >%s/pid; wait'
        for number in signal.SIGTERM, signal.SIGINT:
            process = self.start({}, app=app)
            self.assertIn('starting', process.stderr.readline())
            self.assertIn('warm-up', process.stderr.readline())
            process.send_signal(number)
            self.end(process, 128 + number)


@tag('slow')
class Real(Bench):
    def linerate(self, *args, status=0, timeout=120, **env):
        r = subprocess.run([sys.executable,
                            os.path.join(TOP, 'tools', 'lib', 'linerate', 'main.py'), *args],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=timeout, check=False,
                           env=dict(os.environ, GANTRY_NO_HUGEPAGES='a test', **env))
        self.assertEqual(r.returncode, status, r.stderr)
        return r

    def test_stock_testpmd_is_measured_at_a_low_speed(self):
        r = self.linerate('--quick', '--sizes', '64,imix', '--speed', '10', '--json',
                          self.path('r.json'), '--report', self.path('r.html'), '--csv',
                          self.path('r.csv'), '--junit', self.path('r.xml'),
                          '--expect', 'corrupted.64 == 0', '--expect', 'duplicated.imix == 0')
        with open(self.path('r.json'), encoding='utf-8') as f:
            result = json.load(f)
        validate(result)
        with open(self.path('r.html'), encoding='utf-8') as f:
            self.assertRegex(f.read(), r'<h1>Line rate at \d of 2 frame sizes</h1>')
        self.assertEqual([s['size'] for s in result['sizes']], ['64', 'imix'])
        for s in result['sizes']:
            self.assertGreater(s['ndr']['lower_pps'] or 0, 0, r.stdout)
            self.assertTrue(all(t['corrupted'] == 0 for t in s['trials']))
        self.assertEqual([e['met'] for e in result['expectations']], [True, True])
        self.assertIn('imix', r.stdout)
        with self.assertRaises(jsonschema.ValidationError):
            validate(dict(result, speed='1G'))
        again = self.linerate('--quick', '--sizes', '64', '--speed', '10', '--baseline',
                              self.path('r.json'), '--expect', 'ndr.64 > 1 line', status=1)
        self.assertIn('FAILED  ndr.64 > 1 line', again.stdout)

    def test_applications_that_cannot_be_measured_are_reported(self):
        for why, *command in (
                ('no such program', 'no-such-program'),
                ('ended with status 3', 'sh', '-c', 'exit 3 # {a}'),
                ('no frame of a-b came back', 'dpdk-testpmd', '--no-huge', '--no-shconf', '-m',
                 '256', '--no-pci', '--no-telemetry', '--lcores=0,1', '--', '--auto-start',
                 '--forward-mode=rxonly', '--total-num-mbufs=8192', '--stats-period=3600')):
            r = self.linerate('--quick', '--sizes', '64', '--speed', '10', '--', *command, status=1)
            self.assertIn(why, r.stderr)

    def test_wrong_arguments_are_refused_in_one_line(self):
        for why, *args in (('no such size', '--expect', 'ndr.1 > 1 line'),
                           ('expected some of', '--sizes', '1'),
                           ('does not have 128', '--sizes', '64', '--expect', 'ndr.128 > 1 line'),
                           ('expected 1 to 400000', '--speed', '0'),
                           ('invalid choice', '--profile', 'x'),
                           ('none.json', '--baseline', self.path('none.json')),
                           ('--json', '--json', self.path('no/such/folder'))):
            r = self.linerate(*args, status=2)
            self.assertIn(why, r.stderr)
            self.assertEqual((r.stdout, len(r.stderr.splitlines())), ('', 1), r.stderr)


if __name__ == '__main__':
    unittest.main()
