# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""gantry-nic as a process: what it holds, what it tells, how it ends."""

import json
import os
import signal
import struct
import subprocess
import unittest

import vfio_user
from lib import NIC, Bench


class Daemon(Bench):
    def held(self, nic):
        """File descriptors and mappings."""
        pid = nic.p.pid
        with open('/proc/%d/maps' % pid) as f:
            return len(os.listdir('/proc/%d/fd' % pid)), sum(1 for _ in f)

    def test_clients_leave_nothing_behind(self):
        """Neither polite ones, nor those that end in the middle of a message."""
        nic = self.nic('p:wire=loop')
        fd = os.memfd_create('guest')
        os.ftruncate(fd, 1 << 20)
        efds = [os.eventfd(0) for _ in range(4)]

        def visit(i):
            c = vfio_user.Client(self.sock('p'))
            c.dma_map(fd, 0, 0x100000, 1 << 20)
            if i % 4 != 1:
                c.call(vfio_user.SET_IRQS, struct.pack('<IIIII', 20, 4 | 1 << 5, 2, 0, 4), efds)
            if i % 4 == 2:      # half a message, with descriptors
                c.s.sendmsg([vfio_user.header(9, vfio_user.DMA_MAP, 32)],
                            [(vfio_user.socket.SOL_SOCKET, vfio_user.socket.SCM_RIGHTS,
                              struct.pack('i', fd))])
            if i % 4 == 3:      # descriptors that belong to nothing
                try:
                    c.call(vfio_user.GET_INFO, struct.pack('<IIII', 16, 0, 0, 0), efds)
                except OSError:
                    pass
            c.close()
            self.wait_until(lambda: not self.nic_now(nic)['p']['device']['client'])
        for i in range(4):
            visit(i)
        before = self.held(nic)
        for i in range(40):
            visit(i)
        after = self.held(nic)
        self.assertEqual(after[0], before[0], 'file descriptors')
        self.assertLessEqual(after[1], before[1] + 2, 'mappings')   # the allocator's own may move
        self.assertEqual(self.nic_stats(nic)['p']['server']['clients'], 44)

    def test_ends_cleanly(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            for client in (False, True):
                nic = self.nic('p:wire=loop', 'q:wire=pair:r', 'r')
                c = vfio_user.Client(self.sock('p')) if client else None
                nic.signal(sig)
                nic.wait(5)
                self.assertEqual([f for f in os.listdir(self.dir) if f.endswith('.sock')], [])
                with open(self.path('nic.json')) as f:
                    self.assertEqual([p['name'] for p in json.load(f)['ports']], ['p', 'q', 'r'])
                if c:
                    c.close()

    def test_statistics_on_signal(self):
        nic = self.nic('p:wire=loop')
        nic.signal(signal.SIGUSR1)
        nic.expect(r'^port p: ')
        nic.expect(r'longest polling gap')

    def test_help_and_version(self):
        text = subprocess.run([NIC, '--help'], capture_output=True, text=True, check=True).stdout
        for word in ('--port', '--cores', '--stats-json', 'SIGUSR1', 'wire=', 'speed='):
            self.assertIn(word, text)
        subprocess.run([NIC, '--version'], capture_output=True, check=True)

    def test_what_a_client_may_not_reach(self):
        """Registers outside the device, memory it did not share, interrupts it does not have."""
        nic = self.nic('p:wire=loop')
        c = vfio_user.Client(self.sock('p'))
        for call in (lambda: c.read(0, 0x20000, 4),
                     lambda: c.read(0, 0x1fffe, 4),
                     lambda: c.read(0, 2 ** 64 - 4, 8),
                     lambda: c.read(9, 0, 4),
                     lambda: c.read(4, 0, 4),
                     lambda: c.write(0, 2 ** 63, b'1234'),
                     lambda: c.dma_unmap(0x1000, 0x1000),
                     lambda: c.dma_map(None, 0, 0x123, 0x1000),
                     lambda: c.dma_map(None, 0, 2 ** 64 - 0x1000, 0x2000),
                     lambda: c.call(vfio_user.SET_IRQS, struct.pack('<IIIII', 20, 4 | 1 << 5, 2, 25, 1),
                                    [c.s.fileno()]),
                     lambda: c.call(99)):
            with self.assertRaises(OSError):
                call()
        self.assertEqual(c.read(vfio_user.CONFIG, 0, 4), b'\x86\x80\xc9\x10')
        c.close()
        self.assertGreaterEqual(self.nic_stats(nic)['p']['server']['bad_messages'], 11)


if __name__ == '__main__':
    unittest.main()
