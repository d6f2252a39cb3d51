# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Bad arguments, devargs, files and sockets: one clear line, an error, nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import unittest

import vfio_user
from lib import NIC, TESTPMD, Bench, needs_root
from packets import noise, write_pcap


class Daemon(Bench):
    def refuse(self, argv, status, *words, binary=NIC, **kw):
        """Check that the daemon exits with status, after one line on stderr with these words."""
        p = subprocess.run([binary] + argv, stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=60, **kw)
        lines = p.stderr.strip().splitlines()
        self.assertEqual(p.returncode, status, p.stderr)
        self.assertEqual(len(lines), 1, 'not one line:\n' + p.stderr)
        self.assertTrue(lines[0].startswith('gantry-nic: '), lines[0])
        for w in words:
            self.assertIn(w, lines[0])

    def port(self, keys, name='p'):
        return ['--port', '%s:socket=%s%s' % (name, self.sock(name), keys)]

    def test_bad_arguments_are_refused_with_one_line(self):
        for argv, word in (
                ([], 'no port'),
                (['--nonsense'], 'unknown option'),
                (['--port'], 'needs a value'),
                (['extra'], 'unexpected argument'),
                (['--port', 'p'], 'socket'),
                (['--port', ':socket=/tmp/x'], 'NAME'),
                (['--port', 'p:mac=02:00:00:00:00:01'], 'socket'),
                (self.port(',colour=blue'), 'colour'),
                (self.port(',mac=02:00:00:00:00'), 'mac'),
                (self.port(',mac=01:00:00:00:00:01'), 'mac'),
                (self.port(',speed=fast'), 'speed'),
                (self.port(',speed=0'), 'speed'),
                (self.port(',speed=-1'), 'speed'),
                (self.port(',speed=99999999999999999999'), 'speed'),
                (self.port(',addr_bits=23'), '24 to 64'),
                (self.port(',addr_bits=65'), '24 to 64'),
                (self.port(',addr_bits=wide'), 'addr_bits'),
                (self.port(',page_table=maybe'), 'on or off'),
                (self.port(',wire=string'), 'string'),
                (self.port(',wire=pair:nobody'), 'nobody'),
                (self.port(',wire=tap:'), 'tap'),
                (self.port(',wire=tap:a-name-that-is-too-long'), '15 characters'),
                (self.port(',wire=pcap:'), 'pcap'),
                (self.port('') + self.port(''), 'p'),
                (self.port('') + ['--cores', 'zero'], 'cores'),
                (self.port('') + ['--cores', '4096'], 'cores'),
                (self.port('') + ['--cores', '1-0'], 'cores'),
                (self.port('') + ['--stats-json', '/nonexistent/dir/f'], 'stats-json'),
                (['--port', 'p:socket=/tmp/' + 'x' * 200], '107'),
                (self.port(',wire=pair:b', 'a') + self.port(',wire=pair:c', 'b') +
                 self.port(',wire=none', 'c'), 'pair'),
                (self.port(',wire=pair:b,speed=1G', 'a') + self.port(',speed=100', 'b'), 'speed')):
            with self.subTest(argv=argv):
                self.refuse(argv, 2, word)
                self.assertEqual(os.listdir(self.dir), [])

    def test_socket_that_cannot_be_bound_is_refused(self):
        self.refuse(['--port', 'p:socket=/nonexistent/dir/p.sock'], 1, '/nonexistent/dir/p.sock')
        with open(self.sock('p'), 'w') as f:
            f.write('precious')
        self.refuse(self.port(''), 1, self.sock('p'))
        with open(self.sock('p')) as f:
            self.assertEqual(f.read(), 'precious')

    def test_one_socket_by_two_names_is_refused(self):
        os.symlink(self.dir, self.path('link'))
        for other in '/./p.sock', '/link/p.sock', '/../%s/p.sock' % os.path.basename(self.dir):
            with self.subTest(other):
                self.refuse(self.port('', 'p') + ['--port', 'q:socket=%s%s' % (self.dir, other)], 2,
                            'ports p and q have the same socket %s%s' % (self.dir, other))
        self.assertEqual(os.listdir(self.dir), ['link'])
        self.refuse(['--port', 'a:socket=/nonesuch/p', '--port', 'b:socket=/nonesuch2/p'], 1,
                    '/nonesuch/p')

    def test_live_socket_is_not_taken_over_and_a_stale_one_is(self):
        first = self.nic('p')
        self.refuse(self.port(''), 1, self.sock('p'))
        vfio_user.Client(self.sock('p')).close()      # the first daemon still serves
        first.signal(signal.SIGKILL)
        first.wait(status=-9)
        self.assertTrue(os.path.exists(self.sock('p')))
        second = self.nic('p')
        self.assertEqual(os.stat(self.sock('p')).st_mode & 0o777, 0o600)
        self.nic_stats(second)
        self.assertFalse(os.path.exists(self.sock('p')))

    def test_capture_that_cannot_be_used_is_refused(self):
        self.refuse(self.port(',wire=pcap:/nonexistent.pcap'), 1, '/nonexistent.pcap')
        self.refuse(self.port(',wire=pcap:' + self.dir), 1, self.dir)
        junk = self.path('junk.pcap')
        with open(junk, 'wb') as f:
            f.write(os.urandom(5000))
        self.refuse(self.port(',wire=pcap:' + junk), 1, junk)
        good = self.path('good.pcap')
        write_pcap(good, [noise(100, 1)])
        self.refuse(self.port(',wire=pcap:%s:/nonexistent/out.pcap' % good), 1,
                    '/nonexistent/out.pcap')
        self.assertEqual(sorted(os.listdir(self.dir)), ['good.pcap', 'junk.pcap'])

    @needs_root
    def test_tap_without_permission_is_refused(self):
        self.refuse(self.port(',wire=tap:gantry-no'), 1, 'gantry-no', user=65534, group=65534,
                    extra_groups=[], cwd=self.dir,
                    binary=os.path.join(self.for_everybody(NIC), 'gantry-nic'))


class Answering(vfio_user.Server):
    """A server that sends each client the same bytes, and closes the connection."""

    def __init__(self, path, what):
        self.what = what
        super().__init__(path)

    def serve(self, s):
        s.sendall(self.what)
        s.recv(10)


class Driver(Bench):
    def own_lines(self, text):
        return re.findall(r'(?m)^(?:vfio_user|net_gantry_igb|gantry_dma): .*', text)

    def refused_by_driver(self, device, *words, devargs=''):
        """Check that no port comes up, and that gantry prints one line, with these words."""
        p = self.dpdk_testpmd(self.eal(device, mb=64, devargs=devargs),
                              ['--total-num-mbufs=2048'])
        self.quit(p)
        self.assertIn('No probed ethernet devices', p.text())
        lines = self.own_lines(p.text())
        # If the driver reports the reason, the bus adds a line that names the consequence.
        if lines and not lines[0].startswith('vfio_user: '):
            self.assertIn('driver net_gantry_igb refuses the device', lines.pop())
        self.assertEqual(len(lines), 1, p.text())
        for w in words:
            self.assertIn(w, lines[0])
        return lines[0]

    def test_missing_socket_is_named(self):
        self.refused_by_driver(self.sock('nobody'), self.sock('nobody'), 'is the server started')

    def test_socket_name_beyond_eal_limit_is_refused(self):
        """EAL limits the device name, before the limit of 107 bytes for a socket path applies."""
        p = self.dpdk_testpmd(self.eal('/tmp/' + 'x' * 120, mb=64), [], prompt=False)
        p.wait(status=1)
        self.assertRegex(p.text(), 'x{40}.*: device name should be shorter than 64')
        self.assertEqual(self.own_lines(p.text()), [])

    def test_file_in_place_of_socket_is_refused(self):
        with open(self.sock('file'), 'w'):
            pass
        self.refused_by_driver(self.sock('file'), self.sock('file'), 'no server listens there')

    def answering(self, what):
        """Start a server that answers each client with these bytes, and return its path."""
        server = Answering(self.sock('other'), what)
        self.addCleanup(server.close)
        return self.sock('other')

    def test_server_of_another_protocol_is_refused(self):
        for what, why in ((b'HTTP/1.1 400 Bad Request\r\n\r\n', 'message longer than'),
                          (b'\0' * 64, 'message shorter than its header'),
                          (b'', 'connection reset|closed'),
                          (os.urandom(400), 'server: .')):
            with self.subTest(what=what[:8]):
                line = self.refused_by_driver(self.answering(what), self.sock('other'),
                                              'no vfio-user server')
                self.assertRegex(line, why)
                os.unlink(self.sock('other'))

    def test_another_major_version_is_refused(self):
        body = b'\x07\0\0\0{}\0'
        self.refused_by_driver(self.answering(vfio_user.header(0, 1, len(body), 1) + body), '7.0')

    def test_device_of_another_kind_is_refused(self):
        server = vfio_user.Server(self.sock('e1000'))
        self.addCleanup(server.close)
        self.refused_by_driver(self.sock('e1000'), '8086:100e')

    def test_unknown_devarg_is_refused(self):
        self.nic('p')
        self.refused_by_driver(self.sock('p'), 'colour', devargs=',colour=blue')

    def test_bad_devarg_value_is_refused_with_allowed_ones(self):
        self.nic('p')
        for key, value, allowed in (('untested', 'perhaps', '0 or 1'),
                                    ('dma', 'fast', 'auto, direct, window, strict or bounce'),
                                    ('dma', '', 'auto, direct, window, strict or bounce'),
                                    ('dma_debug', '2', '0, 1 or abort')):
            with self.subTest(key=key, value=value):
                self.refused_by_driver(self.sock('p'),
                                       'devarg %s=%s: must be %s' % (key, value, allowed),
                              devargs=',%s=%s' % (key, value))

    def test_direct_mode_beyond_address_bits_is_refused(self):
        """dma=direct cannot reach the memory, and the message must contain the reason."""
        self.nic('p:addr_bits=32')
        self.refused_by_driver(self.sock('p'), 'drives 32 address bits', devargs=',dma=direct')

    def test_too_little_memory_is_reported_in_one_line(self):
        self.nic('p')
        nic = self.procs[0]
        # EAL determines how little memory is too little for the rings but enough for testpmd
        # itself.
        for mb in range(16, 25):
            p = self.dpdk_testpmd(self.eal(self.sock('p'), mb=mb),
                                  ['--total-num-mbufs=1600', '--mbcache=0', '--txq=16',
                                   '--txd=4096'], prompt=False)
            p.say('quit')
            p.wait(status=None)
            lines = self.own_lines(p.text())
            if lines:
                break
        self.assertEqual(len(lines), 1, p.text())
        self.assertRegex(lines[0], r'tx queue \d+: no memory for 4096 descriptors .* give EAL more')
        self.assertIn('Start ports failed', p.text())
        # The failed start must leave nothing behind that keeps the next start from succeeding.
        p = self.dpdk_testpmd(self.eal(self.sock('p'), mb=64), ['--total-num-mbufs=2048'])
        self.assertIn('Checking link statuses', p.text())
        self.quit(p)
        self.assertEqual(self.nic_stats(nic)['p']['server']['dma_maps'], 0)

    def test_daemon_survives_refused_clients(self):
        nic = self.nic('p')
        self.refused_by_driver(self.sock('p'), devargs=',colour=blue')
        vfio_user.Client(self.sock('p')).close()
        stats = self.nic_stats(nic)
        self.assertGreaterEqual(stats['p']['server']['clients'], 2)


class Application(Bench):
    def refuse(self, argv, *words):
        eal = ['-l', '0', '--no-huge', '-m', '64', '--no-shconf', '--no-telemetry', '--no-pci',
               '--vdev', 'net_null0']
        p = subprocess.run([TESTPMD] + eal + ['--'] + argv, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, 2, p.stderr)
        lines = [l for l in p.stderr.splitlines() if l.startswith('gantry-testpmd: ')]
        self.assertEqual(len(lines), 1, p.stderr)
        for w in words:
            self.assertIn(w, lines[0])

    def test_bad_arguments_are_refused_with_one_line(self):
        for argv, word in (([], 'command'),
                           (['dance'], 'dance'),
                           (['forward', '--mode'], 'mode'),
                           (['forward', '--mode', 'sideways'], 'sideways'),
                           (['forward', '--mode', 'io', '--duration', 'long'], 'duration'),
                           (['forward', '--mode', 'io', '--duration', '-1'], 'duration'),
                           (['forward', '--duration', '0'], 'duration'),
                           (['linerate', '--duration', '0'], 'duration'),
                           (['forward', '--json', '/nonexistent/x'], 'No such file'),
                           (['linerate', '--json', '/tmp'], 'directory'),
                           (['addresses', '--json', '/nonexistent/x'], '/nonexistent/x'),
                           (['forward', '--mode', 'io', '--speed', '3'], 'speed')):
            with self.subTest(argv=argv):
                self.refuse(argv, word)

    def call(self, *argv):
        return subprocess.run([TESTPMD] + list(argv), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)

    def test_help_prints_usage(self):
        for argv in ['--help'], ['-h'], ['--', '--help'], ['--', 'forward', '--help']:
            with self.subTest(argv=argv):
                p = self.call(*argv)
                self.assertEqual((p.returncode, p.stderr), (0, ''))
                self.assertTrue(p.stdout.startswith('usage: gantry-testpmd '), p.stdout)

    def test_version_is_printed(self):
        for argv in ['--version'], ['--', '--version'], ['--', 'forward', '--version']:
            with self.subTest(argv=argv):
                p = self.call(*argv)
                self.assertEqual((p.returncode, p.stderr), (0, ''))
                self.assertRegex(p.stdout, r'\Agantry-testpmd \S+\n\Z')

    def test_argument_unknown_to_eal_is_refused(self):
        p = self.call('--bogus', '--', 'addresses')
        self.assertEqual(p.returncode, 2)
        self.assertIn("unrecognized option '--bogus'", p.stderr)
        self.assertTrue(p.stderr.splitlines()[-1].startswith('gantry-testpmd: '), p.stderr)

    def test_too_little_memory_for_buffers_is_reported(self):
        p = self.call('-l', '0', '--no-huge', '-m', '8', '--no-shconf', '--no-telemetry',
                      '--no-pci', '--vdev', 'net_null0', '--', 'forward', '--duration', '1')
        self.assertEqual(p.returncode, 1, p.stderr)
        lines = [l for l in p.stderr.splitlines() if not l.startswith('EAL: ')]
        self.assertEqual(len(lines), 1, p.stderr)
        self.assertRegex(lines[0], 'gantry-testpmd: not enough memory for .* buffers')


if __name__ == '__main__':
    unittest.main()
