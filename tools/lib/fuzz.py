#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Build and run the fuzz targets of tests/fuzz.

    fuzz.py NAME|all [--seconds N] [--jobs N] [--corpus DIR] [--counts FILE]
    fuzz.py minimise NAME DIR
    fuzz.py coverage
    fuzz.py --list

A run begins with the inputs of tests/fuzz/corpus/NAME and NAME.limits (one on each line, in
base64), and stores new inputs in build-fuzz/corpus/NAME, or in DIR, for the next run. A crash ends
the run: the script keeps the input, prints its path and the first lines of the report, and exits
with status 1. "all" runs two targets at one time if the machine has a core for each of their jobs,
and prints the results in the order of --list; targets share no file and no name of a socket.
"minimise" creates tests/fuzz/corpus/NAME again from the inputs in DIR. It does not
change NAME.limits, whose inputs are at limits and mostly reach no edge of their own. "coverage"
prints the line coverage of lib/vfio_user and lib/igb_model by the unit tests and the corpora
together.
"""

import argparse
import base64
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(TOP, 'tests', 'fuzz', 'corpus')
BUILD = os.path.join(TOP, 'build-fuzz')
COVERAGE = os.path.join(TOP, 'build-coverage')
INPUT_MAX = 4096          # bytes of one input
CORPUS_MAX = 64 * 1024    # bytes of the corpus of one target in the repository, as stored
TIMEOUT = 120             # seconds for one input, on a busy machine
WIDTH = 2                 # targets that "all" runs at one time; each may take 4 GiB of memory
COVERED = ('lib/vfio_user', 'lib/igb_model')
# Those that use COVERED.
UNIT_TESTS = re.compile(r'wire|capture|bus_vfio_user|igb_model|vfio_user|no_memory')
REPORT = re.compile(r'ERROR: |runtime error: |broken promise: |SUMMARY: |^ALARM')


def targets():
    return sorted(re.sub(r'.*/fuzz_(\w+)\.c$', r'\1', f)
                  for f in glob.glob(os.path.join(TOP, 'tests', 'fuzz', 'fuzz_*.c')))


def run(cmd, **kw):
    """Run a command; if it fails, exit with its output."""
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False, **kw)
    if r.returncode != 0:
        sys.exit('%s\nfuzz: command failed: %s' % (r.stdout[-4000:], ' '.join(cmd)))
    return r.stdout


def build():
    if not os.path.exists(os.path.join(BUILD, 'build.ninja')):
        shutil.rmtree(BUILD, ignore_errors=True)
        run(['meson', 'setup', BUILD, TOP, '-Dfuzz=true', '-Dtests=false', '-Doptimization=2',
             '-Db_sanitize=address,undefined', '-Db_lundef=false',
             '-Dc_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined'],
            env=dict(os.environ, CC='clang'))
    run(['ninja', '-C', BUILD, 'fuzz'])


def program(build_dir, name):
    return os.path.join(build_dir, 'tests', 'fuzz', 'fuzz_' + name)


def environment():
    env = dict(os.environ)
    env.setdefault('ASAN_OPTIONS', 'abort_on_error=1')
    env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
    return env


def seeds(build_dir, name):
    """Unpack the inputs of the repository for a target, and return their folder."""
    folder = os.path.join(build_dir, 'seeds', name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for packed in glob.glob(os.path.join(CORPUS, name)) + \
            glob.glob(os.path.join(CORPUS, name + '.limits')):
        with open(packed, encoding='ascii') as f:
            for line in f:
                data = base64.b64decode(line)
                with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), 'wb') as out:
                    out.write(data)
    return folder


def fuzz(name, args):
    """Run a target; return whether it found nothing, and the lines to print."""
    corpus = os.path.abspath(args.corpus) if args.corpus else os.path.join(BUILD, 'corpus', name)
    found = os.path.join(BUILD, 'found', name)
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(found, exist_ok=True)
    cmd = [program(BUILD, name), corpus, seeds(BUILD, name),
        '-max_total_time=%d' % args.seconds, '-max_len=%d' % INPUT_MAX, '-timeout=%d' % TIMEOUT,
        '-rss_limit_mb=4096', '-print_final_stats=1', '-artifact_prefix=%s/' % found]
    with tempfile.TemporaryDirectory() as cwd:
        jobs = []
        for k in range(args.jobs):
            log = open(os.path.join(cwd, 'log%d' % k), 'w+', encoding='utf-8', errors='replace')
            jobs.append((subprocess.Popen(cmd, cwd=cwd, env=environment(),
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log), log))
        good, executions, coverage, lines = True, 0, 0, []
        for process, log in jobs:
            status = process.wait()
            log.seek(0)
            out = log.read()
            log.close()
            executions += sum(int(n) for n in re.findall(r'number_of_executed_units: (\d+)', out))
            coverage = max([coverage] + [int(n) for n in re.findall(r' cov: (\d+)', out)])
            if status != 0:
                good = False
                lines += report(name, out, status)
    lines.append('%s fuzz %s: %d executions, %d a second, %d edges (%d s)' % (
        'passed' if good else 'FAILED', name, executions, executions / max(1, args.seconds),
        coverage, args.seconds))
    return good, lines


def report(name, out, status):
    """Return the path of the input, the first lines of the report, and how to repeat the run."""
    path = re.search(r'Test unit written to (\S+)', out)
    lines = out.splitlines()
    first = next((i for i, line in enumerate(lines) if REPORT.search(line)),
                 max(0, len(lines) - 20))
    repeat = ['repeat: %s %s' % (program(BUILD, name), path.group(1))] if path else []
    return ['fuzz %s: ended with %d; the input: %s' % (
        name, status, path.group(1) if path else 'none was stored')] + \
        lines[first:first + 20] + repeat


def minimise(name, source):
    """Fill tests/fuzz/corpus/NAME with as few inputs as reach the same edges as all of them."""
    with tempfile.TemporaryDirectory() as cwd:
        new = os.path.join(cwd, 'new')
        os.makedirs(new)
        # Only the reached edges count, not how often an input reaches them.
        run([program(BUILD, name), '-merge=1', '-use_counters=0', '-max_len=%d' % INPUT_MAX, new,
             os.path.abspath(source), seeds(BUILD, name)], cwd=cwd, env=environment())
        lines = []
        for path in glob.glob(os.path.join(new, '*')):
            with open(path, 'rb') as f:
                lines.append(base64.b64encode(f.read()).decode('ascii') + '\n')
    # Keep the shortest inputs first, as many as there is room for.
    lines.sort(key=lambda line: (len(line), line))
    total = kept = 0
    with open(os.path.join(CORPUS, name), 'w', encoding='ascii') as f:
        for line in lines:
            total += len(line)
            if total > CORPUS_MAX:
                break
            f.write(line)
            kept += 1
    print('fuzz %s: %d inputs stored, of %d that reach edges of their own' % (
        name, kept, len(lines)))


def coverage():
    flags = '-fprofile-instr-generate -fcoverage-mapping'
    if not os.path.exists(os.path.join(COVERAGE, 'build.ninja')):
        shutil.rmtree(COVERAGE, ignore_errors=True)
        run(['meson', 'setup', COVERAGE, TOP, '-Dfuzz=true', '-Doptimization=1',
             '-Db_lundef=false', '-Dc_args=' + flags, '-Dc_link_args=-fprofile-instr-generate'],
            env=dict(os.environ, CC='clang'))
    run(['ninja', '-C', COVERAGE, 'build.ninja'])  # if meson.build files have changed
    tests = [t for t in json.loads(run(['meson', 'introspect', '--tests', COVERAGE]))
             if UNIT_TESTS.match(t['name'])]
    run(['ninja', '-C', COVERAGE, 'fuzz'] +
        sorted({os.path.relpath(t['cmd'][0], COVERAGE) for t in tests}))
    raw = os.path.join(COVERAGE, 'raw')
    shutil.rmtree(raw, ignore_errors=True)
    os.makedirs(raw)
    # One pool of profile files for each program, which its processes share.
    env = dict(os.environ, LLVM_PROFILE_FILE=os.path.join(raw, '%m.profraw'))
    r = subprocess.run(['meson', 'test', '-C', COVERAGE, '--no-rebuild', '--quiet'] +
                       [t['name'] for t in tests], env=env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if r.returncode != 0:
        print(r.stdout[-4000:])
        print('coverage: unit tests have failed, the figures are too low')
    for name in targets():
        run([program(COVERAGE, name), '-runs=0', seeds(COVERAGE, name)], env=env)
    profile = os.path.join(COVERAGE, 'all.profdata')
    run(['llvm-profdata', 'merge', '-sparse', '-o', profile] +
        glob.glob(os.path.join(raw, '*.profraw')))
    programs = sorted({t['cmd'][0] for t in tests}) + [program(COVERAGE, n) for n in targets()]
    # The bus is a plugin with its own copy of the client.
    programs += glob.glob(os.path.join(COVERAGE, 'pmds', '*.so'))
    objects = [programs[0]] + [a for p in programs[1:] for a in ('-object', p)]
    print_coverage(run(['llvm-cov', 'export', '-format=lcov', '-skip-expansions',
                        '-instr-profile=' + profile] + objects +
                       [os.path.join(TOP, d) for d in COVERED]))
    return r.returncode == 0


def print_coverage(lcov):
    """Print the share of reached lines by file, folder and in total; list the others in a file."""
    rows, path = {}, None
    for line in lcov.splitlines():
        if line.startswith('SF:'):
            path = os.path.relpath(line[3:], TOP)
        elif line.startswith('DA:') and path.startswith(COVERED) and path.endswith('.c'):
            number, count = line[3:].split(',')[:2]
            hit = rows.setdefault(path, {})
            hit[int(number)] = hit.get(int(number), False) or int(count) > 0
    listing = os.path.join(COVERAGE, 'uncovered.txt')
    with open(listing, 'w', encoding='utf-8') as f:
        for p in sorted(rows):
            with open(os.path.join(TOP, p), encoding='utf-8') as source:
                text = source.read().splitlines()
            f.writelines('%s:%d: %s\n' % (p, n, text[n - 1].strip())
                         for n, hit in sorted(rows[p].items()) if not hit)
    everything = []
    for folder in COVERED:
        files = sorted(p for p in rows if p.startswith(folder + '/'))
        for p in files:
            print('%6.1f %%  %s' % (100 * sum(rows[p].values()) / len(rows[p]), p))
        lines = [v for p in files for v in rows[p].values()]
        everything += lines
        print('%6.1f %%  %s: %d of %d lines' % (100 * sum(lines) / len(lines), folder,
                                              sum(lines), len(lines)))
    print('%6.1f %%  both: %d of %d lines' % (100 * sum(everything) / len(everything),
                                            sum(everything), len(everything)))
    print('lines that no test and no input reached: ' + os.path.relpath(listing, TOP))


def main():
    names = targets()
    ap = argparse.ArgumentParser(prog='tools/fuzz', usage=(
        '%(prog)s NAME|all [--seconds N] [--jobs N] [--corpus DIR]\n'
        '       %(prog)s minimise NAME DIR\n       %(prog)s coverage\n       %(prog)s --list'))
    ap.add_argument('what', nargs='?')
    ap.add_argument('more', nargs='*')
    ap.add_argument('--list', action='store_true')
    ap.add_argument('--check', action='store_true', help=argparse.SUPPRESS)
    ap.add_argument('--seconds', type=int, default=60)
    ap.add_argument('--jobs', type=int, default=1)
    ap.add_argument('--corpus')
    ap.add_argument('--counts', help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.list:
        print('\n'.join(names))
        sys.exit(3 if args.check else 0)
    if args.what == 'minimise':
        if len(args.more) != 2 or args.more[0] not in names or not os.path.isdir(args.more[1]):
            ap.error('minimise needs a target and a folder')
    elif args.more or args.what not in names + ['all', 'coverage']:
        ap.error('no such target: %s (there are: %s)' % (args.what, ' '.join(names)))
    if args.seconds < 1 or args.jobs < 1 or (args.corpus and args.what == 'all'):
        ap.error('--seconds and --jobs are at least 1; --corpus goes with one target')
    if args.check:
        sys.exit(0)

    if args.what == 'coverage':
        sys.exit(0 if coverage() else 1)
    build()
    if args.what == 'minimise':
        minimise(*args.more)
        return
    failed = 0
    chosen = names if args.what == 'all' else [args.what]
    width = max(1, min(WIDTH, (os.cpu_count() or 1) // args.jobs))
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        for good, lines in pool.map(lambda name: fuzz(name, args), chosen):
            print('\n'.join(lines), flush=True)
            failed += not good
            if args.counts:
                with open(args.counts, 'a', encoding='utf-8') as f:
                    f.write('%d %d 0\n' % (good, not good))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
