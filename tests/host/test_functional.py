# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""DPDK's functional suites mtu, buffer_scatter, checksum_offload, port_control, in testpmd.

The tests require the same behaviour of a port, with Debian's dpdk-testpmd.
"""

import socket
import subprocess
import unittest

from lib import Bench, needs_root
from packets import (IP6_A, IP6_B, ether, ipv4, ipv6, mac, noise, read_pcap, sctp, tcp, udp,
                     write_pcap)
from test_stock_testpmd import MAC0, Forwarding

PORT0 = mac(MAC0)

# Frames of the suites are MTU + 18 bytes long without FCS: Ethernet header and one VLAN tag.
OVERHEAD = 18
PADDING = 9


class Mtu(Forwarding):
    """The MTU with which the application was started."""

    args = ['--forward-mode=mac', '--tx-offloads=0x8000', '--total-num-mbufs=10240']

    def passes(self, max_pkt_len, sizes, expected, mbuf_size=9200):
        frames = [noise(n, n, dst=PORT0) for n in sizes]
        got, _, stats = self.forward(
            frames, self.args + ['--max-pkt-len=%d' % max_pkt_len, '--mbuf-size=%d' % mbuf_size],
            expected=len(expected))
        self.assertEqual([f[12:] for f in got], [f[12:] for f in frames if len(f) in expected])
        self.assertEqual(stats['a']['device']['rx_frames'], len(expected))

    def test_standard_mtu_drops_longer_frames(self):
        for mbuf_size in 9200, 1152, 384:
            with self.subTest(mbuf_size=mbuf_size):
                self.passes(1518, (1509, 1518, 1500 + OVERHEAD + PADDING, 60), (1509, 1518, 60),
                            mbuf_size)

    def test_jumbo_mtu_drops_longer_frames(self):
        for mbuf_size in 9200, 1152, 384:
            with self.subTest(mbuf_size=mbuf_size):
                self.passes(9018, (9009, 9018, 9000 + OVERHEAD + PADDING, 1527),
                            (9009, 9018, 1527), mbuf_size)

    def test_tagged_frames_of_1522_bytes_pass_at_standard_mtu(self):
        tagged = [ether(bytes([n]) * 1500, dst=PORT0, vlan=n) for n in (1, 2)]
        self.assertEqual(len(tagged[0]) + 4, 1522)
        for max_pkt_len in 1018, 1518:
            with self.subTest(max_pkt_len=max_pkt_len):
                got, _, _ = self.forward(tagged, self.args + ['--max-pkt-len=%d' % max_pkt_len])
                self.assertEqual([f[12:] for f in got], [f[12:] for f in tagged])


class BufferScatter(Forwarding):
    """Frames about as long as an mbuf, with and without the scatter offload."""

    def scattered(self, *args):
        # The suite counts the FCS in its sizes.
        for mbuf_size in 2048, 512:
            frames = [ether(ipv4(b'X' * (mbuf_size + more - 4 - 34), 17), dst=PORT0)
                      for more in (-1, 0, 1, 4, 5)]
            with self.subTest(mbuf_size=mbuf_size):
                got, _, _ = self.forward(
                    frames, ['--forward-mode=mac', '--mbcache=200', '--mbuf-size=%d' % mbuf_size,
                             '--max-pkt-len=9000', '--tx-offloads=0x8000', *args])
                self.assertEqual([f[12:] for f in got], [f[12:] for f in frames])

    def test_frames_scatter_without_the_offload(self):
        self.scattered()

    def test_frames_scatter_with_the_offload(self):
        self.scattered('--enable-scatter')


@needs_root     # for a TAP, and frames at any time
class Live(Bench):
    """TAP -> port 0 -> testpmd -> port 1 -> out.pcap"""

    def setUp(self):
        super().setUp()
        self.tap = self.tap_name()
        self.sent = self.marks = 0
        self.want = []

    def open(self, *args):
        write_pcap(self.path('none.pcap'), [])
        self.daemon = self.nic('a:speed=max,wire=tap:' + self.tap, 'b:speed=max,wire=pcap:%s:%s' % (
            self.path('none.pcap'), self.path('out.pcap')))
        for line in ('addrgenmode none', 'mtu 9300', 'up'):
            subprocess.run(['ip', 'link', 'set', self.tap, *line.split()], check=True)
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(self.raw.close)
        self.raw.bind((self.tap, 0))
        self.pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')), args)

    def send(self, frame, arrives=True):
        self.raw.send(frame)
        if arrives:
            self.want.append(frame[12:])

    def settle(self):
        """Send a frame that always passes, so that no earlier frame is pending afterwards."""
        self.marks += 1
        self.send(noise(60, 10 ** 6 + self.marks))
        self.wait_until(lambda: self.nic_now(self.daemon)['b']['tx']['frames'] >= len(self.want))

    def close(self):
        self.quit(self.pmd)
        self.nic_stats(self.daemon)
        got = [f[12:] for f in read_pcap(self.path('out.pcap'))]
        self.assertEqual([len(f) for f in got], [len(f) for f in self.want])
        self.assertEqual(got, self.want)


class ChecksumOffload(Live):
    """The checksum status that testpmd prints, and the checksums that the device inserts."""

    def frames(self, bad_ip, bad_l4, vlan=None, payload=b'x' * 26):
        """Return UDP, TCP and SCTP over IPv4; unless bad_ip is set, also UDP and TCP over IPv6."""
        l4 = {'checksum': 0xf} if bad_l4 else {}
        ip6 = {'src': IP6_A, 'dst': IP6_B}
        frames = [ether(ipv4(make(payload, **l4), proto, bad=bad_ip), vlan=vlan)
                  for make, proto in ((udp, 17), (tcp, 6), (sctp, 132))]
        if not bad_ip:
            frames += [ether(ipv6(make(payload, **l4, **ip6), proto), ethertype=0x86dd, vlan=vlan)
                       for make, proto in ((udp, 17), (tcp, 6))]
        return frames

    def assert_verdict(self, frame, good_ip, good_l4):
        """Send a frame, and check the checksum status that testpmd prints for it."""
        before = len(self.pmd.text())
        self.send(frame)
        m = self.pmd.expect(r'^rx: .* flags=(.*) $', start=before)
        for layer, good in ('IP', good_ip), ('L4', good_l4):
            self.assertIn('RTE_MBUF_F_RX_%s_CKSUM_%s ' % (layer, 'GOOD' if good else 'BAD'),
                          m[1] + ' ', m[0])

    def test_each_checksum_is_verified(self):
        self.open('--forward-mode=csum', '--rx-offloads=0x2000e')
        self.command(self.pmd, 'set verbose 1')
        self.command(self.pmd, 'start')
        for vlan in None, 1:
            for bad_ip, bad_l4 in (False, False), (False, True), (True, False), (True, True):
                for frame in self.frames(bad_ip, bad_l4, vlan):
                    self.assert_verdict(frame, not bad_ip, not bad_l4)
                # Padding is not part of the checksummed data.
                for frame in self.frames(bad_ip, bad_l4, vlan, b'x'):
                    self.assert_verdict(frame.ljust(90, b'\xff'), not bad_ip, not bad_l4)
        # The status is neither good nor bad, because the frame has no checksum.
        before = len(self.pmd.text())
        self.send(noise(60, 1))
        m = self.pmd.expect(r'^  ol_flags: (.*)$', start=before)
        self.assertNotIn('CKSUM_GOOD', m[1])
        self.assertNotIn('CKSUM_BAD', m[1])
        self.command(self.pmd, 'stop')
        self.quit(self.pmd)

    def test_each_checksum_is_inserted(self):
        self.open('--forward-mode=csum', '--rx-offloads=0x2000e', '--tx-offloads=0x1e')
        self.command(self.pmd, 'port stop all', r'Done')
        for layer in 'ip', 'udp', 'tcp', 'sctp':
            for port in 0, 1:
                self.command(self.pmd, 'csum set %s hw %d' % (layer, port))
        self.command(self.pmd, 'port start all', r'Done')
        self.command(self.pmd, 'start')
        for vlan in None, 1:
            for bad_ip, bad_l4 in (False, True), (True, True), (False, False):
                frames = self.frames(bad_ip, bad_l4, vlan)
                for frame in frames:
                    self.send(frame, False)
                self.want += [f[12:] for f in self.frames(False, False, vlan)[:len(frames)]]
        self.settle()
        self.command(self.pmd, 'stop')
        self.close()


class RunningMtu(Live):
    def test_mtu_changes_on_running_port(self):
        for mbuf_size in 9200, 2176:
            with self.subTest(mbuf_size=mbuf_size):
                self.want = []
                self.open('--tx-offloads=0x8000', '--mbuf-size=%d' % mbuf_size,
                          '--forward-mode=mac', '--total-num-mbufs=8192')
                for mtu in 1500, 2400, 4800, 9000, 1500:
                    for port in 0, 1:
                        self.command(self.pmd, 'port config mtu %d %d' % (port, mtu))
                    self.command(self.pmd, 'show port info 0', r'MTU: %d\s' % mtu)
                    self.command(self.pmd, 'start')
                    for size in mtu - PADDING, mtu, mtu + PADDING, 1500 + PADDING, 1500:
                        self.send(noise(size + OVERHEAD, size), size <= mtu)
                    self.settle()
                    self.command(self.pmd, 'stop')
                self.close()


class PortControl(Live):
    def flows(self):
        self.command(self.pmd, 'start')
        for i in range(100):
            self.send(noise(60, i))
        self.settle()
        self.command(self.pmd, 'stop')

    def test_ports_stop_start_reset_and_close(self):
        self.open('--forward-mode=mac')
        self.flows()
        for speed, again in (('100 Gbps', ('port start all', )),
                             ('100 Gbps', ('port reset all', 'port start all')),
                             ('100 Mbps',
                              ('port config all speed 100 duplex full', 'port start all'))):
            self.command(self.pmd, 'port stop all', r'Done')
            for port in 0, 1:
                self.command(self.pmd, 'show port info %d' % port, r'Link status: down')
            for line in again:
                self.command(self.pmd, line, '' if 'config' in line else r'Done')
            for port in 0, 1:
                self.command(self.pmd, 'show port info %d' % port,
                             r'Link status: up\s+Link speed: ' + speed)
            self.flows()
        self.command(self.pmd, 'port stop all', r'Done')
        self.command(self.pmd, 'port close all', r'Done')
        before = len(self.pmd.text())
        self.command(self.pmd, 'show port info all')
        self.assertNotIn('Infos for port', self.pmd.text()[before:])
        self.close()


if __name__ == '__main__':
    unittest.main()
