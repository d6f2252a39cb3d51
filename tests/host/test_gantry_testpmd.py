# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""gantry-testpmd: each mode with every byte compared, and the three addresses."""

import fcntl
import glob
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

from lib import NIC, PMDS, TESTPMD, Bench, needs_hugepages, tag
from packets import (A, IP_A, IP_B, csum, ether, icmp_echo, ipv4, mac, noise, read_pcap, udp,
                     write_pcap)

MAC0, MAC1 = '02:00:00:00:00:10', '02:00:00:00:00:11'


class Command(Bench):
    def app(self, socks, args, mem=None, iova=None):
        return self.run_process([TESTPMD] + self.eal(*socks, mem=mem, iova=iova, lcores='0') +
                                ['--'] + args)


@tag('dma')
class Forward(Command):
    frames = [noise(n, n) for n in range(60, 1515, 3)]

    def through(self, mode, frames, expected=None):
        """in.pcap -> port 0 -> gantry-testpmd -> port 1 -> out.pcap; return frames and JSON."""
        write_pcap(self.path('in.pcap'), frames)
        write_pcap(self.path('empty.pcap'), [])
        nic = self.nic('a:mac=%s,speed=1G,wire=pcap:%s:%s' % (MAC0, self.path('in.pcap'),
                                                            self.path('back.pcap')),
                       'b:mac=%s,speed=max,wire=pcap:%s:%s' % (MAC1, self.path('empty.pcap'),
                                                              self.path('out.pcap')))
        app = self.app([self.sock('a'), self.sock('b')],
                       ['forward', '--mode', mode, '--rxd', '4096', '--txd', '4096',
                        '--json', self.path('app.json')])
        out = 'a' if mode == 'icmpecho' else 'b'
        n = len(frames) if expected is None else expected
        self.wait_until(lambda: self.nic_now(nic)['a']['rx']['frames'] >= len(frames) and
                        self.nic_now(nic)[out]['tx']['frames'] >= n)
        app.signal(signal.SIGINT)
        app.wait()
        self.nic_stats(nic)
        with open(self.path('app.json')) as f:
            report = json.load(f)
        return read_pcap(self.path('back.pcap' if out == 'a' else 'out.pcap')), report

    def assert_frames(self, got, want):
        self.assertEqual(len(got), len(want))
        for i, (g, w) in enumerate(zip(got, want)):
            self.assertEqual(g.hex(), w.hex(), 'frame %d' % i)

    def test_io_forwards_frames_unchanged(self):
        got, _ = self.through('io', self.frames)
        self.assert_frames(got, self.frames)

    def test_macswap_swaps_addresses(self):
        got, _ = self.through('macswap', self.frames)
        self.assert_frames(got, [f[6:12] + f[:6] + f[12:] for f in self.frames])

    def test_mac_sets_source_address(self):
        got, _ = self.through('mac', self.frames)
        self.assert_frames([f[6:] for f in got], [mac(MAC1) + f[12:] for f in self.frames])

    def test_rxonly_forwards_nothing(self):
        got, _ = self.through('rxonly', self.frames, expected=0)
        self.assertEqual(got, [])

    def test_icmpecho_answers_only_echo_requests(self):
        echo = [ether(ipv4(icmp_echo(bytes(n), seq=n), 1), dst=mac(MAC0)).ljust(60, b'\0')
                for n in range(1, 1400, 31)]
        other = [ether(ipv4(udp(bytes(n)), 17), dst=mac(MAC0)) for n in range(40, 90)]
        got, _ = self.through('icmpecho', echo + other, expected=len(echo))
        self.assertEqual(len(got), len(echo))
        for reply, request in zip(got, echo):
            total = int.from_bytes(request[16:18], 'big')
            self.assertEqual((reply[:6], reply[6:12]), (A, mac(MAC0)))
            self.assertEqual((reply[26:30], reply[30:34], reply[34]), (IP_B, IP_A, 0))
            self.assertEqual((csum(reply[14:34]), csum(reply[34:14 + total])), (0, 0))
            self.assertEqual(reply[38:14 + total], request[38:14 + total])

    def test_txonly_reports_sent_frames_as_json(self):
        write_pcap(self.path('empty.pcap'), [])
        nic = self.nic('a:wire=pcap:%s:%s' % (self.path('empty.pcap'), self.path('out.pcap')))
        app = self.app([self.sock('a')], ['forward', '--mode', 'txonly', '--size', '200',
                                          '--duration', '1', '--json', self.path('app.json')])
        app.wait()
        self.assertNotIn('gantry-testpmd: ', app.text())
        stats = self.nic_stats(nic)['a']
        got = read_pcap(self.path('out.pcap'))
        self.assertEqual(len(got), stats['device']['tx_frames'])
        self.assertGreater(len(got), 1000)
        self.assertEqual({len(f) for f in got}, {196})     # 200 with the FCS
        with open(self.path('app.json')) as f:
            report = json.load(f)
        self.assertEqual(report['mode'], 'txonly')
        self.assertEqual(sum(p['tx_packets'] for p in report['ports']), len(got))
        self.assertEqual(report['sent'], len(got))

    def test_exit_waits_for_slow_wire(self):
        """At 10 Mb/s a full ring takes longer than any fixed limit that suits a fast wire."""
        write_pcap(self.path('empty.pcap'), [])
        nic = self.nic('a:speed=10,wire=pcap:%s:%s' % (self.path('empty.pcap'),
                                                     self.path('out.pcap')))
        app = self.app([self.sock('a')], ['forward', '--mode', 'txonly', '--size', '1500',
                                          '--duration', '0.5', '--json', self.path('app.json')])
        app.wait()
        self.assertNotIn('gantry-testpmd: ', app.text())
        self.nic_stats(nic)
        with open(self.path('app.json')) as f:
            report = json.load(f)
        self.assertGreater(report['sent'], 1023)           # the ring alone: 1.2 s
        self.assertEqual(report['sent'], len(read_pcap(self.path('out.pcap'))))

    def test_rates_are_one_line_on_a_terminal(self):
        """The rates are one line, refreshed once a second; Ctrl-C ends the program."""
        self.nic('a:speed=100,wire=loop')
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        argv = [TESTPMD] + self.eal(self.sock('a'), lcores='0') + \
            ['--', 'forward', '--mode', 'txonly']
        # The terminal controls the session of the application, so Ctrl-C typed there becomes a
        # signal.
        app = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL,
                               start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.addCleanup(lambda: (app.poll() is None and app.kill(), app.wait()))
        os.close(slave)
        text, typed, end = b'', False, time.monotonic() + 40
        while time.monotonic() < end:
            if not select.select([master], [], [], 0.1)[0]:
                continue
            try:
                got = os.read(master, 4096)
            except OSError:                                # EIO: nobody has the other end open
                break
            if not got:
                break
            text += got
            if text.count(b'\033[K') >= 4 and not typed:
                os.write(master, b'\x03')
                typed = True
        self.assertTrue(typed, text)
        self.assertEqual(app.wait(), 0, text)
        live, _, rest = text.partition(b'\r\033[K')
        lines = re.findall(rb'\r *(\d+) s   port 0 rx \S+ \w?pps tx ([\d.]+) kpps\033\[K', live)
        self.assertGreaterEqual(len(lines), 4, text)
        for n, (seconds, kpps) in enumerate(lines, 1):
            self.assertGreaterEqual(int(seconds), n, text)  # later on a busy machine
            # 100 Mb/s at 64 bytes: 148.8 kpps
            self.assertTrue(0 < float(kpps) < 160, text)
        self.assertNotIn(b'\n', live[re.search(rb'\r +1 s ', live).start():], text)
        self.assertRegex(rest, rb'port 0 .*: rx \d+ packets')

    def test_sigint_ends_it_cleanly(self):
        nic = self.nic('a:wire=loop,speed=max')
        app = self.app([self.sock('a')], ['forward', '--mode', 'txonly'])
        app.expect('^forwarding on 1 port')
        app.signal(signal.SIGINT)
        app.wait()
        self.wait_client_gone(nic, 'a')


class Addresses(Command):
    def listing(self, **kw):
        self.nic('a:wire=loop')
        app = self.app([self.sock('a')], ['addresses', '--json', self.path('a.json')], **kw)
        app.wait()
        with open(self.path('a.json')) as f:
            return json.load(f)['objects'], app.text()

    def kinds(self, entries):
        self.assertEqual({e['kind'] for e in entries}, {'rx ring', 'tx ring', 'rx pool', 'BAR'})
        bars = [e for e in entries if e['kind'] == 'BAR']
        # The two pages of queue registers are mapped; all other registers are accessed by message.
        self.assertEqual(sorted(e['size'] for e in bars if e['cpu'] != '-'), [4096, 4096])
        self.assertTrue(all(e['bus'] != '-' for e in bars))
        for e in bars:
            self.assertEqual(e['mapped_by'],
                             'no: by message' if e['cpu'] == '-' else 'bus vfio_user', e)
            self.assertRegex(e['physical'], '^-$' if e['cpu'] == '-' else
                             '^0x[0-9a-f]+$' if os.geteuid() == 0 else '^needs root$', e)
        for e in entries:
            if e['kind'] != 'BAR':
                self.assertEqual(e['mapped_by'],
                                 'EAL' if e['kind'] == 'rx pool' else 'lib/dma, coherent', e)
        return [e for e in entries if e['kind'] != 'BAR']

    def test_bus_address_is_virtual_in_iova_va(self):
        """The bus address equals the virtual address."""
        entries, text = self.listing()
        self.assertIn('IOVA mode VA', text)
        self.assertRegex(text, r'(?m)^port .* mapped by$')
        self.assertRegex(text, r'(?m)^0 +BAR .* bus vfio_user$')
        for e in self.kinds(entries):
            self.assertEqual(e['bus'], e['cpu'], e)

    @needs_hugepages
    def test_bus_address_is_physical_in_iova_pa(self):
        """The bus address equals the physical address, which differs from the virtual one."""
        entries, text = self.listing(mem='huge', iova='pa')
        self.assertIn('IOVA mode PA', text)
        for e in self.kinds(entries):
            self.assertEqual(e['bus'], e['physical'], e)
            self.assertNotEqual(e['bus'], e['cpu'], e)

    @unittest.skipUnless(os.geteuid() == 0, 'needs root, to become somebody else')
    def test_unknown_physical_addresses_are_reported_without_root(self):
        folder = self.for_everybody(NIC, TESTPMD, *glob.glob(os.path.join(PMDS, '*.so')))
        env = dict(os.environ, XDG_RUNTIME_DIR=self.dir, LD_LIBRARY_PATH=folder)
        who = dict(user=65534, group=65534, extra_groups=[], cwd=self.dir)
        self.nic('a:wire=loop', binary=os.path.join(folder, 'gantry-nic'), **who)
        app = self.run_process([os.path.join(folder, 'gantry-testpmd')] +
                               self.eal(self.sock('a'), lcores='0') + ['--', 'addresses'],
                               env=env, **who)
        app.wait()
        self.assertIn('needs root', app.text())
        self.assertIsNone(re.search(r'^0 +rx ring.* 0x0 ', app.text(), re.M))


if __name__ == '__main__':
    unittest.main()
