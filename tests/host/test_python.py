# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The package in python/: what a test program does with it, and what it reports."""

import os
import sys
import unittest

from lib import BUILD, NIC, PMDS, TOP, WITH_DPDK, Bench

sys.path.insert(0, os.path.join(TOP, 'python'))
import gantry  # noqa: E402

BURST = {'fixed_packets': {'packets': 500}}


class Package(Bench):
    def nic(self, *ports, **kw):
        nic = gantry.Nic(*ports, binary=NIC, **kw)
        self.addCleanup(nic.kill)
        return nic

    def forwarder(self, nic):
        return self.run_process(WITH_DPDK + [
            'dpdk-testpmd', '-d', PMDS, '--lcores=0,1', '--no-pci', '--no-telemetry', '--no-huge',
            '--no-shconf', '-m', '256', '-a', nic.eal('a'), '-a', nic.eal('b'), '--',
            '--auto-start', '--total-num-mbufs=8192', '--stats-period=3600'])

    def test_flows_of_all_kinds_cross_an_application(self):
        nic = self.nic('a', 'b')
        self.forwarder(nic)
        nic.wait_for_drivers()
        # The first frames may find an application that does not poll yet.
        nic.set_flows(gantry.flow('first', 'a', 'b', rate={'pps': 1000}))
        nic.start()
        nic.wait_until(lambda: nic.flows()['first']['frames_rx'] > 0, 'nothing is forwarded')
        for keys in ({'size': 64}, {'size': 'imix'}, {'size': {'random': {'min': 100, 'max': 900}}},
                     {'size': 96, 'packet': [{'ethernet': {'dst': {'value': '02:00:00:00:00:09'}}},
                                             {'vlan': {'id': {'value': 7}}}, {'ipv6': {}},
                                             {'udp': {}}]}):
            nic.set_flows(*(gantry.flow(name, *way, rate={'pps': 2000}, duration=BURST, **keys)
                            for name, way in (('there', 'ab'), ('back', 'ba'))))
            self.assertEqual(nic.flows()['there']['transmit'], 'waiting')
            nic.start('there')
            nic.start()
            nic.wait_until_sent()
            for name, sender in ('there', 'a'), ('back', 'b'):
                flow = nic.settled(name)
                self.assertEqual(flow['frames_tx'] - flow['frames_rx'], flow['lost'])
                self.assertGreater(flow['frames_rx'], 0, sender)
                self.assertEqual(flow['rx'][0]['corrupted'], 0, (name, keys))
        self.assertEqual(set(nic.settled()), {'there', 'back'})
        nic.close()

    def test_flows_stop_and_links_change(self):
        nic = self.nic('a', 'b:speed=100,wire=gen,start=0', 'c:wire=loop')
        self.forwarder(nic)
        nic.wait_for_drivers('a', 'b')
        nic.set_config(gantry.config(['a', 'b'], [gantry.flow('f', 'a', 'b', size=512)]))
        nic.start()
        nic.wait_until(lambda: nic.flows()['f']['frames_tx'] > 0, 'nothing is sent')
        nic.stop('f')
        nic.wait_until_sent()
        nic.set_link('b', False)
        self.assertFalse(nic.ports()['b']['device']['link'])
        with self.assertRaisesRegex(gantry.DaemonError, 'after 1 s: there is a port without'):
            nic.wait_for_drivers('b', timeout=1)
        nic.set_link('b', True)
        nic.wait_for_drivers('a', 'b')

    def test_mistakes_are_reported(self):
        with self.nic('a', 'b') as nic:
            with self.assertRaisesRegex(gantry.Refused, r'flows\[0\].size.fixed') as raised:
                nic.set_flows(gantry.flow('f', 'a', 'b', size=10))
            self.assertEqual(raised.exception.code, -32602)
            folder = nic.folder
        self.assertFalse(os.path.exists(folder))
        with self.assertRaisesRegex(gantry.DaemonError, 'ended with status 2:\n.*unknown key'):
            self.nic('a:colour=red')
        nic = self.nic('a', 'b')
        nic.process.kill()
        nic.process.wait()
        with self.assertRaises(ConnectionError):
            nic.flows()
        with self.assertRaisesRegex(gantry.DaemonError, 'status -9'):
            nic.close()

    def test_binary_is_found(self):
        os.environ.pop('GANTRY_NIC', None)
        if BUILD == os.path.join(TOP, 'build'):
            self.assertEqual(gantry.nic.find_binary(), os.path.join(BUILD, 'app', 'gantry-nic'))
        os.environ['GANTRY_NIC'] = sys.executable
        self.addCleanup(os.environ.__setitem__, 'GANTRY_NIC', NIC)
        self.assertEqual(gantry.nic.find_binary(), sys.executable)


if __name__ == '__main__':
    unittest.main()
