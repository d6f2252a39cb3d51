# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Cycles of the driver for a packet, next to DPDK's own driver for the controller.

bench-driver (driver.c) plays the device between timed bursts, so that rings are always full, and
measures each path of net_gantry_igb and net_e1000_igb in turns. A turn here is one process. rows
has one row for each path, with and without fast free; a driver without that offload has a row for
both, from ports of its own, with fast_free_exists false. upstream_ixgbe is net_ixgbe_vf, which has
a vector path for the same descriptors.
"""

import json
import os
import statistics
import subprocess

from lib import BUILD

from bench import Failure, cores, spread
from dma import need_hugepages

PROGRAM = os.path.join(BUILD, 'bench', 'bench-driver')
UPSTREAM = 'upstream_igb'
ROUNDS = 5        # samples per process
FIGURES = {'rx': 'receive', 'tx': 'transmit', 'fwd': 'receive and transmit'}
NEEDED = [(path, fast) for path in ('scalar', UPSTREAM) for fast in (False, True)]
SETTING = 'TSC cycles a packet: %s, bursts of 32, rings of 512 that are always full, 60 bytes, ' \
    'checksum, VLAN strip and RSS hash on receive; a sample is the median of 257 groups of 16 ' \
    'bursts'


def key(path, fast, figure):
    return '%s%s_%s_cycles' % (path, '_fast_free' if fast else '', figure)


def parse(text):
    """Return {(path, fast free): subject} of the lines of bench-driver; EAL also prints lines."""
    subjects = {}
    for line in text.splitlines():
        if not line.startswith('{"path"'):
            continue
        s = json.loads(line)
        if (s['path'], s['fast_free']) in subjects:
            raise Failure('bench-driver: %s twice' % s['path'])
        if any(not s[f] or min(s[f]) <= 0 for f in FIGURES):
            raise Failure('bench-driver: %s: no cycles' % s['path'])
        subjects[s['path'], s['fast_free']] = s
    if ('scalar', False) not in subjects:
        raise Failure('bench-driver: no scalar path')
    return subjects


def rows(samples, exists):
    """Return the rows; samples is {key: [...]}, exists {(path, fast free): the driver has it}."""
    out = []
    for path, fast in exists:
        row = {'path': path, 'fast_free': fast, 'fast_free_exists': exists[path, fast]}
        for figure in FIGURES:
            s = samples[key(path, fast, figure)]
            row[figure + '_cycles'] = round(statistics.median(s), 2)
            row.setdefault('spread', {})[figure] = dict(spread(s), count=len(s))
        row['fwd_instructions'] = None  # these machines have no PMU
        theirs = samples.get(key(UPSTREAM, fast, 'fwd'))
        row['ratio_upstream'] = theirs and round(row['fwd_cycles'] / statistics.median(theirs), 3)
        out.append(row)
    return out


def run(bench):
    need_hugepages()
    argv = [PROGRAM, '-l', str(cores()[0]), '--no-telemetry', '--no-pci', '--in-memory', '-m',
            '256', '--iova-mode=va', '--', str(ROUNDS)]
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if r.returncode != 0:
        why = [line for line in r.stderr.splitlines() if line.startswith('bench-driver: ')]
        raise Failure((why or ['%s ended with %d' % (' '.join(argv), r.returncode)])[-1])
    subjects = parse(r.stdout)
    for (path, fast), s in subjects.items():
        for figure, text in FIGURES.items():
            bench.add(key(path, fast, figure), s[figure], SETTING % text)
    if (UPSTREAM, False) not in subjects:
        raise Failure('bench-driver: net_e1000_igb is not installed (librte-net-e1000)')
    return subjects


def measure(bench):
    """the driver: cycles a packet of each path, and of DPDK's own driver"""
    exists = {}
    keys = [key(*which, figure) for which in NEEDED for figure in FIGURES]
    for bench.turn in range(bench.runs):
        print('turn %d of %d' % (bench.turn + 1, bench.runs), flush=True)
        subjects = bench.attempt(keys, run, bench) or {}
        exists.update((which, s['fast_free_exists']) for which, s in subjects.items())
    bench.rows = rows(bench.samples, exists)
    for row in bench.rows:
        print('%-14s %-13s rx %6.2f  tx %6.2f  fwd %6.2f' % (
            row['path'], 'fast free' if row['fast_free'] else '', row['rx_cycles'],
            row['tx_cycles'], row['fwd_cycles']))
