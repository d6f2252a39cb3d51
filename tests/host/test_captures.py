# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Captures in common formats, replayed to testpmd, and files that outputs must not overwrite.

Each test makes its captures here, next to the frames that must arrive.
"""

import errno
import gzip
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from unittest import mock

from lib import NIC, TESTPMD, TOP, Bench, needs_root
from output import Output
from packets import mac, noise, read_pcap, write_pcap

OTHER = mac('02:00:00:00:00:77')     # the address of no port


def classic(records, network=1, order='<', magic=0xa1b2c3d4):
    """Return a pcap file of (bytes, original length)."""
    out = struct.pack(order + 'IHHiIII', magic, 2, 4, 0, 0, 65535, network)
    for i, (data, length) in enumerate(records):
        out += struct.pack(order + 'IIII', i, 0, len(data), length) + data
    return out


def block(kind, body, order='<'):
    body += b'\0' * (-len(body) % 4)
    length = struct.pack(order + 'I', 12 + len(body))
    return struct.pack(order + 'I', kind) + length + body + length


def section(links, order='<'):
    """Return a pcapng section with interfaces of (link type, snapshot length)."""
    out = block(0x0a0d0d0a, struct.pack(order + 'IHHq', 0x1a2b3c4d, 1, 0, -1), order)
    for link, snaplen in links:
        out += block(1, struct.pack(order + 'HHI', link, 0, snaplen), order)
    return out


def packet(interface, data, length, order='<'):
    return block(6, struct.pack(order + 'IIIII', interface, 0, 0, len(data), length) + data, order)


def with_fcs(frame, right=True):
    return frame + struct.pack('<I', zlib.crc32(frame) ^ (0 if right else 1))


FRAMES = [noise(100, i, dst=OTHER) for i in range(100)]
MIXED = section([(1, 0), (113, 96)], '>')
for number, f in enumerate(FRAMES):
    MIXED += packet(0, f, len(f), '>')
    if number % 4 == 0:
        MIXED += packet(1, f[:96], len(f), '>')
MIXED += section([(113, 0)]) + packet(0, FRAMES[0], 100)

# For each file: its content, the total bytes of the frames that arrive, the statistics of the
# replay.
CAPTURES = {
    'padded.pcap': (classic([(f, 84 if i % 2 else 100) for i, f in enumerate(FRAMES)]),
                    50 * 184, {'frames': 100}),
    'mixed.pcapng': (MIXED, 100 * 100, {'frames': 100, 'left_out.not_ethernet': 26}),
    'fcs.pcap': (classic([(with_fcs(f, i % 10 != 0), 104) for i, f in enumerate(FRAMES)],
                         network=0x24000001), 90 * 100, {'frames': 100, 'bad_fcs': 10}),
    'runt.pcap': (classic([(b'\2\0\0\0\0', 5)] * 99 + [(b'', 0)]), 0,
                  {'left_out.too_short': 100}),
    'plain.pcap.gz': (gzip.compress(classic([(f, 100) for f in FRAMES], order='>',
                                            magic=0xa1b23c4d)), 100 * 100, {'frames': 100}),
    'cut.pcap': (classic([(f[:60], 100) for f in FRAMES] + [(bytes(20000), 20000)]), 100 * 100,
                 {'frames': 100, 'filled': 100, 'left_out.too_long': 1}),
}


class Replay(Bench):
    def port_stats(self, pmd, port):
        start = len(pmd.text())
        self.command(pmd, 'show port stats %d' % port, r'Tx-bps.*\n')
        return pmd.text()[start:]

    def ended(self, nic, *ports):
        self.wait_until(lambda: all(self.nic_now(nic)[p]['replay']['state'] == 'ended'
                                    for p in ports))

    def test_captures_are_replayed_unchanged(self):
        names = sorted(CAPTURES)
        for name in names:
            with open(self.path(name), 'wb') as f:
                f.write(CAPTURES[name][0])
        ports = ['p%d' % i for i in range(len(names))]
        nic = self.nic(*('%s:start=signal,wire=pcap:%s' % (p, self.path(n))
                         for p, n in zip(ports, names)))
        pmd = self.dpdk_testpmd(self.eal(*(self.sock(p) for p in ports)),
                                ['--forward-mode=rxonly', '--auto-start', '--rxd=512',
                                 '--port-topology=loop'])
        nic.signal(signal.SIGRTMIN)     # at its prompt, testpmd has emptied its queues
        self.ended(nic, *ports)
        for i, name in enumerate(names):
            self.wait_until(
                lambda: 'RX-bytes:  %d\n' % CAPTURES[name][1] in self.port_stats(pmd, i))
        self.quit(pmd)
        stats = self.nic_stats(nic)
        for p, name in zip(ports, names):
            replay = stats[p]['replay']
            want = {'state': 'ended', 'filtered': 0, **CAPTURES[name][2]}
            flat = {**replay, **{'left_out.' + k: v for k, v in replay['left_out'].items()}}
            del flat['left_out']
            self.assertEqual(flat, {**{k: 0 for k in flat}, **want}, name)
            self.assertEqual(stats[p]['device']['rx_bad'], want.get('bad_fcs', 0))
        self.assertIn('runt.pcap: 100 records are left out', nic.text())

    def test_replay_begins_when_two_ports_are_set_up_and_flushed(self):
        """testpmd enables promiscuous mode after it started both ports, then empties its queues."""
        write_pcap(self.path('in.pcap'), FRAMES)
        nic = self.nic(*('%s:wire=pcap:%s' % (p, self.path('in.pcap')) for p in 'ab'))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')),
                                ['--forward-mode=rxonly', '--auto-start'])
        self.ended(nic, 'a', 'b')
        for port in 0, 1:
            self.wait_until(lambda: 'RX-packets: 100 ' in self.port_stats(pmd, port))
        self.command(pmd, 'stop')
        # The frames that testpmd flushed are not among those that it received while it forwarded.
        self.assertEqual(re.findall(r'RX-packets: (\d+)', pmd.text())[-3:], ['100', '100', '200'])
        self.quit(pmd)
        stats = self.nic_stats(nic)
        self.assertEqual([stats[p]['replay']['filtered'] for p in 'ab'], [0, 0])
        self.assertNotIn('filters', nic.text())

    def test_replay_on_signal_counts_filtered_frames(self):
        mine = noise(100, 1, dst=mac('02:00:00:00:00:01'))
        write_pcap(self.path('in.pcap'), FRAMES + [mine])
        nic = self.nic('a:mac=02:00:00:00:00:01,start=signal,wire=pcap:' + self.path('in.pcap'))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a')), ['--forward-mode=rxonly'])
        self.command(pmd, 'set promisc 0 off')
        self.command(pmd, 'start')
        time.sleep(1.5)     # longer than the quiet time, and nothing may arrive
        self.assertEqual(self.nic_now(nic)['a']['replay']['state'], 'waiting')
        nic.signal(signal.SIGRTMIN)
        self.ended(nic, 'a')
        self.wait_until(lambda: 'RX-packets: 1 ' in self.port_stats(pmd, 0))
        nic.expect(r"in\.pcap: the port's filters refused 100 of 101 frames")
        self.quit(pmd)
        stats = self.nic_stats(nic)['a']
        self.assertEqual((stats['replay']['filtered'], stats['device']['rx_filtered']), (100, 100))

    @needs_root
    def test_recording_on_a_full_disk_ends_with_status_1(self):
        disk = tempfile.mkdtemp(prefix='gantry.disk.')
        self.addCleanup(os.rmdir, disk)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4k,mode=755', 'none', disk], check=True)
        self.addCleanup(subprocess.run, ['umount', disk], check=True)
        write_pcap(self.path('in.pcap'), FRAMES)
        out = os.path.join(disk, 'out.pcap')
        nic = self.nic('a:speed=max,wire=pcap:%s:%s' % (self.path('in.pcap'), out))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a')), ['--forward-mode=io', '--auto-start'])
        self.wait_until(lambda: self.nic_now(nic)['a']['device']['tx_frames'] >= len(FRAMES))
        self.quit(pmd)
        nic.signal(signal.SIGTERM)
        nic.wait(status=1)
        self.assertEqual(nic.text().count('capture %s: cannot be written (disk full?); it is '
                                          'incomplete\n' % out), 1)
        self.assertEqual(os.path.getsize(out), 4096)
        with open(self.path('nic.json'), encoding='utf-8') as f:    # written all the same
            self.assertEqual(json.load(f)['ports'][0]['device']['tx_frames'], len(FRAMES))

    def test_recording_as_pcapng_has_all_frames(self):
        write_pcap(self.path('in.pcap'), FRAMES)
        nic = self.nic('a:speed=max,wire=pcap:%s:%s' %
                       (self.path('in.pcap'), self.path('out.pcapng')))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a')), ['--forward-mode=io', '--auto-start'])
        self.wait_until(lambda: self.nic_now(nic)['a']['tx']['frames'] >= len(FRAMES))
        self.quit(pmd)
        self.nic_stats(nic)
        with open(self.path('out.pcapng'), 'rb') as f:
            data = f.read()
        at, got = 0, []
        while at < len(data):
            kind, length = struct.unpack('<II', data[at:at + 8])
            if kind == 6:
                kept = struct.unpack('<I', data[at + 20:at + 24])[0]
                got.append(data[at + 28:at + 28 + kept])
            at += length
        self.assertEqual(got, FRAMES)


class Files(Bench):
    """The daemon runs as a plain process for its exit status; no client attaches."""

    def refuse(self, args, status, *words):
        p = subprocess.run([NIC] + args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=60, check=False)
        self.assertEqual(p.returncode, status, p.stderr)
        self.assertEqual(p.stdout, '')
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
        for w in words:
            self.assertIn(w, p.stderr)

    def port(self, name, wire):
        return ['--port', '%s:socket=%s,wire=pcap:%s' % (name, self.sock(name), wire)]

    def test_truncated_file_is_refused(self):
        for name, data in (('classic.pcap', classic([(f, 100) for f in FRAMES])),
                           ('ng.pcapng', section([(1, 0)]) + packet(0, FRAMES[0], 100)),
                           ('zip.pcap.gz', gzip.compress(classic([(f, 100) for f in FRAMES])))):
            with open(self.path(name), 'wb') as f:
                f.write(data[:-3])
            self.refuse(self.port('a', self.path(name)), 1, name, 'breaks off')
        self.assertFalse(os.path.exists(self.sock('a')))

    def test_output_that_is_an_input_by_another_name_is_refused(self):
        x, out = self.path('x.pcap'), self.path('out.pcap')
        write_pcap(x, FRAMES)
        os.link(x, self.path('hard.pcap'))
        os.symlink('x.pcap', self.path('soft.pcap'))
        os.symlink('not-there', self.path('dangling'))
        os.mkdir(self.path('d'))
        a = self.port('a', x + ':' + out)
        before = read_pcap(x)
        for args in (
                self.port('a', x + ':' + self.dir + '/./x.pcap'),
                self.port('a', x + ':' + self.path('d/../x.pcap')),
                self.port('a', x + ':' + self.path('hard.pcap')),
                self.port('a', x + ':' + self.path('soft.pcap')),
                self.port('a', self.path('soft.pcap') + ':' + self.path('hard.pcap')),
                a + self.port('b', x + ':' + self.path('hard.pcap')),
                a + self.port('b', x + ':' + self.dir + '/./out.pcap'),
                a + self.port('b', out),        # which port a creates
                self.port('a', x) + ['--stats-json', self.dir + '/./x.pcap'],
                self.port('a', x) + ['--stats-json', self.path('hard.pcap')],
                self.port('a', x) + ['--stats-json', self.path('soft.pcap')],
                a + ['--stats-json', self.dir + '/./out.pcap'],
                self.port('a', x + ':' + self.path('dangling')) +
                ['--stats-json', self.path('not-there')]):
            with self.subTest(args=args):
                self.refuse(args, 2, 'the same file')
                self.assertEqual(read_pcap(x), before)
                self.assertFalse(os.path.exists(out))
        self.assertEqual(sorted(os.listdir(self.dir)),
                         ['d', 'dangling', 'hard.pcap', 'soft.pcap', 'x.pcap'])

    def test_unwritable_output_leaves_other_outputs_unchanged(self):
        x, out = self.path('x.pcap'), self.path('out.pcap')
        write_pcap(x, FRAMES)
        write_pcap(out, FRAMES[:3])
        os.mkfifo(self.path('fifo'))
        for stats, why in (('/nonexistent/f', 'No such file'), (self.dir, 'directory'),
                           (self.path('fifo'), 'nobody reads it'), ('', 'No such file')):
            self.refuse(self.port('a', x + ':' + out) + ['--stats-json', stats], 2, why)
            self.assertEqual(read_pcap(out), FRAMES[:3])
        for other, why in (('/nonexistent/f', 'No such file'), ('/dev/null', 'not a regular file'),
                           ('-', 'not a regular file'), (self.dir, 'directory')):
            self.refuse(self.port('a', x + ':' + out) + self.port('b', x + ':' + other), 1, other,
                        why)
            self.assertEqual(read_pcap(out), FRAMES[:3])

    def test_second_daemon_leaves_files_of_first_unchanged(self):
        """A second daemon neither writes the files of the first, nor reads its recording."""
        x, y, out = (self.path(n) for n in ('x.pcap', 'y.pcap', 'out.pcap'))
        write_pcap(x, FRAMES)
        write_pcap(y, FRAMES)
        nic = self.nic('a:wire=pcap:%s:%s' % (x, out))
        with open(out, 'rb') as f:
            before = f.read()
        self.assertEqual(len(before), 24)   # the header, which the daemon writes at its start
        os.link(out, self.path('hard.pcap'))
        for args, status in ((self.port('a', x + ':' + out), 1),
                             (self.port('b', y + ':' + self.path('hard.pcap')), 1),
                             (self.port('b', y + ':' + x), 1),
                             (self.port('b', out), 1),
                             (self.port('b', y) + ['--stats-json', out], 2),
                             (self.port('b', y) + ['--stats-json', x], 2)):
            with self.subTest(args=args):
                self.refuse(args, status, 'another process')
                with open(out, 'rb') as f:
                    self.assertEqual(f.read(), before)
                self.assertEqual(read_pcap(x), FRAMES)
        self.nic('b:wire=pcap:' + x)        # two daemons may read one file
        self.nic_stats(nic)

    def test_output_that_is_a_socket_is_refused(self):
        """Whether the socket exists or not: the statistics file would otherwise replace it."""
        x, s = self.path('x.pcap'), self.sock('a')
        write_pcap(x, FRAMES)
        os.symlink(s, self.path('dangling'))
        before = sorted(os.listdir(self.dir))
        for name in s, self.dir + '/./' + os.path.basename(s), self.path('dangling'):
            self.refuse(self.port('a', x) + ['--stats-json', name], 2, 'the same file')
            self.refuse(self.port('a', x + ':' + name), 2, 'the same file')
            self.assertEqual(sorted(os.listdir(self.dir)), before)
        self.nic('a:wire=none')
        self.refuse(self.port('b', x) + ['--stats-json', s], 2, 'it is a socket')
        self.refuse(self.port('a', x + ':' + s), 2, 'the same file')

    def test_statistics_survive_closed_standard_output(self):
        name = self.path('stats.json')
        for closed in '>&-', '2>&-', '>&- 2>&- <&-':
            nic = subprocess.Popen(['sh', '-c', 'exec "$0" "$@" ' + closed, NIC, '--port',
                                    'a:socket=' + self.sock('a'), '--stats-json', name],
                                   stdout=subprocess.DEVNULL)
            self.addCleanup(nic.kill)
            self.wait_until(lambda: os.path.exists(self.sock('a')))
            nic.terminate()
            self.assertEqual(nic.wait(60), 0, closed)
            with open(name, encoding='utf-8') as f:
                self.assertEqual(json.load(f)['ports'][0]['name'], 'a')
            os.unlink(name)

    def statistics(self, argv, **kw):
        nic = subprocess.Popen([NIC, '--port', 'a:socket=' + self.sock('a')] + argv, text=True,
                               stderr=subprocess.DEVNULL, **kw)
        self.addCleanup(nic.kill)
        self.wait_until(lambda: os.path.exists(self.sock('a')))
        nic.terminate()
        out = nic.communicate(timeout=60)[0]
        self.assertEqual(nic.returncode, 0)
        return out

    def test_statistics_are_written_to_pipes_in_place(self):
        """The daemon writes to a pipe and to /dev/stdout without replacing them."""
        out = self.statistics(['--stats-json', '/dev/stdout'], stdout=subprocess.PIPE)
        self.assertTrue(out.startswith('gantry-nic: ready\n{'), out)
        r, w = os.pipe()
        self.statistics(['--stats-json', '/dev/fd/%d' % w], pass_fds=[w],
                        stdout=subprocess.DEVNULL)
        os.close(w)
        with open(r, encoding='utf-8') as f:
            self.assertEqual(json.load(f)['ports'][0]['name'], 'a')
        with open(self.path('log'), 'w', encoding='utf-8') as log:
            self.statistics(['--stats-json', '/dev/stdout'], stdout=log)
        with open(self.path('log'), encoding='utf-8') as f:
            self.assertTrue(f.read().startswith('gantry-nic: ready\n{'))
        self.assertTrue(os.path.islink('/dev/stdout'))

    def test_statistics_replace_target_of_link(self):
        os.mkdir(self.path('d'))
        os.symlink('d/stats.json', self.path('link'))
        self.statistics(['--stats-json', self.path('link')], stdout=subprocess.DEVNULL)
        self.assertTrue(os.path.islink(self.path('link')))
        with open(self.path('d/stats.json'), encoding='utf-8') as f:
            self.assertEqual(json.load(f)['ports'][0]['name'], 'a')
        self.assertEqual(os.listdir(self.path('d')), ['stats.json'])

    def test_tool_output_replaces_target_of_link(self):
        os.symlink('result.json', self.path('link'))
        out = Output(self.path('link'))
        self.assertEqual(os.listdir(self.dir), ['link'])
        out.write([1])
        self.assertTrue(os.path.islink(self.path('link')))
        with mock.patch('os.replace', side_effect=OSError(errno.EBUSY, 'mounted')):
            out.write([2])
        with open(self.path('result.json'), encoding='utf-8') as f:
            self.assertEqual(json.load(f), [2])
        self.assertEqual(sorted(os.listdir(self.dir)), ['link', 'result.json'])

    def test_tool_output_that_is_an_input_is_refused(self):
        with open(self.path('in.json'), 'w', encoding='utf-8') as f:
            f.write('{"mutants": []}')
        os.symlink('in.json', self.path('link'))
        os.link(self.path('in.json'), self.path('hard'))
        for name in 'in.json', 'link', 'hard':
            with self.assertRaisesRegex(OSError, 'it is read, as .*/in.json'):
                Output(self.path(name), ['/nonesuch', self.path('in.json')])
        Output(self.path('other.json'), [self.path('in.json')])
        r = subprocess.run([os.path.join(TOP, 'tools', 'mutate'), '--only', self.path('in.json'),
                            '--json', self.path('link'), 'lib/dma/ext/dma_sg.c'],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, cwd=TOP, check=False)
        self.assertEqual(r.returncode, 2, r.stderr)
        self.assertIn('it is read, as', r.stderr.splitlines()[-1])
        # A file that the shell redirects to standard input is also an input.
        with open(self.path('in.json'), encoding='utf-8') as f:
            r = subprocess.run([sys.executable, '-c', 'from output import Output; Output("hard")'],
                               stdin=f, stderr=subprocess.PIPE, text=True, cwd=self.dir,
                               check=False,
                               env=dict(os.environ, PYTHONPATH=os.path.join(TOP, 'tools/lib')))
        self.assertIn('it is standard input', r.stderr)
        with open(self.path('in.json'), encoding='utf-8') as f:
            self.assertEqual(f.read(), '{"mutants": []}')
        self.assertEqual(sorted(os.listdir(self.dir)), ['hard', 'in.json', 'link'])

    @needs_root
    def test_statistics_overwrite_file_that_cannot_be_replaced(self):
        for name in 'kept', 'mounted':
            with open(self.path(name), 'w', encoding='utf-8') as f:
                f.write('as it was\n')
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        nic = subprocess.Popen(['unshare', '-m', 'sh', '-c', script, 'sh', self.path('kept'),
                                self.path('mounted'), NIC, '--port', 'a:socket=' + self.sock('a'),
                                '--stats-json', self.path('mounted')], stdout=subprocess.DEVNULL)
        self.addCleanup(nic.kill)
        self.wait_until(lambda: os.path.exists(self.sock('a')))
        nic.terminate()
        self.assertEqual(nic.wait(60), 0)
        with open(self.path('kept'), encoding='utf-8') as f:
            self.assertEqual(json.load(f)['ports'][0]['name'], 'a')
        self.assertEqual(sorted(os.listdir(self.dir)), ['kept', 'mounted'])

    def test_stopped_reader_does_not_delay_exit(self):
        name = self.path('fifo')
        os.mkfifo(name)
        fd = os.open(name, os.O_RDWR | os.O_NONBLOCK)
        try:
            nic = subprocess.Popen([NIC, '--port', 'a:socket=' + self.sock('a'), '--stats-json',
                                    name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
            self.addCleanup(nic.kill)
            self.wait_until(lambda: os.path.exists(self.sock('a')))
            with self.assertRaises(BlockingIOError):
                while True:
                    os.write(fd, bytes(4096))
            nic.terminate()
            self.assertIn('cannot write statistics to ' + name, nic.communicate(timeout=60)[1])
            self.assertEqual(nic.returncode, 1)
        finally:
            os.close(fd)

    def test_other_programs_refuse_output_before_they_begin(self):
        """The programs leave the file unchanged, because they have not begun."""
        name = self.path('sizes')
        with open(name, 'w', encoding='utf-8') as f:
            f.write('64 0.1\n')
        with open(name, encoding='utf-8') as f:
            p = subprocess.run([TESTPMD, '--no-huge', '-m', '64', '--no-pci', '--', 'linerate',
                                '--sizes', '-', '--json', name], stdin=f, capture_output=True,
                               text=True, timeout=60, check=False)
        self.assertEqual(p.returncode, 2, p.stderr)
        self.assertIn('it is standard input', p.stderr)
        self.assertEqual(os.path.getsize(name), 7)


if __name__ == '__main__':
    unittest.main()
