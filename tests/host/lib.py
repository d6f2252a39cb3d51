# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What the host tests share: a daemon, an application, and bounded waiting.

A test starts processes through a Bench, which ends every one of them, and only
those, when the test is over. Every wait has a limit; what a process printed is
in the failure's message.
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
from conversation import PATIENCE, Conversation  # noqa: E402

BUILD = os.path.abspath(os.environ.get('GANTRY_BUILD', os.path.join(TOP, 'build')))
# The daemon may come from another build: the sanitizers'.
NIC = os.environ.get('GANTRY_NIC', os.path.join(BUILD, 'app', 'gantry-nic'))
TESTPMD = os.path.join(BUILD, 'app', 'gantry-testpmd')
CALLS = os.path.join(BUILD, 'tests', 'host', 'ethdev_calls')
PMDS = os.path.join(BUILD, 'pmds')
# Another release of DPDK than the machine's, and what starts what is linked with it.
DPDK = os.environ.get('GANTRY_DPDK', '')
WITH_DPDK = [os.environ['GANTRY_DPDK_RUN']] if os.environ.get('GANTRY_DPDK_RUN') else []

# How the driver maps, and in which IOVA mode, where a test does not say: run.py sets these.
DMA = os.environ.get('GANTRY_DMA', '')              # a mode's name
DMA_DEBUG = os.environ.get('GANTRY_DMA_DEBUG', '')  # a value of dma_debug
IOVA = os.environ.get('GANTRY_IOVA', '')            # va or pa, with hugepages
DIRECT = DMA in ('', 'auto', 'direct')


def hugepages(size_mb=256):
    """Whether so much hugepage memory is free and this user may use it."""
    try:
        with open('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages') as f:
            free = int(f.read())
    except OSError:
        return False
    return os.geteuid() == 0 and free >= size_mb // 2


needs_root = unittest.skipUnless(os.geteuid() == 0, 'needs root')
needs_hugepages = unittest.skipUnless(hugepages(), 'needs root and 128 free hugepages of 2 MiB')


def tag(*names):
    """Marks a test or a class of tests, for run.py --without."""
    def mark(what):
        what.tags = tuple(names)
        return what
    return mark


class Process(Conversation):
    """A child with its output in a file, and waiting for a line of it."""

    def __init__(self, argv, log, env=None, **kw):
        self.argv, self.log = argv, log
        self.out = open(log, 'wb')
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=self.out,
                                  stderr=subprocess.STDOUT, start_new_session=True,
                                  env=dict(os.environ, **(env or {})), **kw)

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

    def wait(self, timeout=PATIENCE, status=0):
        """Waits for the end; status None takes any."""
        try:
            got = self.p.wait(timeout)
        except subprocess.TimeoutExpired:
            self.fail('did not end within %d s' % timeout)
        if status is not None and got != status:
            self.fail('ended with %d, not %d' % (got, status))
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


class Bench(unittest.TestCase):
    """A test with a folder of its own and processes that end with it."""

    def setUp(self):
        if IOVA and not hugepages():
            self.skipTest('needs root and 128 free hugepages of 2 MiB')
        self.dir = tempfile.mkdtemp(prefix='gantry.', dir='/tmp')
        self.procs = []
        self.count = 0
        self.misuses = set()    # what a test does wrong on purpose, for the debug layer

    def tearDown(self):
        for p in reversed(self.procs):
            p.stop()
        said = [p.text() for p in self.procs if any('vfio_user:' in a for a in p.argv)]
        shutil.rmtree(self.dir, ignore_errors=True)
        if said and (DMA_DEBUG or not DIRECT):
            self.check_dma('\n'.join(said))

    def check_dma(self, text):
        """That the ports were in this run's mode, and that no misuse was reported."""
        modes = set(re.findall(r'(?m)^net_gantry_igb: .*: (DMA mode .*)', text))
        self.assertEqual(modes, {'DMA mode %s%s' % (DMA or 'direct',
                                                    ', watched (dma_debug)' if DMA_DEBUG else '')})
        reports = re.findall(r'gantry_dma: misuse: .*', text)    # even behind a prompt
        kinds = {re.match(r'gantry_dma: misuse: \S+: ([a-z-]+): ', r)[1] for r in reports}
        self.assertEqual(kinds, self.misuses, '\n'.join(reports))
        # Who ends leaves nothing behind; without the debug layer, too.
        self.assertEqual(re.findall(r'gantry_dma: .* was never \w+', text), [])

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_process(self, argv, **kw):
        self.count += 1
        name = '%d-%s.log' % (self.count, os.path.basename(argv[0]))
        p = Process(argv, self.path(name), **kw)
        self.procs.append(p)
        return p

    def for_everybody(self, *files):
        """Copies in a folder that any user can reach, as this clone's may be none."""
        os.chmod(self.dir, 0o777)
        folder = self.path('copies')
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        for f in files:
            os.chmod(shutil.copy(f, folder), 0o755)
        return folder

    def nic(self, *ports, args=(), ready=True, binary=NIC, **kw):
        """The daemon. A port is NAME:KEYS; its socket is NAME.sock unless given."""
        argv = [binary, '--stats-json', self.path('nic.json')] + list(args)
        for port in ports:
            name, _, keys = port.partition(':')
            if 'socket=' not in keys:
                keys = 'socket=%s%s' % (self.sock(name), ',' + keys if keys else '')
            argv += ['--port', '%s:%s' % (name, keys)]
        p = self.run_process(argv, **kw)
        if ready:
            p.expect(r'^gantry-nic: ready')
        return p

    def sock(self, name):
        return self.path(name + '.sock')

    def nic_now(self, nic):
        """What the running daemon has counted so far, by port."""
        path = self.path('nic.json')
        if os.path.exists(path):
            os.unlink(path)
        nic.signal(signal.SIGUSR2)
        self.wait_until(lambda: os.path.exists(path))
        with open(path) as f:
            return {p['name']: p for p in json.load(f)['ports']}

    def wait_client_gone(self, nic, port):
        """The device's last client, and all that was held of it."""
        self.wait_until(lambda: not self.nic_now(nic)[port]['server']['client'])

    def open_files(self, *procs):
        """How many descriptors each process has."""
        return [len(os.listdir('/proc/%d/fd' % p.p.pid)) for p in procs]

    def wait_files(self, limit, *procs):
        """No process keeps more than that. Threads of their own close the last ones."""
        self.wait_until(lambda: all(
            n <= most for n, most in zip(self.open_files(*procs), limit, strict=True)))

    def nic_stats(self, nic):
        """Ends the daemon and returns what it counted, by port."""
        nic.signal(signal.SIGTERM)
        nic.wait()
        with open(self.path('nic.json')) as f:
            return {p['name']: p for p in json.load(f)['ports']}

    def eal_device(self, sock, devargs=''):
        """What EAL calls a port, with the devargs that all ports get in this run."""
        if DMA and ',dma=' not in devargs:
            devargs += ',dma=' + DMA
        if DMA_DEBUG and ',dma_debug=' not in devargs:
            devargs += ',dma_debug=' + DMA_DEBUG
        return 'vfio_user:%s%s' % (sock, devargs)

    def eal(self, *socks, mem=None, mb=256, iova=None, lcores='0,1', devargs=''):
        """EAL's arguments for those ports."""
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

    def dpdk_testpmd(self, eal, args, prompt=True, timeout=PATIENCE):
        """Debian's, unmodified, with both plugins loaded; at its prompt."""
        # What it prints is to be seen when it prints it, in a file, too.
        argv = (['stdbuf', '-oL'] + WITH_DPDK + ['dpdk-testpmd', '-d', PMDS] + list(eal) + ['--'] +
                list(args))
        if not any(a.startswith('--total-num-mbufs') for a in args):
            argv += ['--total-num-mbufs=16384']
        if prompt:
            argv += ['-i']
        p = self.run_process(argv)
        if prompt:
            p.expect(r'^testpmd> ', timeout)
        return p

    def telemetry(self, eal):
        """EAL's arguments with telemetry, and the path at which it will be asked."""
        prefix = os.path.basename(self.dir)
        base = '/var/run' if os.geteuid() == 0 else os.environ.get('XDG_RUNTIME_DIR', '/tmp')
        eal = [a for a in eal if a not in ('--no-telemetry', '--no-shconf')]
        return eal + ['--file-prefix', prefix], os.path.join(base, 'dpdk', prefix, 'dpdk_telemetry.v2')

    def ask(self, path, command):
        """What a running application answers by telemetry; None if it has no answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(PATIENCE)
            try:
                s.connect(path)
            except ConnectionRefusedError:      # bound, but not listened at yet
                return None
            limit = json.loads(s.recv(1024))['max_output_len']
            s.send(command.encode())
            return json.loads(s.recv(limit))[command.partition(',')[0]]

    def ethdev_calls(self, eal, scenario):
        return self.run_process(WITH_DPDK + [CALLS, '-d', PMDS] + list(eal) + ['--', scenario])

    def command(self, p, line, pattern='', timeout=PATIENCE):
        """Says a line at testpmd's prompt, and waits for what it must print, and the next prompt."""
        p.prompt = 'testpmd> '
        return p.command(line, pattern, timeout)

    def tap_name(self):
        """A name for a TAP that no test has that runs at the same time."""
        return 'gt%d' % os.getpid()

    def retry(self, p, mode='io'):
        """testpmd tries again while its transmit ring is full, where else it frees what is left."""
        self.command(p, 'set fwd %s retry' % mode)
        self.command(p, 'set burst tx delay 50 retry 100000')

    def quit(self, p, timeout=PATIENCE):
        p.say('quit')
        p.wait(timeout)

    def wait_until(self, what, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while not what():
            if time.monotonic() > end:
                raise AssertionError('did not come true within %d s\n%s' % (timeout, '\n'.join(
                    '%s: %s' % (p.argv[0], p.text()[-2000:]) for p in self.procs)))
            time.sleep(0.05)
