# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What no packaged tool calls of ethdev: see ethdev_calls.c."""

import struct
import unittest

from lib import Bench
from packets import read_pcap, write_pcap


def ones_sum(data):
    """RFC 1071: 0xFFFF over data that hold their own checksum."""
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class EthdevCalls(Bench):
    def scenario(self, name, port='wire=loop'):
        nic = self.nic('p:' + port)
        app = self.ethdev_calls(self.eal(self.sock('p'), lcores='0', mb=64), name)
        app.wait(60)
        self.assertIn(name + ': ok', app.text())
        return nic

    def test_configured_and_started_again(self):
        self.scenario('again')

    def test_deferred_start(self):
        self.scenario('deferred')

    def test_filters(self):
        self.scenario('filters')

    def test_identity(self):
        self.scenario('identity')

    def test_tso(self):
        """The segments as a capture on the wire has them."""
        idle, out = self.path('idle.pcap'), self.path('out.pcap')
        write_pcap(idle, [b'\xff' * 6 + b'\x02' + b'\0' * 53])
        nic = self.scenario('tso', 'wire=pcap:%s:%s' % (idle, out))
        nic.stop()
        frames = read_pcap(out)
        pattern = bytes((at * 31 ^ at >> 8) & 0xFF for at in range(5000))
        for port, ip6, payload, mss in ((2000, False, 5000, 1000), (2001, True, 3333, 1200),
                                        (2002, False, 700, 700)):
            for k, at in enumerate(range(0, payload, mss)):
                part = pattern[at:min(at + mss, payload)]
                last = at + mss >= payload
                f = frames.pop(0)
                kind = b'\x08\x00'
                if ip6:
                    self.assertEqual(f[12:16], b'\x81\x00\x00\x64')
                    f = f[:12] + f[16:]
                    kind = b'\x86\xdd'
                self.assertEqual(f[12:14], kind)
                size = (40 if ip6 else 20) + 20 + len(part)
                self.assertEqual(len(f), 14 + size)
                ip, tcp = f[14:14 + size - 20 - len(part)], f[14 + size - 20 - len(part):]
                if ip6:
                    self.assertEqual(struct.unpack('>H', ip[4:6])[0], 20 + len(part))
                    pseudo = ip[8:40]
                else:
                    self.assertEqual(struct.unpack('>HH', ip[2:6]), (size, 0xFFFE + k & 0xFFFF))
                    self.assertEqual(ones_sum(ip), 0xFFFF)
                    pseudo = ip[12:20]
                pseudo += struct.pack('>HH', 6, len(tcp))
                self.assertEqual(ones_sum(pseudo + tcp), 0xFFFF)
                sport, dport, seq, ack, off, flags, win = struct.unpack('>HHIIBBH', tcp[:16])
                self.assertEqual((sport, dport, ack, off, win), (1000, port, 77, 0x50, 8192))
                self.assertEqual(seq, 0xFFFFFE00 + at & 0xFFFFFFFF)
                # FIN and PSH are the last one's, ACK everybody's.
                self.assertEqual(flags, 0x19 if last else 0x10)
                self.assertEqual(tcp[20:], part)
        self.assertEqual(frames, [])

    def test_link_events(self):
        self.scenario('link')

    def test_rx_interrupts(self):
        self.scenario('interrupts')

    def test_sctp_checksum(self):
        self.scenario('sctp')


if __name__ == '__main__':
    unittest.main()
