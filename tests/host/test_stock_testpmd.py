# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's dpdk-testpmd, unmodified, on software NICs.

The daemon replays a capture and records another. The tests compare byte for byte what the
application did to the frames.
"""

import re
import unittest

from lib import Bench, needs_hugepages, tag
from packets import (A, IP_A, IP_B, arp_request, csum, ether, icmp_echo, ipv4, mac, noise,
                     read_pcap, tcp, udp, write_pcap)

MAC0, MAC1 = '02:00:00:00:00:10', '02:00:00:00:00:11'


@tag('dma')
class Forwarding(Bench):
    """in.pcap -> port 0 -> testpmd -> port 1 -> out.pcap"""

    def forward(self, frames, args=(), mem=None, iova=None, commands=(), expected=None,
                mb=256):
        """Return the recorded frames, the output of testpmd, and the counters of the daemon.

        No frame may be lost: speed=max waits for receive descriptors, and testpmd retries when its
        transmit ring is full.
        """
        write_pcap(self.path('in.pcap'), frames)
        nic = self.nic('a:mac=%s,speed=max,start=0,wire=pcap:%s' % (MAC0, self.path('in.pcap')),
                       'b:mac=%s,speed=max,wire=pcap:%s:%s' % (MAC1, self.empty_input(),
                                                              self.path('out.pcap')))
        pmd = self.dpdk_testpmd(
            self.eal(self.sock('a'), self.sock('b'), mem=mem, iova=iova, mb=mb),
            ['--rxd=4096', '--txd=1024', '--disable-device-start', '--no-flush-rx'] + list(args))
        mode = next(a.split('=')[1] for a in args if a.startswith('--forward-mode='))
        self.retry(pmd, mode)
        for c in commands:
            self.command(pmd, c)
        self.command(pmd, 'port start all', r'Done')
        self.command(pmd, 'start')
        n = len(frames) if expected is None else expected
        self.wait_until(lambda: self.nic_now(nic)['b']['tx']['frames'] >= n)
        self.command(pmd, 'stop')
        text = pmd.text()
        self.quit(pmd)
        stats = self.nic_stats(nic)
        return read_pcap(self.path('out.pcap')), text, stats

    def empty_input(self):
        write_pcap(self.path('in0.pcap'), [])
        return self.path('in0.pcap')

    def assert_frames(self, got, want):
        self.assertEqual(len(got), len(want))
        for i, (g, w) in enumerate(zip(got, want)):
            if g != w:
                self.fail('frame %d (%d bytes) differs:\n%s\n%s' % (i, len(w), g.hex(), w.hex()))


class Modes(Forwarding):
    frames = [noise(n, n) for n in range(60, 1515)]

    def test_io_forwards_frames_unchanged(self):
        got, _, _ = self.forward(self.frames, ['--forward-mode=io'])
        self.assert_frames(got, self.frames)

    def test_mac_sets_both_addresses(self):
        peer = '02:00:00:00:00:99'
        got, _, _ = self.forward(self.frames, ['--forward-mode=mac', '--eth-peer=1,' + peer])
        self.assert_frames(got, [mac(peer) + mac(MAC1) + f[12:] for f in self.frames])

    def test_macswap_swaps_addresses(self):
        got, _, _ = self.forward(self.frames, ['--forward-mode=macswap'])
        self.assert_frames(got, [f[6:12] + f[:6] + f[12:] for f in self.frames])

    def test_csum_inserts_missing_checksums(self):
        """The device inserts the checksums that the frames lack."""
        frames, want = [], []
        for n in range(20, 900, 7):
            data = bytes((n + i) & 0xff for i in range(n))
            for proto, make in (17, udp), (6, tcp):
                good = make(data)
                frames.append(
                    ether(ipv4(make(data, checksum=0x1234), proto, bad=True)).ljust(60, b'\0'))
                want.append(ether(ipv4(good, proto)).ljust(60, b'\0')[14:])
        got, _, _ = self.forward(frames, ['--forward-mode=csum', '--tx-offloads=0xe'],
                                 commands=['csum set %s hw %d' % (what, port)
                                           for what in ('ip', 'udp', 'tcp') for port in (0, 1)])
        self.assert_frames([f[14:] for f in got], want)

    def test_rxonly_counts_all_frames(self):
        write_pcap(self.path('in.pcap'), self.frames)
        nic = self.nic('a:wire=pcap:' + self.path('in.pcap'))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a')),
                                ['--forward-mode=rxonly', '--rxd=4096',
                                 '--disable-device-start', '--no-flush-rx'])
        # This order enables promiscuous mode before the first frame arrives.
        self.command(pmd, 'port start all', r'Done')
        self.command(pmd, 'start')
        self.wait_until(lambda: 'RX-packets: %d ' % len(self.frames) in self.port_stats(pmd))
        stats = self.port_stats(pmd)
        self.assertIn('RX-bytes:  %d' % sum(len(f) for f in self.frames), stats)
        self.assertRegex(stats, r'RX-missed: 0 ')
        self.command(pmd, 'stop')
        self.quit(pmd)
        self.assertEqual(self.nic_stats(nic)['a']['device']['rx_frames'], len(self.frames))

    def port_stats(self, pmd):
        start = len(pmd.text())
        self.command(pmd, 'show port stats 0', r'Tx-bps.*\n')
        return pmd.text()[start:]

    def test_txonly_sends_counted_frames(self):
        nic = self.nic('a:wire=pcap:%s:%s' % (self.empty_input(), self.path('out.pcap')))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a')),
                                ['--forward-mode=txonly', '--txpkts=64,100,36',
                                 '--tx-offloads=0x8000'])
        self.command(pmd, 'start')
        self.wait_until(lambda: self.nic_now(nic)['a']['tx']['frames'] >= 5000)
        self.command(pmd, 'stop')
        sent = int(re.findall(r'TX-packets: (\d+)', pmd.text())[0])
        # Frames that are in the transmit ring when the port stops are not sent.
        self.wait_until(lambda: self.nic_now(nic)['a']['tx']['frames'] == sent)
        self.quit(pmd)
        self.nic_stats(nic)
        got = read_pcap(self.path('out.pcap'))
        self.assertEqual(len(got), sent)
        for f in got:
            self.assertEqual(len(f), 200)
            self.assertEqual(f[12:14], b'\x08\x00')
            self.assertEqual(csum(f[14:34]), 0)   # zero over a header with its checksum

    def test_icmpecho_answers_requests(self):
        requests = [ether(ipv4(icmp_echo(bytes(n), seq=n), 1), dst=mac(MAC0)).ljust(60, b'\0')
                    for n in range(1, 1400, 13)]
        write_pcap(self.path('in.pcap'), [arp_request()] + requests)
        nic = self.nic('a:mac=%s,wire=pcap:%s:%s' %
                       (MAC0, self.path('in.pcap'), self.path('out.pcap')))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a')),
                                ['--forward-mode=icmpecho', '--no-flush-rx'])
        self.command(pmd, 'start')
        self.wait_until(lambda: self.nic_now(nic)['a']['tx']['frames'] >= len(requests) + 1)
        self.command(pmd, 'stop')
        self.quit(pmd)
        self.nic_stats(nic)
        got = read_pcap(self.path('out.pcap'))
        self.assertEqual(len(got), len(requests) + 1)
        arp = got[0]
        self.assertEqual((arp[:6], arp[6:12], arp[12:14], arp[20:22]),
                         (A, mac(MAC0), b'\x08\x06', b'\0\x02'))
        for reply, request in zip(got[1:], requests):
            total = int.from_bytes(request[16:18], 'big')
            self.assertEqual((reply[:6], reply[6:12]), (A, mac(MAC0)))
            self.assertEqual((reply[26:30], reply[30:34]), (IP_B, IP_A))
            self.assertEqual(reply[34], 0)
            self.assertEqual(csum(reply[14:34]), 0)
            self.assertEqual(csum(reply[34:14 + total]), 0)
            self.assertEqual(reply[38:14 + total], request[38:14 + total])


@tag('dma', 'memory')    # each test chooses its memory
class Sizes(Forwarding):
    """Every frame size, through buffers of 2 KiB: scattered receive, chained transmit."""

    frames = [noise(n, n) for n in range(60, 9001)]
    args = ['--forward-mode=io', '--max-pkt-len=9022', '--rx-offloads=0x2000',
            '--tx-offloads=0x8000']

    def all_sizes(self, mem, iova, mode):
        got, text, stats = self.forward(self.frames, self.args, mem=mem, iova=iova,
                                        expected=len(self.frames))
        self.assertIn("Selected IOVA mode '%s'" % mode, text)
        self.assertEqual(stats['a']['device']['dma_faults'], 0)
        self.assertEqual(stats['b']['device']['dma_faults'], 0)
        self.assert_frames(got, self.frames)

    def test_each_size_passes_without_hugepages(self):
        self.all_sizes('no-huge', None, 'VA')

    @needs_hugepages
    def test_each_size_passes_with_hugepages_in_iova_va(self):
        self.all_sizes('huge', 'va', 'VA')

    @needs_hugepages
    def test_each_size_passes_with_hugepages_in_iova_pa(self):
        self.all_sizes('huge', 'pa', 'PA')


class Queues(Forwarding):
    flows = [ether(ipv4(udp(bytes(64), sport=1000 + i, dport=2000 + i // 7), 17))
             for i in range(2000)]

    def queues(self, n):
        got, _, stats = self.forward(
            self.flows, ['--forward-mode=io', '--rxq=%d' % n, '--txq=%d' % n, '--rss-udp',
                         '--rxd=512', '--txd=512', '--total-num-mbufs=32768'])
        self.assertEqual(sorted(got), sorted(self.flows))
        used = [q['rx_frames'] for q in stats['a']['device']['queues']]
        self.assertEqual(sum(used), len(self.flows))
        self.assertEqual([i for i, f in enumerate(used) if f], list(range(n)),
                         'RSS did not spread over the %d queues: %s' % (n, used))

    def test_rss_uses_one_queue(self):
        self.queues(1)

    def test_rss_spreads_over_four_queues(self):
        self.queues(4)

    def test_rss_spreads_over_sixteen_queues(self):
        self.queues(16)


class Offloads(Forwarding):
    def test_wrong_checksums_are_counted(self):
        """The csum engine of testpmd counts the frames whose checksums the device found wrong."""
        frames = []
        bad = {'ip': 0, 'l4': 0}
        for i in range(300):
            proto, make = ((17, udp), (6, tcp))[i % 2]
            bad_ip, bad_l4 = i % 5 == 0, i % 7 == 0
            seg = make(bytes([i & 0xff] * 50))
            if bad_l4:
                seg = seg[:-1] + bytes([seg[-1] ^ 0xff])
            frames.append(ether(ipv4(seg, proto, bad=bad_ip)))
            bad['ip'] += bad_ip
            bad['l4'] += bad_l4
        _, text, _ = self.forward(frames, ['--forward-mode=csum', '--enable-rx-cksum',
                                           '--tx-offloads=0xe'])
        total = {k: sum(int(n) for n in re.findall(r'Bad-%scsum: (\d+)' % k, text)) for k in bad}
        self.assertEqual(total, bad)

    def test_vlan_tags_are_stripped_and_inserted(self):
        frames = [ether(ipv4(udp(bytes(60)), 17), vlan=100 + i) for i in range(50)]
        got, _, _ = self.forward(
            frames, ['--forward-mode=mac', '--enable-hw-vlan-strip', '--tx-offloads=0x1',
                     '--eth-peer=1,02:00:00:00:00:99'],
            commands=['port stop all', 'tx_vlan set 1 77'])
        self.assert_frames(got, [ether(f[18:], vlan=77, dst=mac('02:00:00:00:00:99'), src=mac(MAC1))
                                 for f in frames])


if __name__ == '__main__':
    unittest.main()
