# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Cost of a packet by queues, ports, rings, bursts and pools, and round trips by load.

bench-scale (scale.c) forwards on one core, and the daemon joins the two ends of each port on
another one (wire=loop, speed=max). An axis changes one thing, and all others are as in BASE:

    queues    queues of one port; all rings together have DESCRIPTORS in each direction
    ports     ports of one queue each
    rings     descriptors of a ring
    bursts    packets of a burst
    pools     mbufs of a pool without a cache, which hands out all of them in turn; a packet of 64
              bytes uses about 256 bytes of an mbuf, so that the pools are within and beyond the
              cache of a core
    latency   round trips, at fractions of the rate of saturation

Samples are discarded and classified as in path.py. A packet that was lost or repeated voids a
sample.
"""

import itertools
import json
import os
import statistics
import time

from lib import BUILD, PMDS

from bench import Failure, cores
from dma import eal, need_hugepages
from path import Classified, classify, roundtrip

PROGRAM = os.path.join(BUILD, 'bench', 'bench-scale')
RUNS = 3
MINUTES = 14
SECONDS = 1
DESCRIPTORS = 4096
MB, MBUF_KB = 128, 4    # of EAL; an mbuf has a page of its own in ordinary memory
BASE = {'ports': 1, 'queues': 1, 'ring': 1024, 'burst': 32, 'mbufs': 0, 'load': 0}
# Values of each axis, and what they set beside BASE.
AXES = {
    'queues': ((1, 2, 4, 8, 16), lambda n: {'queues': n, 'ring': DESCRIPTORS // n}),
    'ports': ((1, 2, 4, 8), lambda n: {'ports': n}),
    'rings': ((64, 128, 256, 512, 1024, 2048, 4096), lambda n: {'ring': n}),
    'bursts': ((1, 2, 4, 8, 16, 32, 64, 128), lambda n: {'burst': n}),
    'pools': ((2048, 8192, 32768, 131072), lambda n: {'mbufs': n, 'ring': 256}),
    'latency': ((0.1, 0.5, 0.9), lambda load: {'load': load}),
}
COST = ('ns_per_packet',)
LATENCY = ('p50_ns', 'p99_ns', 'p9999_ns', 'reached')
SETTING = 'ports: %(ports)d; queues of each: %(queues)d; descriptors of a ring: %(ring)d; burst: ' \
    '%(burst)d; mbufs: %(mbufs)d (0: what the rings need); load: %(load)g (0: saturated)'


def options(ap):
    ap.add_argument('--axis', action='append', choices=list(AXES),
                    help='only this axis; may be repeated')
    ap.add_argument('--minutes', type=float, default=MINUTES, metavar='N',
                    help='at most, also if samples are missing (%d)' % MINUTES)
    ap.add_argument('--seconds', type=float, default=SECONDS, metavar='N',
                    help='of a sample (%d)' % SECONDS)
    ap.add_argument('--no-huge', action='store_true',
                    help='in ordinary memory, for a machine without hugepages: all costs are '
                    'higher')


def mistake(args):
    for name in 'minutes', 'seconds':
        if getattr(args, name) <= 0:
            return '--%s %g: more than 0' % (name, getattr(args, name))
    return None


def listing():
    return ['%-8s %s' % (axis, ' '.join(map(str, values))) for axis, (values, _) in AXES.items()]


def figures(axis):
    return LATENCY if axis == 'latency' else COST


def keys_of(axis, value, cls):
    return ['%s_%g_%s_%s' % (axis, value, cls, name) for name in figures(axis)]


def setting_of(axis, value):
    return dict(BASE, **AXES[axis][1](value))


def visit(bench, samples, axis, value):
    """Take a sample."""
    s, seconds = setting_of(axis, value), bench.options.seconds
    ports = ['p%d' % i for i in range(s['ports'])]
    bench.nic(*(port + ':wire=loop,speed=max' for port in ports))
    mb = MB + s['mbufs'] * MBUF_KB // 1024
    argv = [PROGRAM] + eal('--iova-mode=va', '-d', PMDS, '-m', str(mb))
    if bench.options.no_huge:
        argv = [a for a in argv if a != '--in-memory'] + ['--no-huge', '--no-shconf']
    for port in ports:
        argv += ['-a', 'vfio_user:' + bench.sock(port)]
    p = bench.start(argv + ['--'] + [str(s[k]) for k in ('queues', 'ring', 'burst', 'mbufs')] +
                    [str(seconds), str(s['load'])])
    p.expect('^ready', 60)
    before = roundtrip()
    p.say('go')
    p.wait(seconds + 60)
    after = roundtrip()
    sample = json.loads(p.text().splitlines()[-1])
    cls = samples.add((axis, value), sample, (before, after))
    if cls:
        for key, name in zip(keys_of(axis, value, cls), figures(axis)):
            bench.add(key, [sample[name]], '%s; %s round trip of a line' % (SETTING % s, cls))


def row(samples, axis, value, cls):
    good = samples.good[(axis, value), cls]
    out = {'axis': axis, 'load' if axis == 'latency' else 'value': value}
    for name in figures(axis):
        out[name] = round(statistics.median(s[name] for s in good), 3)
    if axis != 'latency':
        out['min'], out['max'] = (f(s[COST[0]] for s in good) for f in (min, max))
    out.update({'samples': len(good), 'discarded': samples.discarded.get((axis, value), 0),
                'class': cls, 'complete': samples.has_enough((axis, value), cls)})
    return out


def measure(bench):
    """queues, ports, rings, bursts, pools: ns a packet; loads: round trips"""
    args = bench.options
    if len(cores()) < 2:
        raise Failure('needs two cores')
    if not args.no_huge:
        need_hugepages()
    points = [(axis, value) for axis in args.axis or AXES for value in AXES[axis][0]]
    samples = Classified(bench.runs)

    def wants(point, cls):
        return not samples.has_enough(point, cls) and not bench.gave_up(keys_of(*point, cls))
    deadline = time.monotonic() + args.minutes * 60
    complete = False
    for bench.turn in itertools.count():
        print('turn %d' % (bench.turn + 1), flush=True)
        for point in points:
            trip = roundtrip()
            cls = classify(trip, trip)
            if time.monotonic() < deadline and wants(point, cls):
                bench.attempt(keys_of(*point, cls), visit, bench, samples, *point)
        complete = any(not any(wants(p, cls) for p in points) for cls in ('near', 'far'))
        if complete or time.monotonic() > deadline:
            break
    bench.rows = [row(samples, *point, cls) for cls in samples.classes() for point in points
                  if (point, cls) in samples.good]
    if not complete:
        bench.lost['complete'] = ['no class has %d good samples of each point' % bench.runs]
