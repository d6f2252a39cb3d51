#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Run the host tests: tests/host/test_*.py.

    run.py [--with TAG] [--without TAG[,TAG]] [--dma MODE] [--dma-debug] [--iova va|pa]
           [--dpdk RELEASE] [--part K/N] [--counts FILE] [PATTERN ...]

The runner prints one line for each test, the output of each failed test, and a summary. A PATTERN
selects the tests whose name contains it (test_stock_testpmd.Modes.test_io).

--with TAG      runs only the tests that carry TAG (lib.tag).
--without TAG   leaves out the tests that carry TAG.
--part K/N      runs every Nth test, starting with the Kth, so that N runners share the tests.
--counts FILE   appends one line "PASSED FAILED SKIPPED" to FILE.
--dma MODE      passes the devarg dma=MODE to every port.
--dma-debug     passes the devarg dma_debug=1 to every port.
--iova MODE     runs each test that does not choose memory itself with hugepages, in this IOVA mode.
--dpdk RELEASE  tests the build for another release of DPDK (25.11), which tools/lib/matrix.sh made:
                its programs and plugins, and the dpdk-testpmd of that release, all run with the
                libraries of that release. The daemon does not link DPDK and comes from build/.

Tests for which a DMA mode makes a difference carry the tag "dma".

A test that cannot run on this machine is skipped, and its reason begins with "needs". The runner
counts a test that is skipped for any other reason as failed, because it could have run. It also
counts a test as failed if it needs hugepages and GANTRY_HUGEPAGES indicates that they are reserved.
"""

import argparse
import os
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SKIPPED = 77  # exit status if all tests were skipped, as meson defines it
LIMIT = 900  # seconds that one test may take; applies if a limit of the test itself does not hold


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def tags(test):
    method = getattr(test, getattr(test, '_testMethodName', ''), None)
    return set(getattr(type(test), 'tags', ())) | set(getattr(method, 'tags', ()))


def on_alarm(signum, frame):
    raise AssertionError('did not end within %d s' % LIMIT)


def part(text):
    k, slash, n = text.partition('/')
    if not slash or not 1 <= int(k) <= int(n):
        raise ValueError
    return int(k), int(n)


class Result(unittest.TestResult):
    def __init__(self, how):
        super().__init__()
        self.how = how      # the mode of this run, appended to each line
        self.passed, self.failed, self.left_out = [], [], []

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        self.subfailures = []
        signal.alarm(LIMIT)

    def line(self, word, test, extra=''):
        signal.alarm(0)
        begin = getattr(self, 'begin', time.monotonic())
        print('%-6s %s%s (%.1f s)%s' % (word, test.id(), self.how, time.monotonic() - begin, extra),
              flush=True)

    def bad(self, test, err):
        self.failed.append(test)
        self.line('FAILED', test)
        print(self._exc_info_to_string(err, test), flush=True)

    def addSuccess(self, test):
        if not self.subfailures:
            self.passed.append(test)
            self.line('passed', test)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.bad(subtest, err)
            self.subfailures.append(subtest)

    def addFailure(self, test, err):
        self.bad(test, err)

    def addError(self, test, err):
        self.bad(test, err)

    def addSkip(self, test, reason):
        reserved = 'GANTRY_HUGEPAGES' in os.environ and 'hugepages' in reason
        if reason.startswith('needs ') and not reserved:
            self.left_out.append(test)
            self.line('skip', test, ': ' + reason)
        else:
            self.failed.append(test)
            self.line('FAILED', test, ': skipped without need: ' + reason)

    def addExpectedFailure(self, test, err):
        self.bad(test, err)

    def addUnexpectedSuccess(self, test):
        self.failed.append(test)
        self.line('FAILED', test, ': succeeded unexpectedly')


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument('--with', default='', metavar='TAG', dest='only')
    ap.add_argument('--without', default='', metavar='TAG[,TAG]')
    ap.add_argument('--dma', choices=('direct', 'window', 'strict', 'bounce'))
    ap.add_argument('--dma-debug', action='store_const', const='1')
    ap.add_argument('--iova', choices=('va', 'pa'))
    ap.add_argument('--dpdk', metavar='RELEASE')
    ap.add_argument('--part', type=part, default=(1, 1), metavar='K/N')
    ap.add_argument('--counts', metavar='FILE')
    ap.add_argument('pattern', nargs='*')
    args = ap.parse_args()
    without = set(filter(None, args.without.split(',')))
    chosen = {'GANTRY_DMA': args.dma, 'GANTRY_DMA_DEBUG': args.dma_debug, 'GANTRY_IOVA': args.iova}
    if args.dpdk:
        chosen['GANTRY_DPDK'] = args.dpdk
        chosen['GANTRY_BUILD'] = os.path.join(TOP, 'build-' + args.dpdk)
        chosen['GANTRY_NIC'] = os.path.join(TOP, 'build', 'app', 'gantry-nic')
        chosen['GANTRY_DPDK_RUN'] = os.path.join(TOP, '.deps', 'matrix', args.dpdk, 'root', 'run')
    os.environ.update({name: value for name, value in chosen.items() if value})
    how = [args.dma, args.iova, args.dma_debug and 'dma_debug', args.dpdk and 'DPDK ' + args.dpdk]

    sys.path.insert(0, HERE)
    tests = [t for t in flatten(unittest.TestLoader().discover(HERE, 'test_*.py'))
             if not tags(t) & without and (not args.only or args.only in tags(t))
             and (not args.pattern or any(p in t.id() for p in args.pattern))]
    tests = tests[args.part[0] - 1::args.part[1]]
    result = Result(' [%s]' % ', '.join(filter(None, how)) if any(how) else '')
    signal.signal(signal.SIGALRM, on_alarm)
    # SystemExit makes the running test execute its tearDown, so a killed runner leaves no process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unittest.TestSuite(tests).run(result)
    counts = len(result.passed), len(result.failed), len(result.left_out)
    print('host tests: %d passed, %d failed, %d skipped' % counts)
    if args.counts:
        with open(args.counts, 'a', encoding='utf-8') as f:
            f.write('%d %d %d\n' % counts)
    if result.left_out and not result.failed and not result.passed:
        return SKIPPED
    return 1 if result.failed or not result.passed else 0


if __name__ == '__main__':
    sys.exit(main())
