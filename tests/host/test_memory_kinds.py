# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Packet memory of each kind that dpdk-testpmd supports, added after the port was attached."""

import re
import unittest

from lib import DMA, DMA_DEBUG, Bench, hugepages, tag


@tag('dma')
class MemoryKinds(Bench):
    """Packets in such memory circulate in a loop, and the device causes no DMA fault."""

    def go_round(self, kind, mem, iova=None):
        unknown = kind == 'anon' and (DMA in ('strict', 'window') or DMA_DEBUG and DMA != 'bounce')
        if unknown and DMA_DEBUG:
            self.misuses = {'map-not-contiguous'}
        nic = self.nic('p:speed=max,wire=loop')
        pmd = self.dpdk_testpmd(self.eal(self.sock('p'), mem=mem, iova=iova, mb=128),
                                ['--mp-alloc=' + kind, '--total-num-mbufs=4096', '--rxd=256',
                                 '--txd=256', '--no-flush-rx'])
        if unknown and self.is_refused(pmd.text()):
            self.quit(pmd)
            self.nic_stats(nic)
            return
        self.command(pmd, 'set promisc all on')
        self.command(pmd, 'start tx_first')
        self.wait_until(lambda: self.nic_now(nic)['p']['device']['rx_frames'] >= 64)
        self.command(pmd, 'stop')
        self.quit(pmd)
        stats = self.nic_stats(nic)['p']
        self.assertEqual(stats['device']['dma_faults'], 0)
        self.assertEqual(stats['device']['tx_bad'], 0)

    def is_refused(self, text):
        """Return whether the driver refused the memory, and check that it gave the reason.

        If the library chooses the bus addresses, it refuses memory for which EAL knows no bus
        address. In a window the bus maps registered memory on demand. testpmd registers as many
        pieces as EAL has room for, which are all pieces if the pages happen to be contiguous.
        """
        refusal = re.search("a buffer of pool 'mb_pool_0' cannot be mapped for the device: .* is "
                            '(process memory: its pages are scattered|external memory: it was '
                            'registered .*without a bus address)', text)
        if DMA == 'window' and not refusal:
            return 'unable to register addr' in text
        self.assertTrue(refusal, text[-2000:])
        return True

    def kinds(self, mem, *kinds, iova=None):
        for kind in kinds:
            with self.subTest(kind=kind, mem=mem):
                self.go_round(kind, mem, iova)

    def test_each_kind_circulates_without_hugepages(self):
        self.kinds('no-huge', 'native', 'anon', 'xmem', 'xbuf')

    @unittest.skipUnless(hugepages(), 'needs root and 128 free hugepages of 2 MiB')
    def test_huge_external_memory_circulates_without_eal_hugepages(self):
        self.kinds('no-huge', 'xmemhuge')

    @unittest.skipUnless(hugepages(), 'needs root and 128 free hugepages of 2 MiB')
    def test_each_kind_circulates_with_hugepages(self):
        self.kinds('huge', 'native', 'anon', 'xmem', 'xmemhuge', 'xbuf')


if __name__ == '__main__':
    unittest.main()
