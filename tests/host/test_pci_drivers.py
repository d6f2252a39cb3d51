# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""DPDK's own PCI driver, unmodified, on software NICs in one process: the devarg pci=."""

import signal

from lib import Bench
from packets import noise, read_pcap, write_pcap

UPSTREAM = 'net_e1000_igb'


class PciDrivers(Bench):
    pci = '1'

    def eal_device(self, sock, devargs=''):
        return 'vfio_user:%s,pci=%s%s' % (sock, self.pci, devargs)

    def driver(self, pmd, port):
        start = len(pmd.text())
        self.command(pmd, 'show port info %d' % port, r'Driver name: (\S+)')
        return pmd.text()[start:].partition('Driver name: ')[2].split()[0]

    def test_upstream_driver_forwards_frames_unchanged(self):
        """in.pcap -> port 0 -> testpmd -> port 1 -> out.pcap; speed=max waits for descriptors."""
        frames = [noise(n, n) for n in range(60, 1515, 5)]
        write_pcap(self.path('in.pcap'), frames)
        write_pcap(self.path('empty.pcap'), [])
        out = self.path('empty.pcap'), self.path('out.pcap')
        nic = self.nic('a:speed=max,start=signal,wire=pcap:' + self.path('in.pcap'),
                       'b:speed=max,wire=pcap:%s:%s' % out)
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')), ['--forward-mode=io'])
        for port in 0, 1:
            self.assertEqual(self.driver(pmd, port), UPSTREAM)
        self.retry(pmd)
        self.command(pmd, 'start')
        nic.signal(signal.SIGRTMIN)
        self.wait_until(lambda: self.nic_now(nic)['b']['tx']['frames'] >= len(frames))
        self.command(pmd, 'stop')
        self.quit(pmd)
        stats = self.nic_stats(nic)
        self.assertEqual([f.hex() for f in read_pcap(self.path('out.pcap'))],
                         [f.hex() for f in frames])
        self.assertEqual([stats[name]['device']['dma_faults'] for name in 'ab'], [0, 0])

    def test_port_attaches_and_detaches_repeatedly(self):
        nic = self.nic('a:wire=loop', 'b:wire=loop')
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), mb=128), ['--total-num-mbufs=4096'])
        for _ in range(3):
            self.command(pmd, 'port attach ' + self.eal_device(self.sock('b')),
                         r'Port 1 is attached')
            self.assertEqual(self.driver(pmd, 1), UPSTREAM)
            self.command(pmd, 'port start 1', r'Done')
            self.command(pmd, 'port stop 1', r'Done')
            self.command(pmd, 'port detach 1', r'Now total ports is 1')
            self.wait_client_gone(nic, 'b')
        # Without pci= the driver of this project has it.
        self.command(pmd, 'port attach vfio_user:' + self.sock('b'), r'Port 1 is attached')
        self.assertEqual(self.driver(pmd, 1), 'net_gantry_igb')
        self.quit(pmd)

    def test_application_survives_daemon_that_vanishes(self):
        nic = self.nic('a:wire=loop')
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), mb=128), ['--total-num-mbufs=4096'])
        self.command(pmd, 'start tx_first')
        nic.signal(signal.SIGKILL)
        nic.wait(status=-signal.SIGKILL)
        pmd.expect(r'a\.sock: the device is lost')
        self.command(pmd, 'stop')
        self.command(pmd, 'port stop 0', r'Done')
        self.command(pmd, 'show port info 0', r'Driver name: ' + UPSTREAM)
        # The driver waits for minutes before it closes the port, as with a card that was pulled:
        # the semaphores of the controller read as taken.
        pmd.signal(signal.SIGKILL)
        pmd.wait(status=-signal.SIGKILL)

    def test_unknown_driver_is_named(self):
        self.nic('a:wire=loop')
        self.pci = 'net_none'
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), mb=128), ['--total-num-mbufs=4096'])
        pmd.expect(r'a\.sock: pci=net_none: no such PCI driver for device 8086:10c9')
        self.quit(pmd)
