# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The DMA modes: devices with few address bits, and the memory that a device can see.

All other tests of the driver also run in each mode: run.py --dma.
"""

import os
import re
import unittest

from lib import Bench, needs_hugepages
from packets import noise, read_pcap, write_pcap

FRAMES = [noise(n, n) for n in range(60, 1515, 3)]


class Modes(Bench):
    def forward(self, nic_args, devargs, **eal):
        """in.pcap -> port a -> testpmd -> port b -> out.pcap; return the output of testpmd."""
        self.start(nic_args, devargs, **eal)
        self.wait_until(lambda: self.nic_now(self.daemon)['b']['tx']['frames'] >= len(FRAMES))
        now = self.nic_now(self.daemon)
        self.servers = [now[port]['server'] for port in 'ab']
        return self.finish()

    def start(self, nic_args, devargs, **eal):
        write_pcap(self.path('in.pcap'), FRAMES)
        write_pcap(self.path('empty.pcap'), [])
        self.daemon = self.nic(
            'a:speed=max,wire=pcap:%s%s' % (self.path('in.pcap'), nic_args),
            'b:speed=max,wire=pcap:%s:%s%s' % (self.path('empty.pcap'), self.path('out.pcap'),
                                               nic_args))
        self.pmd = self.dpdk_testpmd(
            self.eal(self.sock('a'), self.sock('b'), devargs=devargs, **eal) +
            ['--log-level=bus.vfio_user:debug'],
            ['--forward-mode=io', '--rxd=1024', '--txd=512', '--disable-device-start',
             '--no-flush-rx', '--total-num-mbufs=8192'])
        self.retry(self.pmd)
        self.command(self.pmd, 'port start all', r'Done')
        self.command(self.pmd, 'start')

    def finish(self):
        self.command(self.pmd, 'stop')
        self.quit(self.pmd)
        for name, port in self.nic_stats(self.daemon).items():
            self.assertEqual(port['server']['dma_faults'], 0, name)
        got = read_pcap(self.path('out.pcap'))
        self.assertEqual([f.hex() for f in got], [f.hex() for f in FRAMES])
        return self.pmd.text()


class Narrow(Modes):
    """Devices that drive 32 and 24 address bits; EAL memory is above both limits."""

    def narrow(self, bits, mode, **eal):
        devargs = ',dma=' + mode if mode else ''
        text = self.forward(',addr_bits=%d' % bits, devargs, **eal)
        # All memory is above the limit, because the bus address is a virtual one and EAL begins at
        # 4 GiB.
        self.assertIn("Selected IOVA mode 'VA'", text)
        return re.findall(r'(?m)^net_gantry_igb: .*: DMA mode (\w+)', text)

    def test_32_bits_choose_window_for_all_memory(self):
        """Without a chosen mode the library uses a window into which all EAL memory fits."""
        self.assertEqual(self.narrow(32, ''), ['window'] * 2)

    def test_32_bits_forward_in_strict_mode(self):
        self.assertEqual(self.narrow(32, 'strict'), ['strict'] * 2)

    def test_32_bits_forward_in_bounce_mode(self):
        self.assertEqual(self.narrow(32, 'bounce'), ['bounce'] * 2)

    def test_24_bits_choose_window_mapped_on_demand(self):
        """The 16 MiB of bus addresses do not suffice for 256 MiB, so memory is mapped on demand."""
        self.assertEqual(self.narrow(24, ''), ['window'] * 2)

    def test_24_bits_forward_in_strict_mode(self):
        self.assertEqual(self.narrow(24, 'strict'), ['strict'] * 2)

    def test_24_bits_forward_in_bounce_mode(self):
        self.assertEqual(self.narrow(24, 'bounce'), ['bounce'] * 2)

    @needs_hugepages
    def test_hugepages_choose_window(self):
        """A window, and mapping on demand, with dynamic memory (testpmd frees some at its end)."""
        for bits in 32, 24:
            with self.subTest(bits=bits):
                self.narrow(bits, '', mem='huge', iova='va')


class PageTable(Modes):
    """A device without an I/O page table: the driver sends DMA_MAP and DMA_UNMAP instead."""

    def without(self, mode, nic_args='', asked=None, **eal):
        text = self.forward(',page_table=off' + nic_args, ',dma=' + (asked or mode), **eal)
        self.assertEqual(re.findall(r'(?m)^net_gantry_igb: .*: DMA mode (\w+)', text), [mode] * 2)
        for server in self.servers:
            self.assertEqual((server['ptes'], server['bad_messages']), (0, 0))
            self.assertGreater(server['dma_maps'], 0)

    def test_page_table_is_used_if_present(self):
        self.forward('', ',dma=strict')
        self.assertTrue(all(server['ptes'] > 0 for server in self.servers))

    def test_strict_without_page_table_maps_only_used_memory(self):
        self.without('strict')
        # Only the EAL memory that is in use is mapped: the buffers of the receive ring, one or two
        # pages each.
        self.assertGreater(self.servers[0]['dma_maps'], 1000)

    def test_bounce_without_page_table_sends_messages(self):
        self.without('bounce')

    def test_24_bits_without_page_table_choose_window(self):
        self.without('window', ',addr_bits=24', 'auto')

    def test_24_bits_without_page_table_forward_in_strict_mode(self):
        self.without('strict', ',addr_bits=24')

    @needs_hugepages
    def test_hugepages_without_page_table_forward_in_strict_mode(self):
        for iova in 'va', 'pa':
            with self.subTest(iova=iova):
                self.without('strict', mem='huge', iova=iova)


class OutOfBuffers(Bench):
    def test_sender_waits_for_free_bounce_buffers(self):
        """The rings have room for more frames than there are bounce buffers: the sender waits."""
        # Bounce buffers get half of the addresses of 24 bits: 8 MiB, room for 4,096 frames.
        nic = self.nic('a:speed=10,wire=loop,addr_bits=24')
        pmd = self.dpdk_testpmd(
            self.eal(self.sock('a'), devargs=',dma=bounce'),
            ['--forward-mode=txonly', '--txpkts=1500', '--rxq=2', '--txq=2', '--rxd=512',
             '--txd=4096', '--total-num-mbufs=32768'])
        self.command(pmd, 'start')
        self.seen = []

        def standing():
            """Return whether ring and buffers are full and drain only at the speed of the wire."""
            start = len(pmd.text())
            self.command(pmd, 'show port stats 0', r'Tx-bps.*\n')
            text = pmd.text()[start:]
            self.assertRegex(text, r'TX-errors: 0 ')
            self.seen.append(int(re.search(r'TX-packets: (\d+)', text)[1]) -
                             self.nic_now(nic)['a']['tx']['frames'])
            return (len(self.seen) > 5 and abs(self.seen[-1] - self.seen[-6]) < 64 and
                    self.seen[-1] > 1500)
        self.wait_until(standing)
        # Two receive rings of 511 buffers each hold some of the bounce buffers.
        self.assertLess(self.seen[-1], 4096 - 2 * 511 + 64)
        self.command(pmd, 'stop')
        self.quit(pmd)
        # The library logs the limit once, with the reason.
        limits = re.findall(r'gantry_dma: .*no more than.*', pmd.text())
        self.assertEqual(len(limits), 1, limits)
        self.assertIn('the limit with 24 address bits', limits[0])
        self.assertEqual(self.nic_stats(nic)['a']['server']['dma_faults'], 0)


class ManyBuffers(Bench):
    def test_bounce_buffers_grow_to_fill_all_rings(self):
        """Sixteen queues of 4,096 descriptors with buffers: the library adds as many as needed."""
        nic = self.nic('a:speed=max,wire=loop')
        pmd = self.dpdk_testpmd(
            self.eal(self.sock('a'), devargs=',dma=bounce', mb=512) +
            ['--log-level=lib.gantry_dma:info'],
            ['--forward-mode=io', '--rxq=16', '--txq=16', '--rxd=4096', '--txd=4096',
             '--total-num-mbufs=100000', '--tx-first'], prompt=False)
        self.wait_until(lambda: self.nic_now(nic)['a']['tx']['frames'] > 10000)
        pmd.say('')
        pmd.wait()
        grown = [int(n) for n in
                 re.findall(r'bounce buffers of 2048 bytes: (\d+)', pmd.text())]
        self.assertTrue(grown and grown[-1] >= 16 * 4095, grown)
        self.assertEqual(self.nic_stats(nic)['a']['server']['dma_faults'], 0)


class Shared(Modes):
    """The memory of the application that the daemon can access, according to the kernel."""

    def files(self, pid):
        """Return the files that are mapped or open in a process: {(device, inode): name}."""
        found = {}
        with open('/proc/%d/maps' % pid) as f:
            for line in f:
                _, _, _, device, inode, *name = line.split(maxsplit=5)
                if inode != '0':
                    found[device, int(inode)] = name[0].strip() if name else ''
        for fd in os.listdir('/proc/%d/fd' % pid):
            path = '/proc/%d/fd/%s' % (pid, fd)
            s = os.stat(path)
            device = '%02x:%02x' % (os.major(s.st_dev), os.minor(s.st_dev))
            found.setdefault((device, s.st_ino), os.readlink(path))
        return found

    def shared(self, mode, **eal):
        """Return the names of the memory files that both processes have while they work."""
        self.start('', ',dma=' + mode, **eal)
        self.wait_until(lambda: self.nic_now(self.daemon)['b']['tx']['frames'] >= len(FRAMES))
        with open('/proc/%d/maps' % self.pmd.p.pid) as f:
            self.maps = f.read().splitlines()
        both = [self.files(p.pid) for p in (self.daemon, self.pmd)]
        names = {both[0][key] for key in both[0].keys() & both[1].keys()}
        self.finish()
        # Ignore programs and libraries, and the files by which the two processes communicate.
        return {re.sub(r'^/|\s*\(deleted\)$', '', n) for n in names
                if 'memfd:' in n or 'huge' in n.lower()}

    def file_at(self, va):
        """Return the name of the file that the application has mapped at that address."""
        for line in self.maps:
            area, _, _, _, _, *name = line.split(maxsplit=5)
            start, end = (int(x, 16) for x in area.split('-'))
            if start <= va < end:
                return name[0] if name else ''
        return 'nothing'

    def bounce(self, **eal):
        names = self.shared('bounce', **eal)
        # Not even temporarily: the application requested mappings only of files that the library
        # made.
        vas = [int(va, 16) for va in re.findall(r'mapped va (0x\w+)', self.pmd.text())]
        self.assertTrue(vas)
        for va in vas:
            self.assertRegex(self.file_at(va), 'memfd:gantry')
        self.assertTrue(all(re.match('memfd:(gantry|igb-queues)', n) for n in names), names)
        # The registers of the device, and the files that the library made for bounce buffers.
        self.assertTrue(any(n.startswith('memfd:gantry') for n in names), names)

    def direct(self, **eal):
        """The same search must find EAL memory if it is shared."""
        names = self.shared('direct', **eal)
        self.assertFalse(all('memfd:gantry' in self.file_at(int(va, 16)) for va in
                             re.findall(r'mapped va (0x\w+)', self.pmd.text())))
        self.assertTrue(any(not re.match('memfd:(gantry|igb-queues)', n) for n in names), names)

    def test_bounce_shares_only_library_memory(self):
        self.bounce()

    def test_direct_shares_eal_memory(self):
        self.direct()

    @needs_hugepages
    def test_bounce_shares_only_library_memory_with_hugepages(self):
        for iova in 'va', 'pa':
            with self.subTest(iova=iova):
                self.bounce(mem='huge', iova=iova)

    @needs_hugepages
    def test_direct_shares_eal_memory_with_hugepages(self):
        self.direct(mem='huge', iova='va')


if __name__ == '__main__':
    unittest.main()
