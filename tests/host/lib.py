# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The host-test harness: a daemon, an application, and bounded waits.

A host test is a small system of processes on one machine. The harness starts them, waits for what
they print, reads their counters, and ends them:

    +------------------+    vfio-user: NAME.sock    +-----------------------------------+
    | gantry-nic       | <------------------------> | dpdk-testpmd -d build/pmds        |
    | --port NAME:KEYS |    shared memory           | ethdev_calls, gantry-testpmd, ... |
    +------------------+                            +-----------------------------------+
      nic(), nic_now(), nic_stats()                   eal(), dpdk_testpmd(), ethdev_calls(),
                                                      command(), telemetry(), ask()

Data structures

    Bench, one instance for each test
      .dir    --> /tmp/gantry.XXXXXXXX: sockets, logs, statistics; tearDown removes it
      .procs  --> [Process, Process, ...], in the order of their start
                     .p    --> subprocess.Popen, the leader of its own session
                     .pid  --> its process ID; of gantry-nic (class Nic), that of the daemon proper
                     .log  --> DIR/COUNT-PROGRAM.log: standard output and standard error of the
                               child; Conversation.expect() searches this file for a line

Lifecycle

    setUp         creates .dir
    test method   starts processes by run_process() or a function that calls it
    tearDown      stops the processes in reverse order (SIGCONT and SIGTERM; SIGKILL after 20 s);
                  removes .dir; checks, if the run has a DMA mode or dma_debug, that the
                  applications logged no misuse of the DMA library

Concurrency: the tests of one runner execute one after the other in one thread. Several runners may
execute concurrently (run.py --part), because nothing that a test creates is outside of .dir, except
what a test names itself (network namespaces, TAPs, hugepages).

The mode of a run comes from the environment, which run.py sets. A test that does not choose a DMA
mode or an IOVA mode uses the mode of the run; the tag "dma" marks tests for which this is useful.

Deliberately absent: the harness ends no process that it did not start, has no wait without a limit,
and judges no speed. When a wait fails, the message contains the output of the process.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tools', 'lib'))
from conversation import TIMEOUT_S, Conversation  # noqa: E402

BUILD = os.path.abspath(os.environ.get('GANTRY_BUILD', os.path.join(TOP, 'build')))
# The daemon may come from another build, such as the build with sanitizers.
NIC = os.environ.get('GANTRY_NIC', os.path.join(BUILD, 'app', 'gantry-nic'))
TESTPMD = os.path.join(BUILD, 'app', 'gantry-testpmd')
CALLS = os.path.join(BUILD, 'tests', 'host', 'ethdev_calls')
PMDS = os.path.join(BUILD, 'pmds')
# Another release of DPDK than the installed one, and the loader for the programs linked with it.
DPDK = os.environ.get('GANTRY_DPDK', '')
WITH_DPDK = [os.environ['GANTRY_DPDK_RUN']] if os.environ.get('GANTRY_DPDK_RUN') else []

# The DMA mode and the IOVA mode for tests that do not choose their own: run.py sets these.
DMA = os.environ.get('GANTRY_DMA', '')              # the name of a mode
DMA_DEBUG = os.environ.get('GANTRY_DMA_DEBUG', '')  # a value of the devarg dma_debug
IOVA = os.environ.get('GANTRY_IOVA', '')            # va or pa, with hugepages
DIRECT = DMA in ('', 'auto', 'direct')


def hugepages(size_mb=256):
    """Return whether size_mb MiB of hugepage memory are free and this user may use them."""
    try:
        with open('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages') as f:
            free = int(f.read())
    except OSError:
        return False
    return os.geteuid() == 0 and free >= size_mb // 2


needs_root = unittest.skipUnless(os.geteuid() == 0, 'needs root')
needs_hugepages = unittest.skipUnless(hugepages(), 'needs root and 128 free hugepages of 2 MiB')


def tag(*names):
    """Return a decorator that tags a test or a class of tests, for run.py --with and --without."""
    def mark(what):
        what.tags = tuple(names)
        return what
    return mark


class Process(Conversation):
    """A child process whose output goes to a file, and which can be waited for line by line."""

    def __init__(self, argv, log, env=None, **kw):
        self.argv, self.log = argv, log
        self.out = open(log, 'wb')
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=self.out,
                                  stderr=subprocess.STDOUT, start_new_session=True,
                                  env=dict(os.environ, **(env or {})), **kw)

    @property
    def pid(self):
        return self.p.pid

    def text(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def name(self):
        return ' '.join(self.argv)

    def poll(self):
        return self.p.poll()

    def say(self, line):
        self.p.stdin.write(line.encode() + b'\n')
        self.p.stdin.flush()

    def signal(self, sig):
        self.p.send_signal(sig)

    def wait(self, timeout=TIMEOUT_S, status=0):
        """Wait until the process ends; status None accepts any exit status."""
        try:
            got = self.p.wait(timeout)
        except subprocess.TimeoutExpired:
            self.fail('did not end within %d s' % timeout)
        if status is not None and got != status:
            self.fail('ended with status %d, not %d' % (got, status))
        return got

    def stop(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGCONT)
            self.p.terminate()
            try:
                self.p.wait(20)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        self.p.stdin.close()
        self.out.close()


def child_of(pid):
    """Return the process ID of the only child of a process."""
    with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
        return int(f.read())


class Nic(Process):
    """gantry-nic: .p is the front, which was started, and .pid the daemon proper, its child."""

    @property
    def pid(self):
        return child_of(self.p.pid)

    def signal(self, sig):
        """Send a signal to the front, or to the daemon proper if the front cannot pass it on."""
        if sig in (signal.SIGSTOP, signal.SIGKILL):
            os.kill(self.pid, sig)
        else:
            super().signal(sig)


class Bench(unittest.TestCase):
    """A test with its own directory, and with processes that end when the test ends."""

    def setUp(self):
        if IOVA and not hugepages():
            self.skipTest('needs root and 128 free hugepages of 2 MiB')
        self.dir = tempfile.mkdtemp(prefix='gantry.', dir='/tmp')
        self.procs = []
        self.count = 0
        self.misuses = set()    # misuses that the test commits on purpose

    def tearDown(self):
        for p in reversed(self.procs):
            p.stop()
        outputs = [p.text() for p in self.procs if any('vfio_user:' in a for a in p.argv)]
        shutil.rmtree(self.dir, ignore_errors=True)
        if outputs and (DMA_DEBUG or not DIRECT):
            self.check_dma('\n'.join(outputs))

    def check_dma(self, text):
        """Check that ports were in the DMA mode of the run, and no other misuse was reported."""
        modes = set(re.findall(r'(?m)^net_gantry_igb: .*: (DMA mode .*)', text))
        self.assertEqual(modes, {'DMA mode %s%s' % (DMA or 'direct',
                                                    ', watched (dma_debug)' if DMA_DEBUG else '')})
        reports = re.findall(r'gantry_dma: misuse: .*', text)    # also behind a prompt
        kinds = {re.match(r'gantry_dma: misuse: \S+: ([a-z-]+): ', r)[1] for r in reports}
        self.assertEqual(kinds, self.misuses, '\n'.join(reports))
        # An application that ends must leave no mapping behind, with or without the debug layer.
        self.assertEqual(re.findall(r'gantry_dma: .* was never \w+', text), [])

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_process(self, argv, kind=Process, **kw):
        self.count += 1
        name = '%d-%s.log' % (self.count, os.path.basename(argv[0]))
        p = kind(argv, self.path(name), **kw)
        self.procs.append(p)
        return p

    def for_everybody(self, *files):
        """Copy files into a directory that any user can read, because this clone may be private."""
        os.chmod(self.dir, 0o777)
        folder = self.path('copies')
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        for f in files:
            os.chmod(shutil.copy(f, folder), 0o755)
        return folder

    def nic(self, *ports, args=(), ready=True, binary=NIC, **kw):
        """Start the daemon. A port is NAME:KEYS; its socket is NAME.sock unless KEYS has one."""
        argv = [binary, '--stats-json', self.path('nic.json')] + list(args)
        for port in ports:
            name, _, keys = port.partition(':')
            if 'socket=' not in keys:
                keys = 'socket=%s%s' % (self.sock(name), ',' + keys if keys else '')
            argv += ['--port', '%s:%s' % (name, keys)]
        p = self.run_process(argv, kind=Nic, **kw)
        if ready:
            p.expect(r'^gantry-nic: ready')
        return p

    def sock(self, name):
        return self.path(name + '.sock')

    def nic_report(self, nic):
        """Return what the running daemon has counted so far."""
        path = self.path('nic.json')
        if os.path.exists(path):
            os.unlink(path)
        nic.signal(signal.SIGUSR2)
        self.wait_until(lambda: os.path.exists(path))
        with open(path) as f:
            return json.load(f)

    def nic_now(self, nic):
        """Return what the running daemon has counted so far, by port."""
        return {p['name']: p for p in self.nic_report(nic)['ports']}

    def wait_client_gone(self, nic, port):
        """Wait until the port has no client and the daemon has released its resources."""
        self.wait_until(lambda: not self.nic_now(nic)[port]['server']['client'])

    def open_files(self, *procs):
        """Return the number of open file descriptors of each process."""
        return [len(os.listdir('/proc/%d/fd' % p.pid)) for p in procs]

    def wait_files(self, limit, *procs):
        """Wait until no process has more file descriptors than its limit.

        The daemon closes the last descriptors of a client in separate threads, so this takes a
        moment.
        """
        self.wait_until(lambda: all(
            n <= most for n, most in zip(self.open_files(*procs), limit, strict=True)))

    def nic_stats(self, nic):
        """End the daemon and return what it counted, by port."""
        nic.signal(signal.SIGTERM)
        nic.wait()
        with open(self.path('nic.json')) as f:
            return {p['name']: p for p in json.load(f)['ports']}

    def eal_device(self, sock, devargs=''):
        """Return the EAL name of a port, with the devargs that all ports get in this run."""
        if DMA and ',dma=' not in devargs:
            devargs += ',dma=' + DMA
        if DMA_DEBUG and ',dma_debug=' not in devargs:
            devargs += ',dma_debug=' + DMA_DEBUG
        return 'vfio_user:%s%s' % (sock, devargs)

    def eal(self, *socks, mem=None, mb=256, iova=None, lcores='0,1', devargs=''):
        """Return the EAL arguments for the ports at these sockets."""
        argv = ['-l', lcores, '--no-telemetry', '--no-pci']
        if mem is None:
            mem, iova = ('huge', IOVA) if IOVA else ('no-huge', iova)
        if mem == 'no-huge':       # implies legacy memory, which excludes --in-memory
            argv += ['--no-huge', '--no-shconf', '-m', str(mb)]
        elif mem == 'huge':
            argv += ['--in-memory', '-m', str(mb)]
        else:
            raise ValueError(mem)
        if iova:
            argv += ['--iova-mode=' + iova]
        for s in socks:
            argv += ['-a', self.eal_device(s, devargs)]
        return argv

    def dpdk_testpmd(self, eal, args, prompt=True, timeout=TIMEOUT_S):
        """Start the packaged dpdk-testpmd with both plugins, and wait for its prompt."""
        # stdbuf makes testpmd flush each line, because it would otherwise buffer its output to a
        # file.
        argv = (['stdbuf', '-oL'] + WITH_DPDK + ['dpdk-testpmd', '-d', PMDS] + list(eal) + ['--'] +
                list(args))
        if not any(a.startswith('--total-num-mbufs') for a in args):
            argv += ['--total-num-mbufs=16384']
        if prompt:
            argv += ['-i']
        p = self.run_process(argv)
        p.prompt = 'testpmd> '
        if prompt:
            p.expect_prompt(timeout)
        return p

    def telemetry(self, eal):
        """Return the EAL arguments with telemetry enabled, and the path of the telemetry socket."""
        prefix = os.path.basename(self.dir)
        base = '/var/run' if os.geteuid() == 0 else os.environ.get('XDG_RUNTIME_DIR', '/tmp')
        eal = [a for a in eal if a not in ('--no-telemetry', '--no-shconf')]
        return eal + ['--file-prefix', prefix], \
            os.path.join(base, 'dpdk', prefix, 'dpdk_telemetry.v2')

    def ask(self, path, command):
        """Query a running application by telemetry; return None if it does not listen yet."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(TIMEOUT_S)
            try:
                s.connect(path)
            except ConnectionRefusedError:      # bound, but not listening yet
                return None
            limit = json.loads(s.recv(1024))['max_output_len']
            s.send(command.encode())
            return json.loads(s.recv(limit))[command.partition(',')[0]]

    def ethdev_calls(self, eal, scenario):
        return self.run_process(WITH_DPDK + [CALLS, '-d', PMDS] + list(eal) + ['--', scenario])

    def command(self, p, line, pattern='', timeout=TIMEOUT_S):
        """Enter a line at the testpmd prompt, and wait for its output and for the next prompt."""
        return p.command(line, pattern, timeout)

    def tap_name(self):
        """A name for a TAP that no test has that runs at the same time."""
        return 'gt%d' % os.getpid()

    def retry(self, p, mode='io'):
        """Make testpmd retry while its transmit ring is full; it would otherwise free the rest."""
        self.command(p, 'set fwd %s retry' % mode)
        self.command(p, 'set burst tx delay 50 retry 100000')

    def quit(self, p, timeout=TIMEOUT_S):
        p.say('quit')
        p.wait(timeout)

    def wait_until(self, what, timeout=TIMEOUT_S):
        end = time.monotonic() + timeout
        while not what():
            if time.monotonic() > end:
                raise AssertionError('condition not met within %d s\n%s' % (timeout, '\n'.join(
                    '%s: %s' % (p.argv[0], p.text()[-2000:]) for p in self.procs
                    if p.poll() is None or p is self.procs[-1])))
            time.sleep(0.05)
