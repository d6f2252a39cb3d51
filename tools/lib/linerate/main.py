#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The packet tester: theory, and the command line.

    the application:   port a <---- forwards ----> port b          (any DPDK application)
                          |                           |
    gantry-nic:        wire a: generator, checks   wire b: generator, checks
                          +--------- control ---------+
                                       |
    linerate:          trial: flows at a load, for a time -> lost, latency
                       search: which load is next (mlrsearch.py)

The measuring side is the wire, not a driver: frames have exact times, and the device counts what it
could not deliver. The application is not changed; it sees two 82576 controllers.

A run has these parts: start daemon and application (rig.py); for each frame size warm up, search
for rates, measure latency at shares of the rate (session.py); check expectations, compare with a
baseline, write the results. Each trial gives both directions the same load.

Exit status: 0 all rates were found, and all expectations are met; 1 one is not, or something
failed; 2 wrong arguments.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[0:1] = [HERE, os.path.dirname(HERE)]
import baseline  # noqa: E402
import outputs  # noqa: E402
import report  # noqa: E402
from expect import Expectation  # noqa: E402
from output import Output  # noqa: E402
from profiles import DEFAULT, PROFILES, SIZES  # noqa: E402
from rig import (Failure, Rig, default_command, gantry, memory_arguments)  # noqa: E402
from session import Session  # noqa: E402

SCHEMA = 'linerate/1'
GAPS = 'over_100us', 'over_1ms', 'over_10ms'


def sizes_of(text):
    chosen = text.split(',')
    for size in chosen:
        if size not in SIZES:
            raise argparse.ArgumentTypeError('%s: expected some of %s' % (size, ','.join(SIZES)))
    return [s for s in SIZES if s in chosen]


def expectation(text):
    try:
        return Expectation(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def result_of(name):
    """Return an earlier result."""
    try:
        with open(name, encoding='utf-8') as f:
            found = json.load(f)
        if found.get('schema') != SCHEMA:
            raise ValueError('no result of tools/linerate --json')
        return name, found
    except (OSError, ValueError, AttributeError) as e:
        raise argparse.ArgumentTypeError('%s: %s' % (name, e)) from None


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, '%s: %s (see --help)\n' % (self.prog, message))


def arguments(argv):
    ap = Parser(
        prog='tools/linerate', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Search for the rates at which an application forwards between two ports.',
        epilog='COMMAND is the application, which must forward from each of its two ports to the\n'
        'other one. In it {a} and {b} stand for the sockets of the ports, {pmds} for the folder\n'
        'of the plugins: -d {pmds} -a vfio_user:{a} -a vfio_user:{b}. Without {a} and {b} these\n'
        'arguments are put behind its first word.\n'
        "Default: Debian's dpdk-testpmd. Ports have 1 Gb/s unless --speed has another speed.")
    ap.add_argument('--profile', choices=PROFILES, default=DEFAULT.name,
                    help='quick: 90 s; default: 15 minutes; rfc2544: hours, as the RFC demands')
    ap.add_argument('--quick', dest='profile', action='store_const', const='quick',
                    help='the same as --profile quick')
    ap.add_argument('--sizes', type=sizes_of, metavar='LIST', help='some of ' + ','.join(SIZES))
    ap.add_argument('--speed', type=int, default=1000, metavar='MBPS', help='of both ports')
    ap.add_argument('--expect', type=expectation, action='append', default=[], metavar='TEXT',
                    help="such as 'ndr.64 >= 0.99 line' or 'latency.64.0.5.p99 <= 100 us'; may be "
                    'given several times')
    ap.add_argument('--baseline', type=result_of, metavar='FILE',
                    help='compare with a result of --json')
    for option, what in (('json', 'all results and trials'), ('csv', 'a row for each figure'),
                         ('junit', 'a test case for each size and expectation')):
        ap.add_argument('--' + option, metavar='FILE', help=what)
    ap.add_argument('--report', metavar='FILE.html', help='a page with plots')
    ap.add_argument('--check', action='store_true', help=argparse.SUPPRESS)
    ap.add_argument('command', nargs='*', metavar='COMMAND')
    args = ap.parse_args(argv)
    if not 1 <= args.speed <= 400000:
        ap.error('--speed %d: expected 1 to 400000' % args.speed)
    for e in args.expect:
        if args.sizes and e.size not in args.sizes:
            ap.error('--expect %r: --sizes does not have %s' % (e.text, e.size))
    args.files = {}
    for option in ('json', 'csv', 'junit', 'report'):
        name = getattr(args, option)
        if name is None:
            continue
        try:
            args.files[option] = Output(name, [args.baseline[0]] if args.baseline else [])
        except OSError as e:
            ap.error('--%s %s: %s' % (option, name, e.strerror))
    return args


class Progress:
    """A line for each trial, on standard error."""

    def __init__(self):
        self.begin = time.monotonic()

    def say(self, text):
        print('%6.1f s  %s' % (time.monotonic() - self.begin, text), file=sys.stderr, flush=True)

    def trial(self, size, fact):
        line = size.line_pps(self.speed_mbps)
        self.say('%4s bytes, %s: %6.2f %% of line for %.2g s: %d sent, %d lost%s' % (
            size.name, fact['of'], 100 * fact['pps'] / line, fact['duration_s'], fact['tx'],
            fact['lost'], '' if fact['void'] is None else '; void: ' + fact['void']))


def host():
    cpu = platform.machine()
    with contextlib.suppress(OSError), open('/proc/cpuinfo', encoding='utf-8') as f:
        for line in f:
            if line.startswith('model name'):
                cpu = line.partition(':')[2].strip()
                break
    return {'cpu': cpu, 'cores': len(os.sched_getaffinity(0)), 'kernel': platform.release()}


def gaps(before, after, sizes):
    """Return the gaps of the polling thread between two reports: they are the host's.

    The longest one comes from the trials, because that of the daemon begins with each trial.
    """
    def counts(key):
        wires = [[p[way]['gaps_' + key] for p in report['ports'] for way in ('rx', 'tx') if p[way]]
                 for report in (before, after)]
        return max(new - old for old, new in zip(*wires))
    return {**{key: counts(key) for key in GAPS},
            'longest_ns': max((t['longest_gap_ns'] for s in sizes for t in s['trials']), default=0)}


def measure(args, progress):
    """Run everything, and return the result."""
    command = args.command or default_command(memory_arguments())
    begin, started = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    profile = PROFILES[args.profile]
    progress.speed_mbps = args.speed
    progress.say('starting %s' % command[0])
    with contextlib.closing(Rig(command, args.speed)) as rig:
        version = rig.version()
        before = rig.nic.report()
        sizes = Session(rig, profile, progress.trial).run(args.sizes or profile.sizes, begin)
        found = gaps(before, rig.nic.report(), sizes)
    result = {
        'schema': SCHEMA, 'version': version, 'started': started.strftime('%Y-%m-%dT%H:%M:%SZ'),
        'seconds': round(time.monotonic() - begin, 1), 'profile': profile.name,
        'command': command, 'host': host(), 'speed_mbps': args.speed, 'directions': 2,
        'goals': [{'name': name, 'loss_ratio': g.loss_ratio, 'exceed_ratio': g.exceed_ratio,
                   'width': g.width, 'initial_s': g.initial_duration, 'final_s': g.final_duration,
                   'sum_s': g.duration_sum} for name, g in profile.goals.items()],
        'sizes': sizes, 'gaps': found, 'expectations': [], 'baseline': None}
    result['expectations'] = [e.check(result) for e in args.expect]
    if args.baseline:
        result['baseline'] = baseline.compare(args.baseline[0], args.baseline[1], result)
    return result


def write(args, result):
    for option, out in args.files.items():
        if option == 'json':
            out.write(result)
        elif option == 'csv':
            out.write_text(outputs.csv_text(result))
        elif option == 'junit':
            out.write_text(outputs.junit_text(result))
        else:
            out.write_text(report.page(result))


def main():
    args = arguments(sys.argv[1:])
    if args.check:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    try:
        result = measure(args, Progress())
        write(args, result)
    except (Failure, gantry.DaemonError, gantry.Refused, OSError) as e:
        print('tools/linerate: %s' % e, file=sys.stderr)
        return 1
    print('\n'.join(outputs.table(result)), flush=True)
    met = all(e['met'] for e in result['expectations'])
    return 0 if met and not outputs.unmeasured(result) else 1


if __name__ == '__main__':
    sys.exit(main())
