#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Run a benchmark and report the median of each figure; started by tools/bench.

    bench.py NAME [--json FILE] [--runs N] [OPTIONS OF NAME]
    bench.py [NAME] --list

NAME is a file bench/NAME.py with a function measure(bench); --list prints the first line of its
docstring. The file may also have

    RUNS               the number of turns by default
    options(parser)    adds arguments, which bench.options then holds
    mistake(options)   returns a line that describes a wrong argument, or None
    listing()          returns the lines that NAME --list prints

The subjects of a comparison are measured in turns, so that each suffers equally from a change of
the machine. --runs is the number of turns, and each figure is the median of its samples. FILE gets

    KEY: number, ...       the figures
    settings: {KEY: text}  the conditions of each measurement
    runs: {KEY: [...]}     the samples, in the order of measurement
    spread: {KEY: {min, max, quartiles}}
    turns: {KEY: number}   the number of turns that yielded samples
    lost: {KEY: [text]}    for each turn in which the measurement failed, the reason
    failed: {KEY: text}    figures that no turn yielded, and the reason
    rows: [{...}]          what NAME adds to bench.rows, if anything

Exit status: 0 success; 1 a figure is missing; 2 wrong arguments.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path[0:1] = [os.path.join(TOP, 'bench'), os.path.join(TOP, 'tests', 'host')]
from lib import NIC, TIMEOUT_S, Process  # noqa: E402
from output import Output  # noqa: E402 (lib has put tools/lib on the path)

ATTEMPTS = 2  # failures, after which a figure that never succeeded is given up
ANSWERED = 3  # exit status of --check: there is nothing to measure


class Failure(Exception):
    """One line for the user: the reason why a figure is missing."""


class Bench:
    """The figures, and the processes with which they are measured."""

    def __init__(self, runs, options=None):
        self.runs, self.options = runs, options
        self.rows = []
        self.dir = tempfile.mkdtemp(prefix='gantry.bench.', dir='/tmp')
        self.processes = []
        self.count = 0
        self.turn = 0
        self.samples, self.settings, self.turns, self.lost = {}, {}, {}, {}

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, argv, **kw):
        self.count += 1
        p = Process(argv, self.path('%d-%s.log' % (self.count, os.path.basename(argv[0]))), **kw)
        self.processes.append(p)
        return p

    def nic(self, *ports, on=None):
        """Start the daemon on the last core, or on these; a port is NAME:KEYS, at NAME.sock."""
        argv = [NIC, '--cores', ','.join(map(str, on or cores()[-1:])),
                '--stats-json', self.path('nic.json')]
        for port in ports:
            name, _, keys = port.partition(':')
            argv += ['--port', '%s:socket=%s%s' % (name, self.sock(name), keys and ',' + keys)]
        p = self.start(argv)
        p.expect(r'^gantry-nic: ready')
        return p

    def sock(self, name):
        return self.path(name + '.sock')

    def nic_stats(self, nic):
        """End the daemon and return what it counted, by port."""
        nic.signal(signal.SIGTERM)
        nic.wait()
        return self.read_stats()

    def nic_now(self, nic):
        """Return what the running daemon has counted, by port. This restarts the longest gaps."""
        path = self.path('nic.json')
        if os.path.exists(path):
            os.unlink(path)
        nic.signal(signal.SIGUSR2)
        end = time.monotonic() + TIMEOUT_S
        while not os.path.exists(path):
            if nic.poll() is not None or time.monotonic() > end:
                nic.fail('did not write its statistics within %d s' % TIMEOUT_S)
            time.sleep(0.005)
        return self.read_stats()

    def read_stats(self):
        with open(self.path('nic.json'), encoding='utf-8') as f:
            return {p['name']: p for p in json.load(f)['ports']}

    def stop_all(self):
        while self.processes:
            self.processes.pop().stop()

    def close(self):
        self.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def add(self, key, samples, setting, turns=None):
        """Add samples of a figure; they belong to this turn unless turns are given."""
        self.samples.setdefault(key, []).extend(samples)
        self.turns.setdefault(key, []).extend([self.turn] if turns is None else turns)
        self.settings[key] = setting

    def by_turn(self, key):
        """Return {turn: sample} of a figure that has one sample in each turn."""
        return dict(zip(self.turns.get(key, []), self.samples.get(key, [])))

    def failed(self):
        return {k: whys[0] for k, whys in self.lost.items() if k not in self.samples}

    def gave_up(self, keys):
        """Return whether one of these figures failed too often and never succeeded."""
        return any(len(self.lost.get(k, [])) >= ATTEMPTS for k in self.failed().keys() & set(keys))

    def attempt(self, keys, function, *args):
        """Measure and return the result, or None after recording why this turn failed."""
        if self.gave_up(keys):
            return None
        try:
            return function(*args)
        except Exception as e:  # pylint: disable=broad-except  # the other figures are not lost
            why = str(e).strip()
            if not isinstance(e, (Failure, AssertionError, OSError)):
                why = '%s: %s' % (type(e).__name__, why)
            for k in keys:
                self.lost.setdefault(k, []).append(why)
            print('FAILED %s: %s' % (', '.join(keys), why), file=sys.stderr, flush=True)
            return None
        finally:
            self.stop_all()

    def result(self):
        good = self.samples
        doc = {k: round(statistics.median(s), 3) for k, s in good.items()}
        doc['settings'] = self.settings
        doc['runs'] = {k: [round(x, 3) for x in s] for k, s in good.items()}
        doc['spread'] = {k: spread(s) for k, s in good.items()}
        doc['turns'] = {k: len(turns) for k, turns in self.turns.items()}
        doc['lost'] = self.lost
        doc['failed'] = self.failed()
        if self.rows:
            doc['rows'] = self.rows
        doc['machine'] = machine()
        return doc


def spread(samples):
    q = statistics.quantiles(samples, n=4) if len(samples) > 1 else samples * 3
    return {'min': round(min(samples), 3), 'max': round(max(samples), 3),
            'quartiles': [round(q[0], 3), round(q[2], 3)]}


def cores():
    return sorted(os.sched_getaffinity(0))


def machine():
    with open('/proc/cpuinfo', encoding='utf-8') as f:
        model = next((line.partition(':')[2].strip() for line in f
                      if line.startswith('model name')),
                     'unknown')
    return {'cpu': model, 'cores': len(cores()), 'kernel': platform.release(),
            'load': os.getloadavg()[0]}


def known():
    return sorted(n[:-3] for n in os.listdir(os.path.join(TOP, 'bench')) if n.endswith('.py'))


def show(doc):
    for key in sorted(doc['settings']):
        s = doc['spread'][key]
        print('%-28s %10.3f   (%g to %g, half within %g to %g, of %d)  %s' % (
            key, doc[key], s['min'], s['max'], *s['quartiles'], len(doc['runs'][key]),
            doc['settings'][key]))
    for key, whys in doc['lost'].items():
        if key not in doc['failed']:
            print('%-28s    %d turns, %d lost: %s' % (key, doc['turns'][key], len(whys),
                                                      (whys[0].splitlines() or [''])[0]))
    for key, why in doc['failed'].items():
        print('%-28s    MISSING   %s' % (key, (why.splitlines() or [''])[0]))


def main():
    ap = argparse.ArgumentParser(prog='tools/bench', usage='tools/bench NAME [--json FILE] '
                                 '[--runs N] | --list', description=__doc__.splitlines()[0])
    ap.add_argument('name', nargs='?')
    ap.add_argument('--list', action='store_true', help='list the benchmarks')
    ap.add_argument('--json', metavar='FILE', help='write the figures to FILE')
    ap.add_argument('--runs', type=int, metavar='N', help='number of turns (default 5)')
    ap.add_argument('--check', action='store_true', help=argparse.SUPPRESS)
    name = ap.parse_known_args()[0].name
    module = importlib.import_module(name) if name in known() else None
    if hasattr(module, 'options'):
        module.options(ap)
    args = ap.parse_args()
    if args.runs is None:
        args.runs = getattr(module, 'RUNS', 5)
    if args.list and hasattr(module, 'listing'):
        print('\n'.join(module.listing()))
        return ANSWERED if args.check else 0
    if args.list:
        for name in known():
            doc = importlib.import_module(name).measure.__doc__ or ''
            print('%-12s %s' % (name, doc.splitlines()[0]))
        return ANSWERED if args.check else 0
    mistake = module.mistake(args) if hasattr(module, 'mistake') else None
    for wrong, line in ((args.name is None, 'name a benchmark; --list shows them'),
                        (args.name not in known(),
                         'no benchmark %s; --list shows them' % args.name),
                        (args.runs < 1, '--runs %d: at least 1' % args.runs),
                        (mistake is not None, mistake)):
        if wrong:
            print('tools/bench: ' + line, file=sys.stderr)
            return 2
    if args.json:
        try:  # now rather than after the measurement
            out = Output(args.json)
        except OSError as e:
            print('tools/bench: --json %s: %s' % (args.json, e.strerror), file=sys.stderr)
            return 2
    if args.check:
        return 0
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    bench = Bench(args.runs, args)
    try:
        module.measure(bench)
        doc = bench.result()
    finally:
        bench.close()
    show(doc)
    if args.json:
        out.write(doc)
    return 1 if doc['failed'] else 0


if __name__ == '__main__':
    # The benchmarks import this module by the name "bench", so run that copy instead of a second
    # one.
    sys.exit(importlib.import_module('bench').main())
