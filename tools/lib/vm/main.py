# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Run the driver on real PCI: QEMU's 82576 in a virtual machine.

    tools/vm SCENARIO... [--json FILE]    runs scenarios, one after the other
    tools/vm all [--json FILE]            runs all of them
    tools/vm --list                       lists them
    tools/vm shell                        a guest for a person, with two bound ports

The tool first prepares the machine (tools/setup vm, which names what it installs), unless
GANTRY_BUILD=DIR names a build to test. Logs are in build/vm/SCENARIO. Exit status: 0 if all
scenarios passed, 1 if one failed, 2 for wrong arguments.
"""

import argparse
import contextlib
import importlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
SCENARIOS = os.path.join(TOP, 'tests', 'vm')
sys.dont_write_bytecode = True
sys.path[0:1] = [os.path.join(TOP, 'tools', 'lib'), SCENARIOS]  # in place of this folder
from output import Output  # noqa: E402
from vm import image, machine  # noqa: E402

LOGS = os.path.join(image.BUILD, 'vm')
VOIDS = 2  # void runs after which a scenario is not repeated again
# The order in which `all` runs the scenarios.
ORDER = ('machine', 'va', 'pa-noiommu', 'pa-uio', 'dma-fault', 'strict', 'window',
         'dma-untranslated', 'rx-intr', 'link-intr', 'intr-window', 'intr-strict',
         'testpmd', 'testpmd-window', 'testpmd-strict',
         'dpdk-test', 'dpdk-test-window', 'dpdk-test-strict', 'linux-peer', 'upstream-peer',
         'numa', 'versus-upstream', 'models-agree', 'hot-unplug', 'guest-linux', 'guest-dpdk')


def load():
    """Return all scenarios; every file of tests/vm registers its own."""
    for name in sorted(os.listdir(SCENARIOS)):
        if name.endswith('.py') and name != 'scenario.py':
            importlib.import_module(name[:-3])
    found = importlib.import_module('scenario').SCENARIOS
    last = len(ORDER)
    return {name: found[name] for name in
            sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else last, n))}


def where(e):
    """Return the lines of the scenario, outermost first, that raised an exception."""
    return ' > '.join('%s:%d' % (os.path.basename(f.filename), f.lineno)
                      for f in traceback.extract_tb(e.__traceback__)
                      if f.filename.startswith(SCENARIOS))


def run_once(name, function, archive, sockets):
    """Run a scenario; return its entry for the JSON file, and whether its guest stood still."""
    from scenario import Run
    run = Run(name, archive, sockets, os.path.join(LOGS, name))
    entry = {'scenario': name, 'ok': False, 'seconds': 0, 'facts': run.facts}
    begin = time.monotonic()
    failure, stood_still = None, False
    try:
        with contextlib.closing(run):  # closing fails if a daemon does not end cleanly
            try:
                function(run)
            except Exception as e:
                failure, stood_still = e, run.stood_still()
                raise
            finally:
                entry['seconds'] = round(time.monotonic() - begin, 1)
        entry['ok'] = True
    except (AssertionError, machine.Error, OSError) as e:
        entry['error'] = str(e) if failure in (None, e) else '%s\n%s' % (failure, e)
        entry['error'] += '\nat %s' % where(failure or e)
        stood_still = stood_still and e is failure
    except Exception:  # a mistake in the scenario itself
        entry['error'] = traceback.format_exc()
    print('%-6s %s (%.0f s)' % ('ok' if entry['ok'] else 'FAILED', name, entry['seconds']))
    for key, value in run.facts.items():
        print('         %s: %s' % (key, value))
    if not entry['ok']:
        print('%s\nlogs: %s' % (entry['error'], run.logs))
    sys.stdout.flush()
    return entry, stood_still


def run_one(name, function, archive, sockets):
    """Run a scenario, and repeat it once or twice if QEMU or the guest failed.

    Run.stood_still() detects a failure that the driver did not cause, but an emulator on a busy
    machine.
    """
    voids = []
    while True:
        entry, stood_still = run_once(name, function, archive, sockets)
        if voids:
            entry['void'] = voids
        if not stood_still or len(voids) == VOIDS:
            return entry
        print('void   %s: QEMU or the guest stood still: repeated' % name)
        void = os.path.join(LOGS, '%s.void%d' % (name, len(voids)))
        shutil.rmtree(void, ignore_errors=True)
        os.rename(os.path.join(LOGS, name), void)
        voids.append({'seconds': entry['seconds'], 'error': entry['error']})


def shell(archive, sockets):
    """Run a guest on this terminal; the guest ends when its shell ends."""
    vm = machine.Machine(sockets, os.path.join(LOGS, 'shell'), archive,
                         shell=True)
    try:
        ports = machine.PORTS[:2]
        vm.bind('vfio-pci', *ports)
        dpdk = 'dpdk-testpmd -d %s/build/pmds -a %s -a %s -- -i' % ((image.GUEST,) + ports)
        vm.run("cat >/run/ready.new <<'EOF'\n\n%s and %s: 82576s on one hub, bound to vfio-pci. "
               "Try:\n  %s\nexit ends the guest.\n\nEOF\nmv /run/ready.new /run/ready"
               % (ports + (dpdk,)))
        return vm.qemu.wait()
    finally:
        vm.close()


def main():
    ap = argparse.ArgumentParser(prog='tools/vm',
                                 usage='tools/vm SCENARIO... | all | shell | --list [--json FILE]',
                                 description=__doc__.splitlines()[0])
    ap.add_argument('scenario', nargs='*')
    ap.add_argument('--list', action='store_true', help='list the scenarios')
    ap.add_argument('--json', metavar='FILE', help='write the facts to FILE')
    ap.add_argument('--counts', metavar='FILE',
                    help='append a line "PASSED FAILED SKIPPED" to FILE')
    args = ap.parse_args()
    known = load()
    if args.list:
        for name, function in known.items():
            print('%-16s %s' % (name, (function.__doc__ or '').splitlines()[0]))
        return 0
    wanted = list(known) if args.scenario == ['all'] else args.scenario
    unknown = [n for n in wanted if n not in known and wanted != ['shell']]
    if unknown or not wanted:
        ap.error('no scenario %s; tools/vm --list names them' % ' '.join(unknown)
                 if unknown else 'name a scenario, all, or shell; --list names them')
    entries = []
    try:  # now rather than after a quarter of an hour
        out = Output(args.json) if args.json else None
    except OSError as e:
        ap.error('--json %s: %s' % (args.json, e.strerror))
    if wanted == ['shell'] and not sys.stdin.isatty():
        ap.error('shell needs a terminal')

    def count(*counts):
        if args.counts:
            with open(args.counts, 'a', encoding='utf-8') as f:
                f.write('%d %d %d\n' % counts)

    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:  # so that everything is cleaned up
        # Ignored: by nohup, or by a shell for a background job.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda n, _: sys.exit(128 + n))
    if platform.machine() != 'x86_64':
        print('skip   %s: needs an x86-64 machine, whose programs the guest runs; this one is %s'
              % (' '.join(wanted), platform.machine()))
        count(0, 0, len(wanted))
        return 1
    if 'GANTRY_BUILD' not in os.environ and \
            subprocess.run([TOP + '/tools/setup', 'vm'], check=False).returncode != 0:
        count(0, len(wanted), 0)
        return 1
    sockets = tempfile.mkdtemp(prefix='gantry.vm.', dir='/tmp')
    try:
        archive = image.build(sockets)
        if wanted == ['shell']:
            return shell(archive, sockets)
        for name in wanted:
            entries.append(run_one(name, known[name], archive, sockets))
            if out:
                out.write(entries)  # whatever the result of the next scenario
    except (image.Error, machine.Error, OSError, subprocess.CalledProcessError) as e:
        print('tools/vm: %s' % e, file=sys.stderr)
        count(0, len(wanted), 0)
        return 1
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    passed = sum(e['ok'] for e in entries)
    count(passed, len(entries) - passed, 0)
    print('virtual machine: %d ok, %d failed' % (passed, len(entries) - passed))
    return 0 if passed == len(entries) else 1


if __name__ == '__main__':
    sys.exit(main())
