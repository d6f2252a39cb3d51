# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Cost of a hostile client of one port for the neighbour of that port.

Two ports of one daemon: an attack runs against port a, and bench-isolation (isolation.c) forwards
on port b. The reference is the harmless attack "spin", which runs before and after each attack. The
figures are the rate of port b relative to the reference, the longest gap between two polls of
port b, the time of a DMA_MAP with its DMA_UNMAP, and the time in which the daemon ends. Each attack
runs in two modes: one polling thread per port, and one for both.
"""

import json
import os
import signal
import statistics
import sys
import time

import attack
from lib import BUILD, TIMEOUT_S

from bench import Failure, cores

PROGRAM = os.path.join(BUILD, 'bench', 'bench-isolation')
RUNS = 3
OVERDUE = 25        # seconds; more than the program waits for a reply
RATIO = {'own': 0.8, 'shared': 0.5}     # minimum, relative to the rate beside "spin"
GAP_MS = 20         # maximum, beyond the longest gap beside "spin"
MAP_MS = 100        # maximum of the longest map + unmap
END_S = 2           # maximum, from SIGTERM to the end of the daemon

COLUMNS = '%-12s %-6s %9s %9s %6s %-13s %8s %8s %8s %8s %6s  %s'
SETTING = 'frames/s of port b (1 Gb/s, wire=loop, 64 bytes) beside the attack to those beside ' \
    '"spin"; polling threads: %s'
WHERE = {'own': 'one for each port', 'shared': 'one for both ports'}


def options(ap):
    ap.add_argument('--attack', action='append', metavar='NAME', default=[],
                    help='only this attack; may be repeated')
    ap.add_argument('--seconds', type=float, default=1.5, metavar='N',
                    help='of forwarding beside each attack (1.5)')


def mistake(args):
    for name in args.attack:
        if name not in attack.ATTACKS:
            return '--attack %s: no such attack; isolation --list shows them' % name
    return None if args.seconds > 0 else '--seconds %g: more than 0' % args.seconds


def listing():
    return ['%-12s %s' % (name, f.__doc__) for name, f in attack.ATTACKS.items()]


def places(mode):
    """Return (cores of the polling threads, core of the attacker, core of the client of port b).

    If there are enough cores, no process shares a core with a polling thread. If not, the attacker
    shares the core of the port that it attacks, like a tenant to whom this core was assigned.
    """
    c = cores()
    if mode == 'own':
        return (c[:2], c[2 % len(c)], c[3 % len(c)] if len(c) > 3 else c[1])
    return (c[:1], c[1 % len(c)], c[2 % len(c)] if len(c) > 2 else c[1 % len(c)])


def pinned(bench, core, *argv):
    return bench.start(list(argv), preexec_fn=lambda: os.sched_setaffinity(0, {core}))


def run(bench, name, mode):
    """Run one attack on port a, and return the figures of port b."""
    seconds = bench.options.seconds
    pollers, attacker_core, client_core = places(mode)
    nic = bench.nic('a:wire=loop', 'b:wire=loop', on=pollers)
    attacker = pinned(bench, attacker_core, sys.executable, attack.__file__, name, bench.sock('a'))
    attacker.expect('^attacking')
    client = pinned(bench, client_core, PROGRAM, bench.sock('b'), str(seconds))
    figures = {'rate': 0.0, 'map_ms_median': None, 'map_ms_max': OVERDUE * 1e3}
    try:
        client.expect('^forwarding', OVERDUE)
        bench.nic_now(nic)
        client.wait(seconds + OVERDUE)
        figures.update(json.loads(client.text().splitlines()[-1]))
    except AssertionError as e:     # caused by the attack
        if nic.poll() is not None:
            raise Failure('the daemon ended: ' + nic.text()[-500:]) from e
        figures['error'] = (str(e).splitlines() or [''])[-1]
    figures['gap_ms'] = bench.nic_now(nic)['b']['tx']['longest_gap_ns'] / 1e6
    begin = time.monotonic()
    nic.signal(signal.SIGTERM)
    try:
        nic.wait(TIMEOUT_S, None)
    except AssertionError:
        nic.p.kill()
    figures['end_s'] = time.monotonic() - begin
    attacker.signal(signal.SIGTERM)
    attacker.wait(TIMEOUT_S)
    figures['attacker'] = attacker.text().splitlines()[-1]
    bench.stop_all()
    return figures


class Row:
    """Results of one attack in one mode, over all turns."""

    def __init__(self, name, mode):
        self.name, self.mode, self.runs = name, mode, []
        self.key = '%s_%s_ratio' % (mode, name)

    def add(self, before, this, after):
        spin_rate = (before['rate'] + after['rate']) / 2
        if spin_rate == 0:
            raise Failure('port b forwards nothing beside "spin"')
        self.runs.append(dict(this, spin_rate=spin_rate, ratio=this['rate'] / spin_rate,
                              spin_gap_ms=max(before['gap_ms'], after['gap_ms']),
                              spin_map_ms_max=max(before['map_ms_max'], after['map_ms_max'])))
        return this['rate'] / spin_rate

    def samples(self, key):
        return [r[key] for r in self.runs if r[key] is not None]

    def median(self, key):
        return round(statistics.median(self.samples(key)), 3) if self.samples(key) else None

    def missed(self):
        """Return the limits that the attack exceeds, as text."""
        ratio = self.median('ratio')
        gap = max(r['gap_ms'] - r['spin_gap_ms'] for r in self.runs)   # every gap counts
        longest, end = max(self.samples('map_ms_max')), max(self.samples('end_s'))
        return [text for bad, text in (
            (ratio < RATIO[self.mode], 'rate %.2f < %g' % (ratio, RATIO[self.mode])),
            (gap > GAP_MS, 'gap +%.0f ms > %g' % (gap, GAP_MS)),
            (longest > MAP_MS, 'map %.0f ms > %g' % (longest, MAP_MS)),
            (end > END_S, 'end %.1f s > %g' % (end, END_S))) if bad]

    def json(self):
        doc = {'attack': self.name, 'cores': self.mode}
        for key in ('rate', 'spin_rate', 'ratio', 'gap_ms', 'spin_gap_ms', 'map_ms_median'):
            doc[key] = self.median(key)
        for key in 'map_ms_max', 'spin_map_ms_max', 'end_s':
            doc[key] = round(max(self.samples(key)), 3)
        doc['ratio_spread'] = [round(f(self.samples('ratio')), 3) for f in (min, max)]
        doc['missed'] = self.missed()
        doc['ok'] = not doc['missed']
        doc['runs'] = self.runs
        return doc


def show(rows):
    print(COLUMNS % ('attack', 'cores', 'rate', 'spin_rate', 'ratio', 'min to max', 'gap_ms',
                     'spin_gap', 'map_ms', 'map_max', 'end_s', 'missed'))
    for r in rows:
        print(COLUMNS % (r['attack'], r['cores'], '%.0f' % r['rate'], '%.0f' % r['spin_rate'],
                         '%.2f' % r['ratio'], '%.2f to %.2f' % tuple(r['ratio_spread']),
                         '%.1f' % r['gap_ms'], '%.1f' % r['spin_gap_ms'],
                         '-' if r['map_ms_median'] is None else '%.2f' % r['map_ms_median'],
                         '%.1f' % r['map_ms_max'], '%.2f' % r['end_s'],
                         ', '.join(r['missed']) or '-'))


def beside_spin(bench, row, before):
    """Run an attack, then "spin", and return the figures of the latter.

    "spin" is the reference for this attack and for the next one.
    """
    this = run(bench, row.name, row.mode)
    after = run(bench, 'spin', row.mode)
    bench.add(row.key, [row.add(before, this, after)], SETTING % WHERE[row.mode])
    return after


def measure(bench):
    """a hostile client: what it costs the port beside it, in rate, polling gaps and mapping time"""
    if len(cores()) < 2:
        raise Failure('needs two cores')
    names = bench.options.attack or list(attack.ATTACKS)
    rows = {(name, mode): Row(name, mode) for mode in RATIO for name in names}
    for bench.turn in range(bench.runs):
        for mode in RATIO:
            print('turn %d of %d, cores: %s' % (bench.turn + 1, bench.runs, mode), flush=True)
            before = run(bench, 'spin', mode)
            for name in names:
                row = rows[name, mode]
                after = bench.attempt([row.key], beside_spin, bench, row, before)
                before = after or before
    bench.rows = [row.json() for row in rows.values() if row.runs]
    if bench.rows:
        show(bench.rows)
