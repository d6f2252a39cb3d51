#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""gantry-dmacheck: the corpus, one test for each bug, and the command line of the program.

The first test plays the whole corpus; each test then checks the result for its bug.
"""

import json
import os
import subprocess
import unittest

from lib import BUILD, WITH_DPDK, Bench, tag

DMACHECK = WITH_DPDK + [os.path.join(BUILD, 'app', 'gantry-dmacheck')]

# The classes of gantry_dma_debug.h, and one class that only the IOMMU of the device can see. Each
# has at least two bugs.
CLASSES = '''unmap-unknown unmap-twice wrong-size wrong-function wrong-direction
wrong-cpu-address wrong-nents unmap-error-address unchecked-mapping leaked-mapping
sync-unmapped sync-out-of-range sync-wrong-direction sync-pointless map-invalid map-stack
map-text map-not-contiguous overlap segment-too-long segment-boundary freed-while-mapped
mbuf-freed-in-flight mbuf-double-free mbuf-written-after-send mbuf-written-after-free
mbuf-sent-in-ring mbuf-received-into mbuf-changed-in-flight mbuf-fast-free-broken
mbuf-chain-not-enabled mbuf-not-of-pool iommu-fault'''.split()


def run(*args, timeout=60):
    return subprocess.run([*DMACHECK, *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout)


def listing():
    """Return name, class and source of each bug, or nothing if the program does not exist."""
    try:
        return [line.split(None, 2) for line in run('--list').stdout.splitlines()]
    except OSError:
        return []


@tag('dmacheck')
class Corpus(Bench):
    played = None

    def bug(self, name):
        cls = type(self)
        if cls.played is None:
            path = self.path('dmacheck.json')
            p = run('--json', path, timeout=800)
            with open(path, encoding='utf-8') as f:
                cls.played = json.load(f)
            cls.status, cls.output = p.returncode, p.stdout + p.stderr
        for bug in cls.played['bugs']:
            if bug['name'] == name:
                return bug
        self.skipTest('needs root and 80 free hugepages of 2 MiB')

    def test_no_twin_is_reported(self):
        """The totals that the program reports: as many twins as bugs, and no twin was reported."""
        bugs = listing()
        self.assertGreaterEqual(len(bugs), 60)
        self.bug(bugs[0][0])
        self.assertEqual(self.played['false_positives'], 0, self.output)
        self.assertEqual(self.played['twins'], len(self.played['bugs']))
        self.assertIn(self.status, (0, 3), self.output)
        self.assertEqual(self.status == 3, len(self.played['bugs']) < len(bugs), self.output)

    def test_each_class_has_two_bugs(self):
        bugs = listing()
        self.assertEqual({c for _, c, _ in bugs}, set(CLASSES))
        for c in CLASSES:
            self.assertGreaterEqual(sum(b[1] == c for b in bugs), 2, c)
        self.assertEqual(len({b[0] for b in bugs}), len(bugs))
        self.assertGreaterEqual(sum(b[2] != 'planted' for b in bugs), 15)
        self.assertGreaterEqual(sum(b[0].startswith('app_') for b in bugs), 15)

    def test_iommu_also_catches_bugs(self):
        self.bug(listing()[0][0])
        self.assertGreaterEqual(sum(b['caught_by'] == 'both' for b in self.played['bugs']), 2)

    def test_pointless_sync_is_reported_in_both_directions(self):
        messages = [self.bug(name)['message'] for name, kind, _ in listing()
                if kind == 'sync-pointless']
        for what in ('for the CPU, of memory that the device only reads',
                     'for the device, of memory that the device only writes'):
            self.assertGreaterEqual(sum(what in line for line in messages), 2, messages)


def of_bug(name, kind):
    def test(self):
        bug = self.bug(name)
        self.assertTrue(bug['ok'], '\n'.join(
            line for line in self.output.splitlines() if line.split()[1:2] == [name]))
        self.assertEqual(bug['class'], kind)
        # The entry of the bug in the corpus specifies whether the IOMMU must see it.
        self.assertIn(bug['caught_by'], ('iommu',) if kind == 'iommu-fault' else ('debug', 'both'))
        self.assertTrue(bug['message'])
    return test


for _name, _class, _ in listing():
    setattr(Corpus, 'test_%s_is_caught' % _name, of_bug(_name, _class))


@tag('dmacheck')
class CommandLine(Bench):
    def assert_refused(self, p, pattern):
        self.assertEqual(p.returncode, 2, p.stdout + p.stderr)
        self.assertRegex(p.stderr, pattern)
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
        self.assertEqual(p.stdout, '')

    def test_only_plays_named_bugs(self):
        path = self.path('one.json')
        p = run('--only', 'clean_tx_as_rx', '--only', 'sync_with_fcs', '--json', path, timeout=120)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        with open(path, encoding='utf-8') as f:
            report = json.load(f)
        self.assertEqual([b['name'] for b in report['bugs']], ['clean_tx_as_rx', 'sync_with_fcs'])
        self.assertEqual((report['twins'], report['false_positives']), (2, 0))
        self.assertEqual(set(report['bugs'][0]),
                         {'name', 'class', 'source', 'caught_by', 'message', 'ok'})

    def test_unknown_name_is_refused(self):
        self.assert_refused(run('--only', 'no_such_bug'), "no bug 'no_such_bug'")

    def test_unwritable_file_is_refused(self):
        self.assert_refused(run('--json', self.path('no/such/folder.json')), 'No such file')

    def test_bad_arguments_are_refused(self):
        self.assert_refused(run('more'), "'more'")
        self.assertEqual(run('--nonsense').returncode, 2)


if __name__ == '__main__':
    unittest.main()
