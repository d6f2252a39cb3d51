# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The sandbox of the daemon: its threads, what they can do, and that they still do their work."""

import ctypes
import errno
import gzip
import mmap
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import unittest

import inject
import vfio_user
from lib import NIC, Bench, Nic, child_of, needs_root
from packets import noise, read_pcap, write_pcap

NOBODY = 65534
SECCOMP, LANDLOCK = 317, 444    # seccomp(2), landlock_create_ruleset(2)

needs_x86 = unittest.skipUnless(inject.AVAILABLE, 'needs x86-64')


def instrumented():
    """Return whether the daemon has sanitizers, and therefore neither filters nor Landlock."""
    with open(NIC, 'rb') as f:
        return b'__asan_init' in f.read()


needs_filters = unittest.skipIf(instrumented(), 'needs a build without sanitizers')


def landlock():
    """Return whether the kernel has Landlock."""
    return ctypes.CDLL(None).syscall(LANDLOCK, None, 0, 1) > 0


def status(pid, tid=None):
    path = '/proc/%d/status' % pid if tid is None else '/proc/%d/task/%d/status' % (pid, tid)
    with open(path) as f:
        return dict(re.findall(r'(\w+):\t(.*)', f.read()))


def threads(nic):
    """Return the thread IDs by name; if several threads have one name, the last one."""
    pid = nic.pid
    found = {}
    for tid in map(int, os.listdir('/proc/%d/task' % pid)):
        found['main' if tid == pid else status(pid, tid)['Name']] = tid
    return found


def keeper_of(nic):
    """Return the process ID of the file keeper."""
    return child_of(nic.pid)


class Transmitter(vfio_user.Client):
    """A client with a transmit ring of 255 descriptors of 60 bytes, in memory that it shares."""

    def __init__(self, path):
        super().__init__(path)
        self.fd = os.memfd_create('client')
        os.ftruncate(self.fd, 1 << 20)
        self.memory = mmap.mmap(self.fd, 1 << 20)
        self.memory[8192:8252] = b'\xff' * 6 + b'\x02\0\0\0\0\x01' + b'\x88\xb5' + bytes(46)
        for i in range(256):
            self.memory[16 * i:16 * i + 16] = struct.pack('<QII', 8192, 60 | 0x0b << 24, 0)
        self.write(vfio_user.CONFIG, 4, b'\x06\0')
        self.dma_map(self.fd, 0, 0, 1 << 20)
        for reg, value in ((0xE000, 0), (0xE004, 0), (0xE008, 4096), (0x0400, 1 << 1),
                           (0xE028, 1 << 25)):
            self.set_reg(reg, value)

    def transmit(self, tail):
        self.set_reg(0xE018, tail)

    def close(self):
        self.memory.close()
        os.close(self.fd)
        super().close()


class Sandbox(Bench):
    TAP = os.geteuid() == 0

    def start(self, *args, **kw):
        """Start a daemon, and make it start each kind of thread.

        Memory of a client without a file descriptor starts the DMA thread; a client that leaves
        starts a closer.
        """
        tap = ['t:wire=tap:' + self.tap_name()] if self.TAP else []
        nic = self.nic('a:wire=loop', *tap, args=args, **kw)
        c = vfio_user.Client(self.sock('a'))
        c.dma_map(None, 0, 0, 0x1000)
        c.close()
        self.wait_until(lambda: {'poll', 'dma', 'closer'} <= set(threads(nic)))
        return nic

    def kinds(self):
        return {'main', 'log', 'control', 'dma', 'poll', 'closer'} | \
            ({'tap'} if self.TAP else set())

    def test_each_thread_is_confined(self):
        nic = self.start()
        self.assertEqual(set(threads(nic)), self.kinds())
        uid = NOBODY if os.geteuid() == 0 else os.geteuid()
        for name, tid in threads(nic).items():
            st = status(nic.pid, tid)
            self.assertEqual(st['Uid'], '\t'.join([str(uid)] * 4), name)
            self.assertEqual(st['NoNewPrivs'], '1', name)
            for caps in 'CapInh', 'CapPrm', 'CapEff', 'CapAmb':
                self.assertEqual(int(st[caps], 16), 0, (name, caps))
            if os.geteuid() == 0:
                self.assertEqual(st['Gid'], '\t'.join([str(NOBODY)] * 4), name)
                self.assertEqual(st['Groups'].strip(), '', name)
                self.assertEqual(int(st['CapBnd'], 16), 0, name)
            if not instrumented():
                self.assertEqual(st['Seccomp'], '2', name)
        own = {name: int(status(nic.pid, tid)['Seccomp_filters'])
               for name, tid in threads(nic).items()}
        if not instrumented():      # a thread that starts late inherits filters and adds its own
            self.assertEqual(own['dma'], own['control'] + 1)
            self.assertGreater(own['closer'], own['control'])
        st = status(keeper_of(nic))
        self.assertEqual((st['Name'], st['NoNewPrivs'], st['CapEff']), ('keeper', '1', '0' * 16))
        if not instrumented():
            self.assertEqual(st['Seccomp'], '2')
        self.nic_stats(nic)

    ATTEMPTS = (
        ('open', '/etc/passwd', 0), ('openat', -100, '/etc/passwd', 0), ('unlink', '/nonexistent'),
        ('rename', '/nonexistent', '/nonexistent2'), ('mkdir', '/nonexistent/x', 0o755),
        ('symlink', 'x', '/nonexistent/x'), ('chmod', '/nonexistent', 0o777),
        ('chown', '/nonexistent', 0, 0), ('mount', 'none', '/nonexistent', 'tmpfs', 0, 0),
        ('socket', socket.AF_INET, socket.SOCK_STREAM, 0), ('socket', socket.AF_UNIX, 1, 0),
        ('connect', 0, struct.pack('<H', socket.AF_UNIX) + b'/x\0', 5), ('bind', 0, bytes(16), 16),
        ('execve', '/nonexistent', 0, 0), ('execveat', -100, '/nonexistent', 0, 0, 0),
        ('fork',), ('clone', signal.SIGCHLD, 0, 0, 0, 0), ('clone', 0x4100, 0, 0, 0, 0),
        ('unshare', 0x10000000), ('setns', 0, 0),
        ('ptrace', 16, 1 << 21, 0, 0), ('process_vm_readv', 1 << 21, 0, 0, 0, 0, 0),
        ('kill', 1 << 21, 0), ('tgkill', 1 << 21, 1 << 21, 0), ('pidfd_getfd', 0, 0, 0),
        ('setuid', 0), ('capset', 0, 0), ('prctl', 4, 1, 0, 0, 0), ('keyctl', 0, -3, 0),
        ('bpf', 99, 0, 0), ('io_uring_setup', 1, 0), ('userfaultfd', 0),
        ('perf_event_open', 0, 0, -1, -1, 0),
        ('mmap', 0, 4096, 4, 0x22, -1, 0), ('mprotect', 0, 4096, 4),
        ('ioctl', 0, 0x5412, 0), ('ioctl', 0, 0x400454ca, 0), ('fcntl', 0, 10, 9),
    )
    # A control thread may make these calls; the polling thread and the log thread may not.
    CONTROL_ONLY = (('memfd_create', 'x', 0), ('accept4', 999, 0, 0, 0), ('ftruncate', 999, 0),
                    ('epoll_ctl', 999, 1, 0, 0), ('sendmsg', 999, 0, 0), ('recvmsg', 999, 0, 0),
                    ('close', 999), ('readlink', '/', 0, 0), ('fcntl', 999, 1034, 0),
                    ('io_destroy', 0), ('seccomp', 1, 0, 0))

    def attempts(self, nic):
        """Return the result of each attempt in each kind of thread."""
        pid, out = nic.pid, {}
        for name, tid in threads(nic).items():
            with inject.Thread(pid, tid) as t:
                self.assertEqual(t.call('getpid'), pid, name)
                for call in self.ATTEMPTS + (self.CONTROL_ONLY if name in ('poll', 'log') else ()):
                    out[(name,) + call] = t.call(*call)
                out[name, 'x32'] = t.call(0x40000000 | inject.NR['openat'], -100, '/etc/passwd', 0)
                self.assertEqual(t.call('clone3', 0, 0), -errno.ENOSYS, name)
        return out

    @needs_x86
    @needs_filters
    def test_attempts_fail_in_each_kind_of_thread(self):
        nic = self.start()
        results = self.attempts(nic)
        self.assertEqual({r[0] for r in results}, self.kinds())
        self.assertEqual({r: v for r, v in results.items() if v != -errno.EPERM}, {})
        with inject.Thread(nic.pid, threads(nic)['control']) as t:
            self.assertEqual(t.call('io_destroy', 0), -errno.EINVAL)
        # The interrupted threads still work.
        c = vfio_user.Client(self.sock('a'))
        self.assertEqual(c.read(vfio_user.CONFIG, 0, 4), b'\x86\x80\xc9\x10')
        c.close()
        self.nic_stats(nic)

    @needs_x86
    @needs_filters
    @needs_root
    def test_attempts_fail_in_the_front_and_in_the_keeper(self):
        nic = self.start()
        keeper = keeper_of(nic)
        for pid, allowed in (nic.p.pid, {'prctl'}), (keeper, {'openat', 'rename', 'unlink'}):
            with inject.Thread(pid, pid) as t:
                self.assertEqual(t.call('getpid'), pid)
                results = {call: t.call(*call) for call in self.ATTEMPTS if call[0] not in allowed}
            self.assertEqual({c: v for c, v in results.items() if v != -errno.EPERM}, {})
        with inject.Thread(nic.p.pid, nic.p.pid) as t:      # it may change its core dumps only
            self.assertEqual(t.call('prctl', 8, 1, 0, 0, 0), -errno.EPERM)
        # The interrupted processes still work.
        self.nic_stats(nic)
        self.assertEqual(os.path.exists(self.sock('a')), False)

    @needs_x86
    @needs_filters
    @needs_root
    @unittest.skipUnless(landlock(), 'needs a kernel with Landlock')
    def test_keeper_reaches_only_its_folders(self):
        other = tempfile.mkdtemp(prefix='gantry.other.')
        self.addCleanup(shutil.rmtree, other)
        name = os.path.join(other, 'file')
        with open(name, 'wb'):
            pass
        attempts = (('openat', -100, name, os.O_RDONLY), ('openat', -100, name, os.O_WRONLY),
                    ('openat', -100, name + '2', os.O_WRONLY | os.O_CREAT, 0o644),
                    ('unlink', name), ('rename', name, name + '2'))
        for mode, results in ('on', [-errno.EACCES] * 5), ('off', None):
            nic = self.start('--sandbox=' + mode)
            keeper = keeper_of(nic) if results else nic.pid
            with inject.Thread(keeper, keeper) as t:
                got = [t.call(*call) for call in attempts]
            if results:
                self.assertEqual(got, results)
                self.assertEqual(os.listdir(other), ['file'])
            else:           # Landlock, and nothing else, refused them
                self.assertTrue(all(g >= 0 for g in got[:4]), got)
            self.nic_stats(nic)

    @needs_x86
    def test_attempts_succeed_without_the_sandbox(self):
        """The sandbox, and nothing else, refuses the attempts in the test above."""
        nic = self.start('--sandbox=off')
        self.assertEqual(set(threads(nic)), self.kinds())
        for name, tid in threads(nic).items():
            self.assertEqual(status(nic.pid, tid)['Seccomp'], status(os.getpid())['Seccomp'])
            with inject.Thread(nic.pid, tid) as t:
                self.assertGreater(t.call('openat', -100, '/etc/passwd', 0), 2, name)
                self.assertGreater(t.call('socket', socket.AF_UNIX, 1, 0), 2, name)
                self.assertEqual(t.call('execve', '/nonexistent', 0, 0), -errno.ENOENT, name)
                self.assertEqual(t.call('kill', 1 << 21, 0), -errno.ESRCH, name)
        self.nic_stats(nic)

    @needs_x86
    @needs_filters
    @needs_root
    def test_log_mode_executes_and_reports(self):
        nic = self.start('--sandbox=log')
        tid = threads(nic)['poll']
        self.assertEqual(status(nic.pid, tid)['Seccomp'], '2')

        def reported():
            with inject.Thread(nic.pid, tid) as t:
                self.assertGreaterEqual(t.call('openat', -100, '/etc', 0o200000), 0)
            log = subprocess.run(['dmesg'], capture_output=True, text=True, check=True).stdout
            return re.search(r'type=1326 .* pid=%d comm="poll" .* syscall=257 ' % nic.pid, log)
        self.wait_until(reported)
        self.nic_stats(nic)

    @needs_x86
    @needs_filters
    def test_kernel_without_seccomp_is_logged_once(self):
        """The test also shows what Landlock refuses alone."""
        nic = self.start(preexec_fn=inject.refuse_calls({SECCOMP: errno.ENOSYS}))
        self.assertEqual(len(re.findall('gantry-nic: sandbox: ', nic.text())), 1, nic.text())
        self.assertIn('sandbox: no seccomp', nic.text())
        for name, tid in threads(nic).items():
            with inject.Thread(nic.pid, tid) as t:
                self.assertEqual(t.call('openat', -100, '/etc/passwd', 0), -errno.EACCES, name)
                self.assertEqual(t.call('kill', os.getpid(), 0), -errno.EPERM, name)
        keeper = keeper_of(nic)
        with inject.Thread(keeper, keeper) as t:
            self.assertEqual(t.call('openat', -100, '/etc/passwd', 0), -errno.EACCES)
            self.assertGreater(t.call('openat', -100, self.path('probe'), os.O_CREAT | os.O_WRONLY,
                                      0o600), 2)
        self.nic_stats(nic)

    @needs_filters
    def test_kernel_without_landlock_is_logged_once(self):
        for error in errno.ENOSYS, errno.EOPNOTSUPP:
            nic = self.start(preexec_fn=inject.refuse_calls({LANDLOCK: error}))
            self.assertEqual(len(re.findall('gantry-nic: sandbox: ', nic.text())), 1, nic.text())
            self.assertIn('sandbox: no Landlock', nic.text())
            self.nic_stats(nic)

    @needs_root
    def test_container_without_users_is_logged(self):
        """As in a user namespace that maps only root."""
        nic = self.start(preexec_fn=inject.refuse_calls({117: errno.EINVAL}))  # setresuid(2)
        self.assertIn('sandbox: no other user', nic.text())
        for name, tid in threads(nic).items():
            self.assertEqual(int(status(nic.pid, tid)['CapEff'], 16), 0, name)
        self.nic_stats(nic)

    def replay(self, mode):
        """Replay a compressed capture, record it again, and read the statistics in the meantime."""
        frames = [noise(100, i) for i in range(50)]
        write_pcap(self.path('in.pcap'), frames)
        with open(self.path('in.pcap'), 'rb') as f, gzip.open(self.path('in.pcap.gz'), 'wb') as g:
            g.write(f.read())
        nic = self.nic('p:start=signal,wire=pcap:%s:%s' % (self.path('in.pcap.gz'),
                                                           self.path('out.pcap')),
                       args=['--sandbox=' + mode])
        pmd = self.dpdk_testpmd(self.eal(self.sock('p'), mb=128),
                                ['--total-num-mbufs=4096', '--auto-start',
                                 '--port-topology=loop'])
        nic.signal(signal.SIGRTMIN)
        self.wait_until(lambda: self.nic_now(nic)['p']['tx']['frames'] == len(frames))
        self.quit(pmd)
        self.wait_client_gone(nic, 'p')
        self.assertTrue(stat.S_ISSOCK(os.stat(self.sock('p')).st_mode))
        self.nic_stats(nic)
        self.assertEqual(read_pcap(self.path('out.pcap')), frames)
        self.assertFalse(os.path.exists(self.sock('p')))
        if not instrumented():
            self.assertNotIn('sandbox', nic.text())

    def test_traffic_passes_with_sandbox_on(self):
        self.replay('on')

    def test_traffic_passes_with_sandbox_log(self):
        self.replay('log')

    def test_traffic_passes_with_sandbox_off(self):
        self.replay('off')

    @needs_root
    def test_tap_carries_frames_and_follows_the_port(self):
        tap = self.tap_name()
        nic = self.nic('t:wire=tap:' + tap)
        subprocess.run(['ip', 'link', 'set', tap, 'up'], check=True)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5)) as s:
            s.bind((tap, 0))
            s.settimeout(60)
            c = Transmitter(self.sock('t'))
            c.set_reg(0, c.reg(0) | 1 << 6)     # CTRL.SLU

            def carrier():
                with open('/sys/class/net/%s/carrier' % tap) as f:
                    return f.read().strip() == '1'
            self.wait_until(carrier)
            c.transmit(1)
            self.assertEqual(s.recv(2048)[12:14], b'\x88\xb5')
            c.close()
            self.wait_until(lambda: not carrier())
        self.nic_stats(nic)

    def test_client_that_truncates_its_memory_is_dropped(self):
        nic = self.nic('p:wire=none')
        c = Transmitter(self.sock('p'))
        os.ftruncate(c.fd, 0)
        try:
            c.transmit(200)
        except (OSError, ConnectionError):
            pass
        nic.expect('client truncated memory that it had shared')
        c.close()
        self.nic_stats(nic)

    def test_stale_socket_is_replaced(self):
        """If the keeper is killed, nobody removes the sockets; the next daemon replaces them."""
        argv = [NIC, '--port', 'a:socket=' + self.sock('a')]
        nic = self.run_process(argv, kind=Nic)
        nic.expect('^gantry-nic: ready')
        self.assertEqual(os.stat(self.sock('a')).st_uid, os.geteuid())
        self.assertEqual(stat.S_IMODE(os.stat(self.sock('a')).st_mode), 0o600)
        os.kill(keeper_of(nic), signal.SIGKILL)
        nic.signal(signal.SIGTERM)
        nic.wait()
        self.assertTrue(os.path.exists(self.sock('a')))
        nic = self.nic('a')
        vfio_user.Client(self.sock('a')).close()
        nic.signal(signal.SIGKILL)
        nic.wait(status=-signal.SIGKILL)
        self.assertTrue(os.path.exists(self.sock('a')))
        nic = self.nic('a')
        vfio_user.Client(self.sock('a')).close()
        self.nic_stats(nic)
        self.assertFalse(os.path.exists(self.sock('a')))

    def test_socket_that_others_replaced_is_not_removed(self):
        nic = self.nic('a')
        os.unlink(self.sock('a'))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.sock('a'))
            self.nic_stats(nic)
            self.assertTrue(os.path.exists(self.sock('a')))

    @needs_root
    def test_files_in_folder_of_another_user_are_replaced(self):
        """sudo in another user's folder: statistics are replaced, and the socket is removed."""
        os.chown(self.dir, 12345, 12345)
        os.chmod(self.dir, 0o755)
        nic = self.nic('a')
        self.nic_now(nic)
        self.nic_stats(nic)
        self.assertEqual(os.stat(self.path('nic.json')).st_uid, 0)
        self.assertFalse(os.path.exists(self.sock('a')))

    @needs_root
    def test_daemon_without_root_is_confined(self):
        binary = os.path.join(self.for_everybody(NIC), 'gantry-nic')
        nic = self.nic('a', binary=binary, user=12345, group=12345, extra_groups=[])
        for name, tid in threads(nic).items():
            st = status(nic.pid, tid)
            self.assertEqual((st['Uid'].split()[0], st['NoNewPrivs']), ('12345', '1'), name)
            self.assertEqual(st['Seccomp'], '0' if instrumented() else '2', name)
        vfio_user.Client(self.sock('a')).close()
        self.nic_stats(nic)
        self.assertFalse(os.path.exists(self.sock('a')))

    def test_failed_set_up_ends_daemon(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.sock('b'))
            s.listen()
            nic = self.nic('a', 'b', ready=False)
            nic.wait(status=1)
        self.assertIn('in use by another process', nic.text())
        self.assertFalse(os.path.exists(self.sock('a')))

    def test_unknown_mode_is_refused(self):
        nic = self.nic('a', args=['--sandbox=maybe'], ready=False)
        nic.wait(status=2)
        self.assertIn('expected on, log or off', nic.text())


if __name__ == '__main__':
    unittest.main()
