# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The host side of a guest that has soft NICs: the daemon, and the far ends of its wires.

    guest --- QEMU's vfio-user-pci === socket === gantry-nic --- TAP --- a namespace of the host

Each TAP is in its own network namespace, which needs no name and no privilege, and which disappears
with its process. The process passes sockets of its namespace to the scenario, so that the scenario
itself communicates with the guest.
"""

import errno
import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from scenario import check
from vm import image

sys.path.insert(0, os.path.join(image.TOP, 'tests', 'host'))
import vfio_user  # noqa: E402, F401
from lib import NIC, Process  # noqa: E402

ETH_P_ALL = 3
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 1, 8, 23
TP_STATUS_VLAN_VALID = 1 << 4
MIB = 1 << 20
# The lines that the daemon prints if nothing unusual happens.
USUAL = r'gantry-nic: (ready|port \w+: client (attached|left: connection closed))'


class Namespace:
    """A network namespace; with a parent, another namespace of the same user."""

    # The program inside the namespace: it makes sockets for the peer of its standard input.
    SERVER = ('import socket\n'
              's = socket.socket(fileno=0)\n'
              's.send(b"here")\n'
              'while words := s.recv(100).split():\n'
              '    n = socket.socket(*map(int, words))\n'
              '    socket.send_fds(s, [b"."], [n.fileno()])\n'
              '    n.close()\n')

    def __init__(self, parent=None):
        self.user = os.geteuid() != 0
        new = ['unshare', '-n'] if parent or not self.user else ['unshare', '-r', '-n']
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*(parent.inside() if parent else ()), *new, sys.executable, '-c', self.SERVER],
                stdin=theirs)
        self.link.settimeout(60)
        check(self.link.recv(4) == b'here', 'no network namespace can be made')

    def inside(self, *argv):
        """Return the command that runs a command in the namespace."""
        user = ['-U', '--preserve-credentials'] if self.user else []
        return ['nsenter', '-t', str(self.process.pid), *user, '-n', '--', *argv]

    def run(self, *argv, timeout=120, status=0):
        """Run a command in the namespace and return its output; status None accepts any."""
        r = subprocess.run(self.inside(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        check(status in (None, r.returncode), '%s ended with %d; it printed:\n%s', argv,
              r.returncode, r.stdout)
        return r.stdout

    def ip(self, *commands):
        for command in commands:
            self.run(image.find_program('ip'), *command.split())

    def socket(self, family, kind, protocol=0):
        """Return a socket of this namespace."""
        self.link.send(b'%d %d %d' % (family, kind, protocol))
        _, (fd,), _, _ = socket.recv_fds(self.link, 1, 1)
        return socket.socket(fileno=fd)

    def close(self):
        self.link.close()
        self.process.wait(60)


class Cable:
    """The far end of a wire, frame by frame: a packet socket at an interface (packet(7))."""

    def __init__(self, namespace, interface):
        s = self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        s.bind((interface, ETH_P_ALL))

    def send(self, *frames):
        """Send frames, and retry each one until the interface takes it."""
        self.socket.settimeout(60)
        for frame in frames:
            while True:
                try:
                    self.socket.send(frame)
                    break
                except OSError as e:
                    if e.errno != errno.ENOBUFS:
                        raise
                    time.sleep(0.001)

    def drain(self):
        """Discard all frames that have arrived so far."""
        self.socket.settimeout(0)
        try:
            while True:
                self.socket.recv(65536)
        except BlockingIOError:
            pass

    def receive(self, wanted, timeout=60):
        """Return the next frame for which wanted(frame) is true, with its tag as on the wire."""
        end = time.monotonic() + timeout
        while True:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data, control, _, _ = self.socket.recvmsg(65536, 256)
            except TimeoutError:
                raise AssertionError('the frame did not arrive within %d s' % timeout) from None
            for level, kind, aux in control:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, tci, tpid = struct.unpack('I12xHH', aux)
                    if status & TP_STATUS_VLAN_VALID:  # the kernel stripped the tag
                        data = data[:12] + struct.pack('>HH', tpid, tci) + data[12:]
            if wanted(data):
                return data

    def close(self):
        self.socket.close()


class Flood:
    """Send frames as fast as possible, while the scenario does something else."""

    def __init__(self, cable, *frames):
        self.cable, self.frames = cable, frames
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.send, daemon=True)
        self.thread.start()

    def send(self):
        while not self.stop.is_set():
            self.cable.send(*self.frames)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop.set()
        self.thread.join()


class SoftNic:
    """gantry-nic in a namespace, for TAPs; a port is an argument of --port without socket=."""

    def __init__(self, run, namespace, *ports):
        self.folder, self.namespace = run.sockets, namespace
        self.log = os.path.join(run.logs, 'gantry-nic.log')
        self.json = os.path.join(run.logs, 'gantry-nic.json')
        argv = [NIC, '--stats-json', self.json]
        for port in ports:
            name, _, keys = port.partition(':')
            argv += ['--port', '%s:socket=%s%s' % (name, self.socket(name), keys and ',' + keys)]
        self.process = Process(namespace.inside(*argv), self.log)
        run.daemons.append(self)
        self.process.expect('^gantry-nic: ready')

    def socket(self, port):
        return os.path.join(self.folder, port + '.sock')

    def now(self):
        """Return what the daemon has counted so far, by port."""
        if os.path.exists(self.json):
            os.unlink(self.json)
        self.process.signal(signal.SIGUSR2)
        self.wait_until(lambda: os.path.exists(self.json), 'the statistics')
        with open(self.json, encoding='utf-8') as f:
            return {p['name']: p for p in json.load(f)['ports']}

    def settled(self):
        """Return the same once two consecutive reads have found the same frames."""
        before = None
        while True:
            ports = self.now()
            frames = [(p['device'], p['tx']['frames']) for p in ports.values()]
            if frames == before:
                return ports
            before = frames
            time.sleep(0.3)

    def wait_until(self, what, name, timeout=60):
        end = time.monotonic() + timeout
        while not what():
            check(self.process.poll() is None, 'gantry-nic ended:\n%s', self.process.text())
            check(time.monotonic() < end, '%s: condition not met within %d s', name, timeout)
            time.sleep(0.05)

    def wait_client_gone(self, *ports):
        self.wait_until(lambda: not any(self.now()[p]['server']['client'] for p in ports),
                        'that the clients of %s are gone' % ' '.join(ports))

    def answers(self):
        """Return whether the daemon still answers; one that is about to die does not."""
        try:
            return bool(self.now())
        except AssertionError:
            return False

    def check_quiet(self):
        """Check that no client caused an unusual line in the log, or an error count."""
        lines = [line for line in self.process.text().splitlines()
                 if not re.fullmatch(USUAL, line)]
        check(not lines, 'gantry-nic logged:\n%s', '\n'.join(lines))
        for name, port in self.now().items():
            wrong = {k: port[where][k] for where, k in (
                ('server', 'bad_messages'), ('server', 'dma_faults'), ('device', 'dma_faults'),
                ('device', 'bad_doorbells'), ('device', 'tx_bad')) if port[where][k]}
            check(not wrong, 'port %s counted %s', name, wrong)

    def close(self):
        """End the daemon, which must succeed."""
        try:
            self.process.signal(signal.SIGTERM)
            self.process.wait(60)
        finally:
            self.process.stop()


def payload():
    """Return 32 MiB without repetition."""
    return random.Random(32).randbytes(32 * MIB)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def received(listener, timeout=300):
    """Return all data of one connection."""
    listener.settimeout(timeout)
    connection, _ = listener.accept()
    parts = []
    with connection:
        connection.settimeout(timeout)
        while part := connection.recv(MIB):
            parts.append(part)
    return b''.join(parts)


def listen(namespace, port):
    listener = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('0.0.0.0', port))
    listener.listen()
    return listener


def deliver(namespace, address, port, data, timeout=300):
    with namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect((address, port))
        s.sendall(data)
