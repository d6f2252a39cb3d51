# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""gantry-nic as a process: the resources it holds, its log and statistics, and how it ends."""

import errno
import fcntl
import json
import os
import signal
import struct
import subprocess
import time
import unittest

import vfio_user
from lib import NIC, Bench

STATUS = 8


class Daemon(Bench):
    def mappings(self, nic):
        with open('/proc/%d/maps' % nic.pid) as f:
            return sum(1 for _ in f)

    def test_clients_leave_nothing_behind(self):
        """Neither clients that disconnect cleanly, nor those that end within a message."""
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
            if i % 4 == 3:      # descriptors that the command does not take
                try:
                    c.call(vfio_user.GET_INFO, struct.pack('<IIII', 16, 0, 0, 0), efds)
                except OSError:
                    pass
            c.close()
            self.wait_client_gone(nic, 'p')
        files = self.open_files(nic)
        for i in range(4):
            visit(i)
        before = self.mappings(nic)
        for i in range(40):
            visit(i)
        self.wait_files(files, nic)
        # The allocator may add mappings of its own. A leak of one kind of visit would be 10.
        self.assertLess(self.mappings(nic), before + 10)
        self.assertEqual(self.nic_stats(nic)['p']['server']['clients'], 44)

    def test_unread_log_delays_no_port(self):
        """The daemon drops and counts lines without room; a neighbour's device still responds."""
        log, end = os.pipe()
        self.addCleanup(os.close, log)
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
        stats = self.path('stats.json')
        p = subprocess.Popen([NIC, '--port', 'a:socket=' + self.sock('a'), '--port',
                              'b:socket=' + self.sock('b'), '--stats-json', stats],
                             stdout=subprocess.PIPE, stderr=end)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        os.close(end)
        self.assertEqual(p.stdout.readline(), b'gantry-nic: ready\n')
        p.stdout.close()
        neighbour = vfio_user.Client(self.sock('b'))
        for _ in range(1000):  # a kilobyte of lines each, for a buffer of 256
            p.send_signal(signal.SIGUSR1)
            time.sleep(0.001)
        for _ in range(5):
            vfio_user.Client(self.sock('a')).close()
            self.assertNotEqual(neighbour.reg(STATUS), 0)
        text = b''
        while b'lines of the log were lost' not in text:
            text += os.read(log, 65536)
        self.assertIn(b'gantry-nic: statistics after', text)
        p.terminate()
        self.assertEqual(p.wait(60), 0)
        with open(stats) as f:
            self.assertGreater(json.load(f)['log_lines_lost'], 0)

    def daemon(self, *ports, **kw):
        """Start a daemon whose standard output the caller chooses, which nic() does not allow."""
        argv = [NIC]
        for port in ports:
            argv += ['--port', '%s:socket=%s' % (port, self.sock(port))]
        p = subprocess.Popen(argv + kw.pop('args', []), stderr=subprocess.PIPE, text=True, **kw)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.addCleanup(p.stderr.close)
        return p

    def small_pipe(self):
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
        return r, w

    def test_unread_statistics_do_not_delay_exit(self):
        r, w = self.small_pipe()
        ports = ['p%d' % i for i in range(8)]   # their statistics are longer than the pipe
        p = self.daemon(*ports, args=['--stats-json', '-'], stdout=w)
        os.close(w)
        self.assertEqual(os.read(r, 18), b'gantry-nic: ready\n')
        p.send_signal(signal.SIGUSR2)
        self.assertIn('cannot write statistics to -: nobody reads them',
                      next(line for line in p.stderr if 'cannot' in line))
        p.terminate()
        self.assertEqual(p.wait(60), 1)

    def test_sigterm_ends_each_wait(self):
        """No wait in the daemon outlasts SIGTERM; here the daemon waits for a reader of "ready"."""
        r, w = self.small_pipe()
        os.set_blocking(w, False)
        os.write(w, bytes(4096))
        os.set_blocking(w, True)
        p = self.daemon('a', stdout=w)
        os.close(w)
        self.wait_until(lambda: os.path.exists(self.sock('a')))
        vfio_user.Client(self.sock('a')).close()
        p.terminate()
        self.assertEqual(p.wait(60), 1)
        self.assertIn('did not end in time', p.stderr.read())
        self.nic('a')           # replaces the socket that the first daemon left behind

    def test_failed_statistics_make_status_1(self):
        name = self.path('fifo')
        os.mkfifo(name)
        fd = os.open(name, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, fd)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(fd, bytes(4096))
        p = self.daemon('a', args=['--stats-json', name], stdout=subprocess.PIPE)
        self.addCleanup(p.stdout.close)
        self.assertEqual(p.stdout.readline(), 'gantry-nic: ready\n')
        p.send_signal(signal.SIGUSR2)
        self.assertIn('cannot write statistics',
                      next(line for line in p.stderr if 'cannot' in line))
        with self.assertRaises(BlockingIOError):
            while True:
                os.read(fd, 65536)
        p.terminate()
        self.assertEqual(p.wait(60), 1)
        self.assertEqual(json.loads(os.read(fd, 65536))['ports'][0]['name'], 'a')

    def test_client_exhausts_only_its_own_share(self):
        """A client at its limit of mappings does not reduce what its neighbour may map."""
        nic = self.nic('a:max_maps=40', 'b:max_maps=40')
        fd = os.memfd_create('guest')
        self.addCleanup(os.close, fd)
        unit = 2 << 20
        os.ftruncate(fd, 80 * unit)

        def fill(name):
            c = vfio_user.Client(self.sock(name))
            for i in range(80):
                try:
                    c.dma_map(fd, i * unit, i * unit, 4096)
                except OSError as e:
                    self.assertEqual(e.errno, errno.ENOSPC)
                    return i, c
            return 80, c

        clients = []
        for name in 'ab':
            n, c = fill(name)
            self.assertEqual(n, 40)
            clients.append(c)
        nic.expect(r'port a: .*this client has 40 mappings of files here, its limit is max_maps=40')
        nic.expect(r'port b: .*max_maps=40')
        for c in clients:
            c.close()

    def test_page_table_alone_gives_access(self):
        """Transmit through an I/O page table as in vfio_user.h, then through a missing entry."""
        nic = self.nic('p:mac=02:00:00:00:00:01,addr_bits=40', 'q:page_table=off')
        memory, table = (os.memfd_create(n, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING) for n in 'mt')
        for fd in memory, table:
            os.ftruncate(fd, 0x4000)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        caps = {'capabilities': {'max_msg_fds': 8, 'gantry_io_page_table': 1}}
        ring, buffer, descriptors = 0x9000_0000, 0x9000_2000, 8    # bus addresses

        def driver(name):
            c = vfio_user.Client(self.sock(name), hello=False)
            answer = c.call(vfio_user.VERSION, vfio_user.version_body(caps))
            return c, json.loads(answer[4:-1])['capabilities'].get('gantry_io_page_table')

        def enter(page, at, prot):
            os.pwrite(table, struct.pack('<Q', 0x40_0000 + at * 4096 | prot), page * 8)

        c, version = driver('q')
        self.assertIsNone(version)
        c.close()
        for client in range(2):
            c, version = driver('p')
            self.assertEqual(version, 1)
            c.dma_map(memory, 0, 0x40_0000, 0x4000)
            c.call(0x4701, struct.pack('<IIQQ', 24, 0, ring, 4), [table])
            enter(0, 3, 3)          # the ring, in the last page of the memory
            enter(2, 1, 1)          # a buffer, read-only
            os.pwrite(memory, bytes(range(64)), 0x1000)
            c.write(vfio_user.CONFIG, 4, b'\x06\0')
            for reg, value in ((0xe000, ring), (0xe004, 0xff00_0000),   # bits above bit 39 are lost
                               (0xe008, 16 * descriptors), (0xe010, 0), (0xe018, 0),
                               (0xe028, 1 << 25), (0x400, 0xa)):
                c.set_reg(reg, value)

            def send(i):
                """Transmit descriptor i: a whole frame of 64 bytes with report status."""
                os.pwrite(memory, struct.pack('<QII', buffer, 0x2b30_0000 | 64, 64 << 14),
                          0x3000 + 16 * i)
                c.set_reg(0xe018, i + 1)
                self.wait_until(lambda: os.pread(memory, 1, 0x3000 + 16 * i + 12) == b'\1')

            send(0)
            stats = self.nic_now(nic)['p']
            self.assertEqual((stats['addr_bits'], stats['server']['ptes']), (40, 4))
            self.assertEqual(stats['device']['tx_frames'], client + 1)
            self.assertEqual(stats['device']['dma_faults'], 2 * client)
            enter(2, 0, 0)
            send(1)
            send(2)
            stats = self.nic_now(nic)['p']
            self.assertEqual(stats['device']['tx_frames'], client + 1)
            self.assertEqual(stats['device']['dma_faults'], 2 * client + 2)
            c.close()
            self.wait_until(lambda: self.nic_now(nic)['p']['server']['ptes'] == 0)
        faults = [line for line in nic.text().splitlines() if 'DMA fault' in line]
        # One line for each client, however many faults it causes.
        self.assertEqual(faults,
                         ['gantry-nic: port p: DMA fault, cannot read 0x90002000 (no entry in '
                                'the page table): transmit queue 0, descriptor 1, a buffer of 64 '
                                'bytes at 0x90002000: frame dropped'] * 2)
        for fd in memory, table:
            os.close(fd)

    def test_signal_ends_daemon_cleanly(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            for client in (False, True):
                nic = self.nic('p:wire=loop', 'q:wire=pair:r', 'r')
                c = vfio_user.Client(self.sock('p')) if client else None
                nic.signal(sig)
                nic.wait()
                self.assertEqual([f for f in os.listdir(self.dir) if f.endswith('.sock')], [])
                with open(self.path('nic.json')) as f:
                    self.assertEqual([p['name'] for p in json.load(f)['ports']], ['p', 'q', 'r'])
                if c:
                    c.close()

    @unittest.skipUnless(len(os.sched_getaffinity(0)) > 1, 'needs two cores')
    def test_polling_cores_run_only_polling_threads(self):
        """No other thread, whatever a client makes it do, runs on the core of a polling thread."""
        cores = sorted(os.sched_getaffinity(0))
        nic = self.nic('p:wire=loop', args=('--cores', str(cores[0])))
        c = vfio_user.Client(self.sock('p'))
        allowed = [os.sched_getaffinity(int(t))
                   for t in os.listdir('/proc/%d/task' % nic.pid)]
        self.assertEqual([a for a in allowed if cores[0] in a], [{cores[0]}])
        self.assertGreater(len(allowed), 2)
        c.close()
        nic.stop()
        # Without another core, the threads of a port share the cores that poll the port.
        nic = self.nic('p:wire=loop', 'q:wire=loop',
                       args=('--cores', ','.join(str(c) for c in cores)))
        clients = [vfio_user.Client(self.sock(p)) for p in 'pq']
        allowed = [os.sched_getaffinity(int(t))
                   for t in os.listdir('/proc/%d/task' % nic.pid)]
        for core in cores[:2]:
            self.assertEqual(allowed.count({core}), 2, allowed)
        for c in clients:
            c.close()

    def test_sigusr1_prints_statistics(self):
        nic = self.nic('p:wire=loop')
        nic.signal(signal.SIGUSR1)
        nic.expect(r'^port p: ')
        nic.expect(r'longest polling gap')

    def test_help_names_each_option(self):
        text = subprocess.run([NIC, '--help'], capture_output=True, text=True, check=True).stdout
        for word in ('--port', '--cores', '--stats-json', 'SIGUSR1', 'wire=', 'speed='):
            self.assertIn(word, text)
        subprocess.run([NIC, '--version'], capture_output=True, check=True)

    def test_access_out_of_range_is_refused(self):
        """Registers beyond the device, memory that is not shared, interrupts that do not exist."""
        nic = self.nic('p:wire=loop')
        c = vfio_user.Client(self.sock('p'))
        for call in (lambda: c.read(0, 0x20000, 4),
                     lambda: c.read(0, 0x1fffe, 4),
                     lambda: c.read(0, 2 ** 64 - 4, 8),
                     lambda: c.read(9, 0, 4),
                     lambda: c.read(4, 0, 4),
                     lambda: c.write(0, 2 ** 63, b'1234'),
                     lambda: c.dma_unmap(0x1000, 0),
                     lambda: c.dma_map(None, 0, 0x123, 0x1000),
                     lambda: c.dma_map(None, 0, 2 ** 64 - 0x1000, 0x2000),
                     lambda: c.call(vfio_user.SET_IRQS,
                                    struct.pack('<IIIII', 20, 4 | 1 << 5, 2, 25, 1),
                                    [c.s.fileno()]),
                     lambda: c.call(99)):
            with self.assertRaises(OSError):
                call()
        self.assertEqual(c.read(vfio_user.CONFIG, 0, 4), b'\x86\x80\xc9\x10')
        c.close()
        self.assertGreaterEqual(self.nic_stats(nic)['p']['server']['bad_messages'], 11)


if __name__ == '__main__':
    unittest.main()
