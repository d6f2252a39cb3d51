#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Run the unit tests of a build folder and count their cases.

    unit.py BUILD [--counts FILE]

meson counts programs, but each is a cmocka program of many cases, which writes TAP. If a program
ends early, all cases of its plan that it did not reach have failed. If it exits with an error after
its last case, that counts as one more failure.

A case that cannot run on this machine prints a line "needs ..." and is skipped. A program that
cannot run at all prints the same and exits with status 77. A skip without such a reason counts as a
failure.
"""

import argparse
import json
import os
import re
import subprocess
import sys

SKIPPED = 77  # exit status of a program, as meson defines it


def count(run, passed_somewhere):
    """Return (passed, failed, skipped, lines to show) of one program."""
    out = run.get('stdout') or ''
    skipped, reason = [], None
    if run['returncode'] == SKIPPED and not re.search(r'(?m)^1\.\.\d', out):
        reason = re.search(r'(?m)^needs .*', out)
        if reason:
            return 0, 0, 1, ['skipped: ' + reason.group()]
        return 0, 1, 0, ['skipped without need']
    for line in out.splitlines():
        if line.startswith('needs '):
            reason = line
        # cmocka marks a skipped case as "not ok".
        case = re.match(r'(?:not )?ok \d+(?: # SKIP (\S+))?', line)
        if case:
            if case.group(1):
                skipped.append((case.group(1), reason))
            reason = None
    ok = len(passed_cases(run))
    bad = re.findall(r'(?m)^not ok \d+\b(?! # SKIP).*', out)
    planned = sum(int(n) for n in re.findall(r'(?m)^1\.\.(\d+)', out))
    missing = max(0, planned - ok - len(skipped) - len(bad))
    needless = [c for c, why in skipped if why is None]
    failed = len(bad) + missing + len(needless)
    if run['returncode'] != 0 and failed == 0:
        failed = 1
    shown = bad + (['%d cases did not run' % missing] if missing else [])
    shown += ['skipped without need: ' + c for c in needless]
    if planned == 0 and failed == 0:  # not a cmocka program: it counts as one case
        ok = 1
    # A program runs with several kinds of memory; each case must fit at least one of them.
    skipped = [(c, why) for c, why in skipped
               if why is not None and (run['command'][0], c) not in passed_somewhere]
    return ok, failed, len(skipped), shown + ['skipped: %s: %s' % s for s in skipped]


def passed_cases(run):
    return re.findall(r'(?m)^ok \d+ - (\S+)', run.get('stdout') or '')


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument('build')
    ap.add_argument('--counts', metavar='FILE')
    args = ap.parse_args()
    log = os.path.join(args.build, 'meson-logs', 'testlog-unit.json')
    if os.path.exists(log):
        os.unlink(log)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT='TAP')
    env.setdefault('ASAN_OPTIONS', 'abort_on_error=1:detect_stack_use_after_return=1')
    env.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:print_stacktrace=1')
    # Many tests mostly wait. At most five run concurrently: each may take 100 of 512 hugepages.
    r = subprocess.run(['meson', 'test', '-C', args.build, '--no-rebuild', '--quiet',
                        '--setup', 'unit', '--num-processes',
                        str(min(5, (os.cpu_count() or 1) + 2))],
                       env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
    total = [0, 0, 0]
    runs = []
    if os.path.exists(log):
        with open(log, encoding='utf-8') as f:
            runs = [json.loads(line) for line in f]
    passed = {(run['command'][0], case) for run in runs for case in passed_cases(run)}
    for run in runs:
        *counts, shown = count(run, passed)
        total = [a + b for a, b in zip(total, counts)]
        print('%-6s %s: %d passed, %d failed, %d skipped (%.1f s)' % (
            'FAILED' if counts[1] else 'passed', run['name'], *counts, run.get('duration') or 0))
        if shown:
            print('\n'.join(shown))
        if counts[1]:
            print((run.get('stdout') or '')[-4000:])
            print((run.get('stderr') or '')[-4000:])
    if not runs:
        print(r.stdout[-4000:])
        print('FAILED: no unit test ran in %s' % args.build)
        total[1] += 1
    print('unit tests in %s: %d passed, %d failed, %d skipped' % (args.build, *total), flush=True)
    if args.counts:
        with open(args.counts, 'a', encoding='utf-8') as f:
            f.write('%d %d %d\n' % tuple(total))
    return 1 if total[1] else 0


if __name__ == '__main__':
    sys.exit(main())
