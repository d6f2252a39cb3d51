# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The parts of ethdev that no packaged tool calls; ethdev_calls.c has the scenarios."""

import re
import struct
import unittest

from lib import DIRECT, DMA, DMA_DEBUG, IOVA, Bench, needs_hugepages, tag
from packets import read_pcap, write_pcap


def ones_sum(data):
    """Return the sum of RFC 1071: 0xFFFF over data that contain their own checksum."""
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@tag('dma')
class Scenario(Bench):
    def scenario(self, name, port='wire=loop', **kw):
        nic = self.nic('p:' + port)
        self.play(name, 'p', **kw)
        return nic

    def play(self, name, *ports, timeout=60, **kw):
        """Play the scenario on these ports, and collect the facts that it prints."""
        eal = dict({'lcores': '0', 'mb': 64}, **kw)
        app = self.ethdev_calls(self.eal(*[self.sock(p) for p in ports], **eal), name)
        app.wait(timeout)
        self.assertIn(name + ': ok', app.text())
        self.facts = dict(re.findall(r'^(\w+)=(.*)$', app.text(), re.M))
        self.text = app.text()


class EthdevCalls(Scenario):

    def test_port_can_be_configured_and_started_again(self):
        self.scenario('restart')

    if DMA in ('window', 'bounce'):
        def test_application_mapping_takes_no_driver_address(self):
            self.scenario('application-maps')

    def test_deferred_queues_start_on_request(self):
        self.scenario('deferred-queues')

    def test_filters_accept_only_set_addresses_and_vlans(self):
        self.scenario('filters')

    def test_identity_is_that_of_the_82576(self):
        self.scenario('identity')

    def test_accepted_packets_are_sent_and_others_counted(self):
        self.scenario('tx-prepare')

    def test_buffers_of_any_size_receive_frames_of_any_length(self):
        self.scenario('scatter', mb=128)

    def test_tso_segments_are_right_on_the_wire(self):
        """Compare the segments with a capture of the wire."""
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
                # FIN and PSH are set in the last segment only, ACK in every one.
                self.assertEqual(flags, 0x19 if last else 0x10)
                self.assertEqual(tcp[20:], part)
        self.assertEqual(frames, [])

    def test_link_changes_are_events(self):
        self.scenario('link')

    def test_link_has_offered_speed(self):
        self.scenario('speeds')

    def test_rx_interrupts_wake_their_queue(self):
        self.scenario('interrupts')

    def test_sctp_checksum_is_inserted_and_verified(self):
        self.scenario('sctp')


class Device(Scenario):
    """The device fails, or appears to fail; ethdev_device.c has the scenarios."""

    def test_unmapped_buffer_loses_only_its_frame(self):
        """The frame causes one DMA fault and is lost, and the other frames are not affected.

        Modes in which the library looks up the buffer itself ignore the address in the mbuf. Over
        direct mode, the debug layer looks it up and reports the misuse.
        """
        self.misuses = {'map-invalid'} if DIRECT and DMA_DEBUG else set()
        nic = self.scenario('bad-buffer')
        bad = int(DIRECT and not DMA_DEBUG)
        self.assertEqual(self.facts['received'], str(32 - bad))
        self.assertEqual(self.facts['bad_came_back'], str(1 - bad))
        self.assertEqual((self.facts['opackets'], self.facts['oerrors']), ('32', str(bad)))
        self.assertEqual(self.nic_stats(nic)['p']['server']['dma_faults'], bad)
        self.assertEqual(self.text.count('was refused an access to memory (master abort)'), bad)

    def test_device_errors_are_logged_and_reset_cures_them(self):
        self.scenario('device-error')
        self.assertIn('out of sync (DOUTSYNC)', self.text)
        self.assertIn('fatal error (FER)', self.text)

    def ring_bases(self, is_physical, **kw):
        """Rings have EAL bus addresses in direct mode, and addresses of the library in others."""
        self.scenario('ring-bases', **kw)
        for ring in 'rx0', 'rx1', 'tx0':
            base, va, physical = (self.facts['%s_%s' % (ring, what)]
                                  for what in ('register', 'va', 'physical'))
            if DIRECT:
                self.assertEqual((base == va, base == physical), (not is_physical, is_physical))
                self.assertIn('1', (self.facts[ring + '_contiguous'], str(1 - is_physical)))
            else:
                self.assertNotIn(base, (va, physical))

    def test_ring_bases_hold_bus_addresses(self):
        self.ring_bases(IOVA == 'pa')

    @tag('memory')
    @needs_hugepages
    def test_ring_bases_hold_physical_addresses_in_iova_pa(self):
        self.ring_bases(True, mem='huge', iova='pa')
        self.assertEqual(self.facts['iova_mode'], 'pa')

    def test_stale_descriptor_faults_only_in_strict_mode(self):
        """A stale descriptor: the device sends the returned buffer, except in strict mode."""
        nic = self.scenario('stale-descriptor')
        faults = self.nic_stats(nic)['p']['server']['dma_faults']
        self.assertEqual((self.facts['came_back'], faults),
                         ('0', 1) if DMA == 'strict' else ('1', 0))

    def test_unmapped_transmit_ring_is_a_stall(self):
        self.scenario('stall-tx', timeout=150)
        self.assertEqual(len(re.findall('tx queue 0 stalls', self.text)), 2)
        self.assertIn("TDBA is 0x7654320000, the ring's address 0x", self.text)

    def test_unmapped_receive_ring_is_a_stall(self):
        self.scenario('stall-rx', timeout=150)
        self.assertEqual(len(re.findall('rx queue 0 stalls', self.text)), 2)

    def test_unplugged_device_is_removed_and_can_return(self):
        nic = self.nic('p:wire=loop')
        app = self.ethdev_calls(self.eal(self.sock('p'), lcores='0', mb=64), 'unplug')
        app.expect(r'^flowing')
        nic.stop()
        app.expect(r'^detached', 60)
        self.nic('p:wire=loop')
        app.say('plug ' + self.eal_device(self.sock('p')))
        app.wait()
        self.assertIn('unplug: ok', app.text())

    def test_quiet_port_is_no_stall(self):
        """A port that is idle, slow, without a link or blocked by its far end is not stalled."""
        self.nic('p:wire=loop', 'q:wire=loop,speed=10', 'r:wire=loop', 's:wire=loop,speed=max',
                 't:wire=loop')
        self.play('no-stall', *'pqrst')
        self.assertNotIn('stalls', self.text)


if __name__ == '__main__':
    unittest.main()
