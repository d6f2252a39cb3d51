#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Plant single-line bugs and print which of them the tests notice.

    tools/mutate [--seed N] [--count N] [--jobs N] [--unit] [--no-huge] [--json FILE] PATH...
    tools/mutate --list [--seed N] [--count N] PATH...
    tools/mutate --only FILE PATH...
    tools/mutate --planted FILE

A PATH is a C file or a folder. A planted bug is a mutant. A mutant that no test notices indicates a
line whose effect no test checks. The tool works in copies of the tree below build/mutate, one for
each job, and never changes the tree itself. doc/testing.md describes the operators and results.

    main() -- drawn() --> mutants, one for each line, in random order
                |
                v
    Campaign.run()        --jobs threads; each takes a Tree from the queue .trees
      take(), judge()     write the mutant into the Tree, and restore the file afterwards
      judge_in()          compile; compare the machine code; run unit tests, then host tests,
                |         until one fails twice
                v
    .results              noticed, unnoticed, equivalent; a mutant that does not compile or
                          that yields the same machine code is replaced by another

A file lock makes sure that only one campaign uses the trees at a time. Comments, declarations, log
messages and assertions are not mutated.
"""

import argparse
import collections
import concurrent.futures
import fcntl
import fnmatch
import glob
import hashlib
import json
import os
import queue
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
from output import Output  # noqa: E402

EQUIVALENT = os.path.join(TOP, 'tests', 'mutate', 'equivalent')
SKIPPED = 77            # exit status of a unit test that cannot run here
LEAST_LIMIT = 30        # seconds; a test may also take ten times as long as without a mutant
DATA_LIMIT = 8 << 30    # bytes of memory that a test may use

# The unit tests of the driver: its registers and rings; a hostile device, in each DMA mode.
CONTROL = ['igb_ethdev', 'igb_filter', 'igb_descriptors', 'igb_intr', 'igb_bus', 'igb_probe_*',
           'igb_hw', 'igb_queue']
DATA = ['igb_rx_*', 'igb_tx_*', 'igb_lost_*', 'igb_watchdog_*', 'igb_vector_*']

# The tests for each path: the first row whose pattern matches decides. The more parts of the file's
# name a unit test has in its own, the earlier it runs; then the order of the row counts.
TESTS = [
    ('drivers/net/igb/igb_mp.c', CONTROL + ['igb_*_direct'], ['test_secondary']),
    ('drivers/net/igb/igb_vfio_user.c', CONTROL + ['igb_*_direct'],
     ['test_ethdev_calls', 'test_trouble', 'test_memory_kinds', 'test_reach']),
    ('drivers/net/igb/igb_probe.c', CONTROL + ['igb_*_direct'],
     ['test_secondary', 'test_ethdev_calls', 'test_vdev', 'test_trouble']),
    ('drivers/net/igb/igb_pci.c', ['igb_pci*'] + CONTROL, []),
    ('drivers/net/igb/igb_vdev.c', CONTROL + ['igb_*_direct'], ['test_vdev']),
    ('drivers/net/igb/*', CONTROL + DATA,
     ['test_ethdev_calls', 'test_functional', 'test_trouble', 'test_vdev']),
    ('drivers/bus/vfio_user/vfio_user_mp.c', ['bus_vfio_user_*'], ['test_secondary']),
    ('drivers/bus/vfio_user/vfio_user_pci*', ['bus_*'], ['test_pci_drivers', 'test_secondary']),
    ('drivers/bus/vfio_user/*', ['bus_*', 'vfio_user_trap'],
     ['test_edu', 'test_ethdev_calls', 'test_trouble', 'test_secondary', 'test_memory_kinds']),
    ('lib/dma_debug/*', ['dma_debug*', 'dma_checksum', 'dma_maps', 'dma_reach_*', 'dma_sync_*',
                         'dma_no_memory'],
     ['test_dmacheck', 'test_dma_debug']),
    ('lib/dma/*', ['dma_*', 'bus_dma_*'] + DATA,
     ['test_dmacheck', 'test_dma_modes', 'test_dma_debug', 'test_reach']),
    ('lib/vfio_user/*', ['vfio_user_*', 'bus_vfio_user_*', 'igb_model_dma', 'igb_model_queue',
                         'igb_model_next_client', 'no_memory'],
     ['test_edu', 'test_bad_input', 'test_trouble', 'test_daemon', 'test_isolation']),
    ('lib/traffic/*', ['traffic_*', 'wire_gen*'], ['test_flows', 'test_control']),
    ('lib/igb_model/wire_gen.c', ['wire_gen*', 'wire'], ['test_flows', 'test_control']),
    ('lib/igb_model/wire_fault*', ['wire_fault*', 'wire*'], ['test_control']),
    ('lib/igb_model/capture*', ['capture*', 'wire*', 'no_memory'], ['test_captures']),
    ('lib/igb_model/wire*', ['wire*', 'capture', 'no_memory'],
     ['test_links', 'test_captures', 'test_datapath', 'test_control']),
    ('lib/igb_hw/*', ['igb_*'], ['test_ethdev_calls', 'test_functional']),
    ('lib/igb_model/*', ['igb_model_*', 'no_memory'],
     ['test_ethdev_calls', 'test_functional', 'test_links', 'test_trouble']),
    ('lib/common/*', ['*'], ['test_daemon', 'test_captures']),
]

# Parts of the names of files whose unit tests have another name.
SUBJECTS = {
    'access': ['async'], 'bounce': ['sync'], 'bus': ['window'], 'choose': ['window'],
    'clock': ['rate'], 'coherent': ['map', 'socket'], 'commands': ['refusals', 'server'],
    'conn': ['connections'],
    'csum': ['parse', 'tx'], 'deadline': ['connections'], 'demand': ['strict', 'window'],
    'device': ['map'], 'direct': ['map'], 'entries': ['strict'], 'foreign': ['limits'],
    'link': ['probe', 'hw'], 'loop': ['reg', 'tx'], 'memory': ['maps'], 'msg': ['server'],
    'nvm': ['reg'],
    'offload': ['edges'], 'pci': ['reg', 'intr'], 'pending': ['client'], 'phy': ['reg'],
    'probe': ['blind'], 'refuse': ['connections'], 'requests': ['client'], 'rss': ['rx'],
    'sealed': ['common'], 'serve': ['dma'], 'set': ['refusals'], 'sigbus': ['dma'],
    'sock': ['connections'], 'socket': ['connections'], 'stats': ['reg', 'rx'], 'std': ['common'],
    'symbol': ['report'], 'table': ['dma', 'owner'], 'telemetry': ['reach'], 'thread': ['async'],
    'translate': ['maps'], 'window': ['dma', 'limits', 'owner'],
}

# Calls whose effect only a person sees, or that affect only speed.
UNSEEN = re.compile(r'\b(?:\w*LOG|rte_log|dma_fail|capture_error|\w*_log(?:_once)?|log_stderr|'
                    r'v?snprintf|v?fprintf|RTE_VERIFY|'
                    r'RTE_ASSERT|RTE_BUILD_BUG_ON|_?[Ss]tatic_assert|assert|\w*prefetch\w*|'
                    r'RTE_LOG_REGISTER\w*|__attribute__|__builtin_expect)\s*\(')

Mutant = collections.namedtuple('Mutant', 'file line begin end old new text kind column')


def mask(source):
    """Return the source with comments, strings, preprocessor lines and unseen calls blanked out."""
    def blank(m):
        return re.sub(r'[^\n]', ' ', m.group())
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                  lambda m: blank(m) if m.group()[0] == '/' else
                  re.sub(r'[^\n]', '"', m.group()), source, flags=re.S)
    text = re.sub(r'(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', blank, text)
    for m in list(UNSEEN.finditer(text)):
        end = closing(text, m.end() - 1)
        text = text[:m.start()] + re.sub(r'[^\n]', '"', text[m.start():end]) + text[end:]
    # sizeof does not evaluate its operand.
    for m in list(re.finditer(r'\bsizeof\(', text)):
        end = closing(text, m.end() - 1) - 1
        text = text[:m.end()] + '"' * (end - m.end()) + text[end:]
    # A condition, without a call, on which only a call depends that is blanked out.
    for m in re.finditer(r'\bif (\()', text):
        end = closing(text, m.start(1))
        if not re.search(r'\w\(', text[m.start(1):end]) and \
                re.match(r'\s*"[\s"]*;(?!\s*else\b)', text[end:]) and \
                not re.match(r'\s*\w*printf\(', source[end:]):
            text = text[:m.start()] + re.sub(r'[^\n]', '"', text[m.start():end]) + text[end:]
    return text


def closing(text, at):
    """Return the offset after the parenthesis that closes the one at `at`."""
    depth = 0
    for k in range(at, len(text)):
        depth += (text[k] == '(') - (text[k] == ')')
        if depth == 0:
            return k + 1
    return len(text)


def functions(text):
    """Yield (begin, end, whether it is void) of each function body: the braces in column 0."""
    for m in re.finditer(r'(?m)^\{\n(.*?)^\}', text, re.S):
        head = text[:m.start()].rpartition('\n\n')[2]
        yield m.start(1), m.end(1), re.search(r'(?m)^(?:static |inline )*void\n?\s*\w+\(',
                                              head) is not None


DECLARATION = re.compile(
    r'\s*(?:static |const |volatile |unsigned |struct |union |enum )*[A-Za-z_]\w*(?: \*+| )\*?'
    r'[A-Za-z_]\w*(?:\[|;|,| =|\()')


def is_declaration(text, at):
    """Return whether the line of an offset declares something."""
    line = text[text.rfind('\n', 0, at) + 1:]
    return DECLARATION.match(line) is not None and not KEYWORDS.match(line)


KEYWORDS = re.compile(
    r'\s*(?:if|else|for|while|do|switch|case|default|return|goto|break|continue)\b')
STATEMENT = re.compile(r'[A-Za-z_*(+-][^;{}?]*;')

SWAPS = [
    ('comparison', r'(?<=[\w\]) ] )(<=|>=|==|!=|<|>)(?= [\w(!*&~-])',
     {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '=='}),
    ('logic', r'(?<= )(&&|\|\|)(?= |\n)', {'&&': '||', '||': '&&'}),
    ('negation', r'(!)(?=[\w(])', {'!': ''}),
    ('arithmetic', r'(?<=[\w\])] )([+-])(?= [\w(])', {'+': '-', '-': '+'}),
    ('bits', r'(?<=[\w\])] )(<<|>>|&|\|)(?= [\w(~])', {'<<': '>>', '>>': '<<', '&': '|', '|': '&'}),
    ('assignment', r'(?<=[\w\])] )(\|=|&=|\+=|-=)(?= )',
     {'|=': '=', '&=': '=', '+=': '-=', '-=': '+='}),
    ('step', r'(\+\+|--)', {'++': '--', '--': '++'}),
    ('truth', r'\b(true|false)\b', {'true': 'false', 'false': 'true'}),
]


def spots(text, begin, end, void):
    """Yield (kind, begin, end, new) of each mutant in the body of a function."""
    for kind, pattern, swap in SWAPS:
        for m in re.compile(pattern).finditer(text, begin, end):
            yield kind, m.start(1), m.end(1), swap[m.group(1)]
    body = re.compile(r'(?<![\w.])(0[xX][0-9A-Fa-f]+|\d+)([uUlL]*)\b')
    for m in body.finditer(text, begin, end):
        value = int(m.group(1), 0) if m.group(1) in ('0', '') or m.group(1)[0] != '0' \
            or m.group(1)[:2] in ('0x', '0X') else int(m.group(1), 8)
        if m.group(1)[:2] in ('0x', '0X'):      # a mask: clear one of its bits
            yield 'mask', m.start(1), m.end(1), hex(value & (value - 1) if value else 1)
        elif text[m.start() - 1] == '[' and is_declaration(text, m.start()):
            continue                            # room that need not be used up
        elif re.search(r'[=(,?:] ?-$|\breturn -$', text[:m.start()][-12:]):
            yield 'limit', m.start(1), m.end(1), str(value - 1)     # any negative value is "none"
        else:
            yield 'limit', m.start(1), m.end(1), str(value + 1)
            if value > 1:
                yield 'limit', m.start(1), m.end(1), str(value - 1)
    for m in re.compile(r'\[(\w+(?:->\w+)*)\]').finditer(text, begin, end):
        if not text[text.rfind('\n', 0, m.start()):m.start()].endswith(')'):
            yield 'index', m.end(1), m.end(1), ' + 1'
    # A limit that is a name, at the end of a comparison.
    for m in re.compile(r' (?:<|<=|>|>=) ([A-Za-z_][\w>.-]*[\w\])])(?=\)|;| \|\|| &&)').finditer(
            text, begin, end):
        if text.count('(', m.start(1), m.end(1)) == text.count(')', m.start(1), m.end(1)):
            yield 'limit', m.end(1), m.end(1), ' + 1'
            yield 'limit', m.end(1), m.end(1), ' - 1'
    # Omit one of several bits.
    for m in re.compile(r' \| (?:\(\w+\))?[A-Z]\w+\b(?!\()').finditer(text, begin, end):
        yield 'bits', m.start(), m.end(), ''
    for m in re.compile(r'\bif \(').finditer(text, begin, end):
        close = closing(text, m.end() - 1)
        if '\n' not in text[m.start():close]:
            yield 'condition', m.end(), m.end(), '!('
    at = begin
    for line in text[begin:end].splitlines(True):
        code = line.strip()
        before = text[begin:at].rstrip()[-1:]
        if code and before in ('', ';', '{', '}', ')', ':', 'e') and not code.startswith('}'):
            start = at + len(line) - len(line.lstrip())
            if re.match(r'(?:break|continue|goto \w+);', code):
                yield 'drop', start, start + code.index(';') + 1, ';'
            elif not KEYWORDS.match(line) and (m := STATEMENT.match(text, start)) and \
                    not DECLARATION.match(line):
                yield 'drop', start, m.end(), ';'
                yield 'return', start, start, 'return; ' if void else 'return 0; '
            elif re.match(r'return [^;]+;', code) and not re.match(r'return (?:0|false);', code):
                yield 'return', start, start + code.index(';') + 1, 'return 0;'
        at += len(line)


def mutants_of(path):
    """Return {line: [mutants]} of a file."""
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        source = f.read()
    text = mask(source)
    found = collections.defaultdict(list)
    for begin, end, void in functions(text):
        for kind, b, e, new in spots(text, begin, end, void):
            line_begin = source.rfind('\n', 0, b) + 1
            line = source[line_begin:source.index('\n', b)]
            masked = text[line_begin:line_begin + len(line)]
            # A declaration without a value is not code.
            if DECLARATION.match(masked) and ' = ' not in masked and masked.rstrip().endswith(';') \
                    and '(' not in masked:
                continue
            old = source[b:e]
            if kind == 'condition':
                close = closing(text, b - 1) - 1
                e, old = close, source[b:close]
                new = '!(%s)' % old
            number = source.count('\n', 0, b) + 1
            column = b - line_begin - (len(line) - len(line.lstrip()))
            found[number].append(Mutant(path, number, b, e, old, new, line.strip(), kind, column))
    return found


def describe(m):
    """Return the change without its line, so that it is found again when the line has moved."""
    def flat(s):
        return re.sub(r'\s+', ' ', s)
    return '%s: %s -> %s @%d' % (m.kind, flat(m.old) or '(nothing)',
                                 flat(m.new) or '(nothing)', m.column)


def equivalents():
    """Return {(file, text of the line, change): reason} of the reviewed list."""
    known, entry = {}, []
    if not os.path.exists(EQUIVALENT):
        return known
    with open(EQUIVALENT, encoding='utf-8') as f:
        for line in list(f) + ['\n']:
            line = line.rstrip('\n')
            if line.startswith('#'):
                continue
            if line.strip():
                entry.append(line.strip())
            elif entry:
                if len(entry) < 4 or any(os.path.exists(os.path.join(TOP, e)) for e in entry[3:]):
                    sys.exit('%s: an entry is file, line, change and reason, and an empty line '
                             'ends it:\n%s' % (EQUIVALENT, '\n'.join(entry)))
                known[tuple(entry[:3])] = ' '.join(entry[3:])
                entry = []
    return known


def is_equivalent(known, m):
    """Return whether the reviewed list has the mutant; a change in it may end in "*"."""
    change = describe(m)
    return any(m.file == file and m.text == text and
               (change.startswith(end[:-1]) if end.endswith('*') else change == end)
               for file, text, end in known)


running_tests = set()
gave_up = threading.Event()


def give_up(signum, frame):
    """End the running tests, begin no further one, and exit."""
    gave_up.set()
    end = time.monotonic() + 30     # host tests clean up upon SIGTERM
    for sig in signal.SIGTERM, signal.SIGKILL:
        for pid in list(running_tests):
            try:
                os.killpg(pid, sig)
            except ProcessLookupError:
                pass
        while running_tests and time.monotonic() < end:
            time.sleep(0.05)
    os._exit(128 + signum)


def leak_sanitizer():
    """Return the path of LeakSanitizer, which a program need not be built for, or None."""
    cc = subprocess.run(['cc', '-print-file-name=liblsan.so'], stdout=subprocess.PIPE, text=True,
                        check=False).stdout.strip()
    return os.path.realpath(cc) if os.path.isabs(cc) else None


class Tree:
    """A copy of the tree with its build folder, in which one mutant at a time is planted."""

    def __init__(self, number):
        self.path = os.path.join(TOP, 'build', 'mutate', 'tree%d' % number)
        self.build = os.path.join(self.path, 'build')
        self.log = os.path.join(self.path, 'build.log')

    def prepare(self):
        names = subprocess.run(['git', '-C', TOP, 'ls-files', '-co', '--exclude-standard', '-z'],
                               stdout=subprocess.PIPE, check=True).stdout.decode().split('\0')
        names = {n for n in names if n and os.path.isfile(os.path.join(TOP, n))}
        for name in names:      # copy only changed files, so that ninja rebuilds no others
            src, dst = os.path.join(TOP, name), os.path.join(self.path, name)
            with open(src, 'rb') as f:
                content = f.read()
            if os.path.exists(dst):
                with open(dst, 'rb') as f:
                    if f.read() == content:
                        continue
            os.makedirs(os.path.dirname(dst), exist_ok=True)
            shutil.copy(src, dst)
        for folder, _, files in os.walk(self.path):
            if not folder.startswith(self.build):
                for name in files:
                    path = os.path.join(folder, name)
                    if os.path.relpath(path, self.path) not in names and path.endswith(
                            ('.c', '.h', '.py', 'meson.build')):
                        os.unlink(path)
        deps = os.path.join(self.path, '.deps')
        if os.path.isdir(os.path.join(TOP, '.deps')) and not os.path.lexists(deps):
            os.symlink(os.path.join(TOP, '.deps'), deps)
        if not os.path.exists(os.path.join(self.build, 'build.ninja')):
            subprocess.run(['meson', 'setup', self.build, self.path, '-Doptimization=1',
                            '-Ddebug=false', '-Dwerror=false'], stdout=subprocess.DEVNULL,
                           check=True)

    def ninja(self, targets=(), jobs=1):
        with open(self.log, 'wb') as log:
            return subprocess.run(['ninja', '-C', self.build, '-j%d' % jobs, *targets], stdout=log,
                                  stderr=log, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def unit_tests(self):
        """Return {name: command} according to meson."""
        out = subprocess.run(['meson', 'introspect', '--tests', self.build], check=True,
                             stdout=subprocess.PIPE).stdout
        return {t['name']: t['cmd'] for t in json.loads(out) if 'gantry:unit' in t['suite']}

    def digest(self, path, targets):
        """Return a digest of the machine code that depends on a file, or None if there is none.

        The function examines the object files of the programs in targets.
        """
        name = '' if path.endswith('.h') else os.path.basename(path)
        out = subprocess.run(['ninja', '-C', self.build, '-t', 'inputs', *targets], check=True,
                             stdout=subprocess.PIPE, text=True).stdout if targets else ''
        objects = [o for o in out.split('\n') if o.endswith(name + '.o')]
        h = hashlib.sha256()
        for o in sorted(objects):
            with open(os.path.join(self.build, o), 'rb') as f:
                h.update(o.encode() + f.read())
        return h.digest() if objects else None

    def run(self, argv, limit, preload=None):
        """Run a test and return 0, the exit status, or 'hang'."""
        if gave_up.is_set():
            raise InterruptedError
        env = dict(os.environ, LD_PRELOAD=preload) if preload else None
        def limits():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
        with open(os.path.join(self.path, 'test.log'), 'wb') as log, subprocess.Popen(
                argv, cwd=self.build, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=limits) as p:
            running_tests.add(p.pid)
            try:
                return p.wait(limit)
            except subprocess.TimeoutExpired:
                for sig in (signal.SIGTERM, signal.SIGKILL):    # host tests clean up upon SIGTERM
                    try:
                        os.killpg(p.pid, sig)
                        p.wait(30)
                        break
                    except ProcessLookupError:
                        break
                    except subprocess.TimeoutExpired:
                        continue
                return 'hang'
            finally:
                running_tests.discard(p.pid)
                try:
                    os.killpg(p.pid, signal.SIGKILL)    # processes that a test left running
                except ProcessLookupError:
                    pass


class Campaign:
    def __init__(self, args):
        self.args = args
        self.trees = queue.Queue()
        self.durations = {}
        self.leaks = set()      # unit tests that LeakSanitizer can watch
        self.sanitizer = leak_sanitizer()
        self.lock = threading.Lock()
        self.results = []
        self.known = equivalents()

    def say(self, text):
        with self.lock:
            print(text, flush=True)

    def tests_for(self, path):
        """Return the unit tests for a path in the order in which they run, and the host tests."""
        for pattern, unit, host in TESTS:
            if fnmatch.fnmatch(path, pattern):
                break
        else:
            return [], []
        stem = os.path.splitext(os.path.basename(path))[0]
        parts = re.sub(r'^(?:dma|igb|m82576|server|vfio_user|vfu)_', '', stem).split('_')
        parts = {*parts, *(p + 's' for p in parts)}
        others = {s for p in parts for s in SUBJECTS.get(p, [])}
        names = [n for n in self.unit if any(fnmatch.fnmatch(n, u) for u in unit)
                 and not (self.args.no_huge and {'va', 'pa'} & set(self.unit[n]))]

        def rank(name):
            words = set(name.split('_'))
            row = next(k for k, u in enumerate(unit) if fnmatch.fnmatch(name, u))
            return -len(words & parts), -len(words & others), row, self.durations.get(name, 0)
        names.sort(key=rank)
        return names, [] if self.args.unit else host

    def check_names(self):
        """Print what TESTS names and the tree does not have."""
        for _, unit, host in TESTS:
            for pattern in unit:
                if not fnmatch.filter(self.unit, pattern):
                    self.say('TESTS names unit tests that do not exist: %s' % pattern)
            for name in host:
                if not os.path.exists(os.path.join(TOP, 'tests', 'host', name + '.py')):
                    self.say('TESTS names a host test that does not exist: %s' % name)

    def command(self, tree, name):
        if name.startswith('test_'):
            return ['python3', os.path.join(tree.path, 'tests', 'host', 'run.py'),
                    '--without', 'slow,install', name + '.']
        return [a.replace(self.first.path, tree.path) for a in self.unit[name]]

    def unit_targets(self, path):
        return sorted({os.path.relpath(self.unit[n][0], self.first.build)
                       for n in self.tests_for(path)[0] if n in self.left})

    def host_targets(self):
        return [t for t in self.all_targets if not t.startswith('tests/unit')]

    def prepare(self, files):
        os.makedirs(os.path.join(TOP, 'build', 'mutate'), exist_ok=True)
        self.lock_file = open(os.path.join(TOP, 'build', 'mutate', 'lock'), 'w', encoding='utf-8')
        fcntl.flock(self.lock_file, fcntl.LOCK_EX)      # only one run may use the trees at a time
        trees = [Tree(k) for k in range(self.args.jobs)]
        self.first = trees[0]
        for t in trees:
            t.prepare()
            t.ninja(['build.ninja'])    # meson then knows the tests of a changed meson.build
        self.unit = self.first.unit_tests()
        self.check_names()
        out = subprocess.run(['meson', 'introspect', '--targets', self.first.build], check=True,
                             stdout=subprocess.PIPE).stdout
        self.all_targets = [os.path.relpath(f, self.first.build) for t in json.loads(out)
                            if t['type'] in ('executable', 'shared module', 'shared library')
                            for f in t['filename'] if '/bench/' not in f and '/vm/' not in f]
        wanted = [self.tests_for(f) for f in files]
        unit = sorted({n for u, _ in wanted for n in u})
        host = sorted({n for _, h in wanted for n in h})
        self.left = unit + host
        targets = sorted({t for f in files for t in self.unit_targets(f)})
        targets += [t for t in self.all_targets if t.startswith('tests/unit/') and
                    t.endswith('.so')]      # modules that unit tests load
        targets += self.host_targets() if host else []
        for t in trees:
            self.say('builds %s' % os.path.relpath(t.path, TOP))
            if not t.ninja(targets, os.cpu_count()):
                sys.exit('the tree does not build without a mutant: see %s' % t.log)
            self.trees.put(t)
        self.measure(unit + host)
        self.left = [n for n in unit + host if n in self.durations]
        for t in trees:
            t.digests = {f: t.digest(f, self.unit_targets(f)) for f in files}

    def run_test(self, tree, name, limit):
        return tree.run(self.command(tree, name), limit,
                        self.sanitizer if name in self.leaks else None)

    def measure(self, names):
        """Measure how long each test takes without a mutant; a test that fails then gets no
        duration. If LeakSanitizer finds no leak in a unit test, it also watches that test later.

        Measurements of an earlier run are reused for programs that have not changed.
        """
        path = os.path.join(TOP, 'build', 'mutate', 'baseline.json')
        known = {}
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                known = json.load(f)
        programs = hashlib.sha256()
        for so in sorted(glob.glob(os.path.join(self.first.build, 'pmds', '*.so'))):
            with open(so, 'rb') as f:
                programs.update(f.read())

        def one(name):
            key = programs.copy()
            if name in self.unit:
                with open(self.unit[name][0], 'rb') as f:
                    key.update(f.read())
            key = key.hexdigest()
            if name in self.unit and known.get(name, [''])[0] == key and len(known[name]) == 3:
                self.durations[name] = known[name][1]
                if known[name][2] and self.sanitizer:
                    self.leaks.add(name)
                return
            if name in self.unit and self.sanitizer:
                self.leaks.add(name)
            tree = self.trees.get()
            try:
                begin = time.monotonic()
                status = self.run_test(tree, name, 1800)
                if name in self.leaks and status not in (0, SKIPPED):
                    self.leaks.discard(name)
                    begin = time.monotonic()
                    status = self.run_test(tree, name, 1800)
                duration = time.monotonic() - begin
            finally:
                self.trees.put(tree)
            if status != 0:
                self.say('leaves out %s: %s without a mutant' % (
                    name, 'skipped' if status == SKIPPED else 'fails'))
                return
            self.durations[name] = duration
            with self.lock:
                known[name] = [key, duration, name in self.leaks]
                with open(path, 'w', encoding='utf-8') as f:
                    json.dump(known, f)

        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            list(pool.map(one, names))

    def judge(self, m):
        """Plant a mutant in a tree, and return (verdict, the test that noticed it)."""
        if is_equivalent(self.known, m):
            return 'equivalent', ''
        tree = self.trees.get()
        path = os.path.join(tree.path, m.file)
        with open(path, encoding='utf-8') as f:
            original = f.read()
        try:
            with open(path, 'w', encoding='utf-8') as f:
                f.write(original[:m.begin] + m.new + original[m.end:])
            return self.judge_in(tree, m)
        finally:
            with open(path, 'w', encoding='utf-8') as f:
                f.write(original)
            self.trees.put(tree)

    def judge_in(self, tree, m):
        unit, host = ([n for n in names if n in self.left] for names in self.tests_for(m.file))
        targets = self.unit_targets(m.file)
        if targets and not tree.ninja(targets):
            return 'invalid', 'does not compile'
        before = tree.digests[m.file]
        if before is not None and tree.digest(m.file, targets) == before:
            return 'invalid', 'the same machine code'
        for name in unit + host:
            if name == next(iter(host), None) and not tree.ninja(self.host_targets()):
                return 'invalid', 'does not compile'
            # If a failure does not repeat, the machine may have caused it. A busy one needs time.
            for attempt in (1, 2):
                busy = max(1, os.getloadavg()[0] / os.cpu_count())
                limit = busy * max(LEAST_LIMIT, 10 * self.durations[name])
                status = self.run_test(tree, name, limit)
                if status == 0:
                    break
            if status != 0:
                return 'noticed', name + (' (hang)' if status == 'hang' else '')
        return 'unnoticed', ''

    def take(self, m):
        begin = time.monotonic()
        verdict, by = self.judge(m)
        what = '%-10s %s:%d: %s: %s' % (verdict, m.file, m.line, describe(m), m.text)
        if verdict != 'invalid':
            self.say('%s%s (%.0f s)' % (what, by and ' [%s]' % by, time.monotonic() - begin))
        return verdict, by

    def run(self, order):
        """Judge mutants in the given order until `count` of them are judged."""
        order = iter(order)
        count = self.args.count
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            running = {}
            while True:
                while len(running) < min(self.args.jobs, count - len(self.results)):
                    m = next(order, None)
                    if m is None:
                        break
                    running[pool.submit(self.take, m)] = m
                if not running:
                    return
                done, _ = concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    m = running.pop(future)
                    verdict, by = future.result()
                    if verdict != 'invalid':
                        self.results.append(dict(
                            file=m.file, line=m.line, text=m.text, change=describe(m),
                            verdict=verdict, by=by))


def sources(paths):
    for path in paths:
        full = os.path.abspath(path)
        if not os.path.exists(full):
            sys.exit('tools/mutate: there is no %s' % path)
        found = [full] if os.path.isfile(full) else sorted(
            glob.glob(os.path.join(full, '**', '*.[ch]'), recursive=True))
        for f in found:
            yield os.path.relpath(f, TOP)


def drawn(files, seed):
    """Yield one mutant of each line that has any, the lines in random order."""
    rnd = random.Random(seed)
    lines = [ms for f in files for _, ms in sorted(mutants_of(f).items())]
    rnd.shuffle(lines)
    for ms in lines:
        kind = rnd.choice(sorted({m.kind for m in ms}))
        yield rnd.choice([m for m in ms if m.kind == kind])


def planted(path):
    """Yield the mutants of a list: FILE ||| TEXT ||| REPLACEMENT, one on each line.

    TEXT must occur in the file exactly once.
    """
    with open(path, encoding='utf-8') as f:
        for line in f:
            if line.startswith('#') or not line.strip():
                continue
            file, old, new = line.rstrip('\n').replace('\\n', '\n').replace('\\t', '\t').split(
                ' ||| ')
            with open(os.path.join(TOP, file), encoding='utf-8') as f:
                source = f.read()
            if source.count(old) != 1:
                sys.exit('tools/mutate: %s: %d times in %s' % (old, source.count(old), file))
            at = source.index(old)
            begin = source.rfind('\n', 0, at) + 1
            yield Mutant(file, source.count('\n', 0, at) + 1, at, at + len(old), old, new,
                         source[begin:source.index('\n', at)].strip(), 'planted', 0)


def share_noticed(verdicts):
    """Return the noticed part of the mutants that are not equivalent, in percent, or None."""
    judged = verdicts['noticed'] + verdicts['unnoticed']
    return round(100 * verdicts['noticed'] / judged, 1) if judged else None


def summary(verdicts):
    """Return the last line of the output."""
    share = share_noticed(verdicts)
    return '%d noticed, %d unnoticed%s; %d equivalent' % (
        verdicts['noticed'], verdicts['unnoticed'],
        '' if share is None else ' (%.1f %% noticed)' % share, verdicts['equivalent'])


def main():
    ap = argparse.ArgumentParser(prog='tools/mutate', description=__doc__.splitlines()[0])
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--count', type=int, default=20, help='how many mutants are judged')
    ap.add_argument('--jobs', type=int, default=1, help='how many at one time')
    ap.add_argument('--unit', action='store_true', help='without host tests')
    ap.add_argument('--no-huge', action='store_true', help='without tests that take hugepages')
    ap.add_argument('--list', action='store_true', help='print the mutants, judge none')
    ap.add_argument('--only', metavar='FILE', help='the mutants of an earlier --json that it '
                    'found unnoticed')
    ap.add_argument('--planted', metavar='FILE', help='mutants of a list of your own: '
                    'FILE ||| TEXT ||| REPLACEMENT, one a line')
    ap.add_argument('--json', metavar='FILE')
    ap.add_argument('path', nargs='*')
    args = ap.parse_args()
    files = list(dict.fromkeys(sources(args.path)))
    output = None
    if args.json:
        inputs = filter(None, [args.only, args.planted, EQUIVALENT])
        try:
            output = Output(args.json, [*inputs, *(os.path.join(TOP, f) for f in files)])
        except OSError as e:
            ap.error('--json %s: %s' % (args.json, e.strerror))
    order = list(drawn(files, args.seed))
    if args.only:
        with open(args.only, encoding='utf-8') as f:
            wanted = {(r['file'], r['text'], r['change']) for r in json.load(f)['mutants']
                      if r['verdict'] == 'unnoticed'}
        order = [m for f in files for ms in mutants_of(f).values() for m in ms
                 if (m.file, m.text, describe(m)) in wanted]
        args.count = len(order)
    if args.planted:
        order = list(planted(args.planted))
        args.count = len(order)
    if not order:
        sys.exit('tools/mutate: no line of %s can be mutated' % ' '.join(args.path))
    if args.list:
        for m in order[:args.count]:
            print('%s:%d: %s: %s' % (m.file, m.line, describe(m), m.text))
        return 0
    signal.signal(signal.SIGTERM, give_up)
    signal.signal(signal.SIGINT, give_up)
    campaign = Campaign(args)
    begin = time.monotonic()
    campaign.prepare(sorted({m.file for m in order}))
    campaign.run(order)
    verdicts = collections.Counter(r['verdict'] for r in campaign.results)
    print(summary(verdicts))
    if output:
        output.write(dict(seed=args.seed, paths=args.path, seconds=round(time.monotonic() - begin),
                          noticed=verdicts['noticed'], unnoticed=verdicts['unnoticed'],
                          equivalent=verdicts['equivalent'], count=len(campaign.results),
                          percent=share_noticed(verdicts), mutants=campaign.results))
    return 0


if __name__ == '__main__':
    sys.exit(main())
