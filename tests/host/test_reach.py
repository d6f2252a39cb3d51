# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The memory that a device can reach, in each mode, by gantry-testpmd and by telemetry."""

import json
import os
import signal

from lib import TESTPMD, Bench, needs_hugepages

RING = 256      # descriptors
MB = 64


class Reach(Bench):
    def groups(self, mode, mem='no-huge', iova=None):
        """Return what gantry-testpmd lists for a port with one receive and one transmit queue."""
        nic = self.nic('a:wire=loop')
        argv = [TESTPMD] + self.eal(self.sock('a'), mem=mem, iova=iova, mb=MB, lcores='0',
                                    devargs=',dma=' + mode)
        app = self.run_process(argv + ['--', 'addresses', '--rxd', str(RING), '--txd', str(RING),
                                       '--json', self.path('a.json')])
        app.wait(30)
        self.nic_stats(nic)
        with open(self.path('a.json')) as f:
            doc = json.load(f)
        self.assertEqual({g['mode'] for g in doc['reach']}, {mode})
        return doc['reach'], doc['objects']

    def by(self, groups, what):
        return [g for g in groups if g['what'] == what]

    def inside(self, groups, address, size):
        return any(int(g['first'], 16) <= address and address + size - 1 <= int(g['last'], 16)
                   for g in groups)

    def memory(self, groups, objects):
        """Check that all EAL memory is reachable, with rings and pool at their addresses."""
        memory = self.by(groups, 'memory')
        self.assertEqual({g['access'] for g in memory}, {'rw'})
        self.assertGreaterEqual(sum(g['bytes'] for g in memory), MB << 20)
        for o in objects:
            if o['kind'] != 'BAR':
                self.assertTrue(self.inside(memory, int(o['bus'], 16), o['size']), o)
        return memory

    def test_direct_reaches_all_eal_memory(self):
        groups, objects = self.groups('direct')
        for g in self.memory(groups, objects):
            self.assertEqual(g['first'], g['cpu'])
            self.assertEqual(g['mapped_by'], "bus, all EAL memory")
        self.assertEqual(self.by(groups, 'buffer'), [])

    @needs_hugepages
    def test_direct_reaches_physical_addresses_in_iova_pa(self):
        groups, objects = self.groups('direct', mem='huge', iova='pa')
        for g in self.memory(groups, objects):
            self.assertNotEqual(g['first'], g['cpu'])

    def test_window_reaches_memory_at_window_addresses(self):
        groups, objects = self.groups('window')
        for g in self.memory(groups, objects):
            self.assertNotEqual(g['first'], g['cpu'])
            self.assertEqual(g['mapped_by'], 'lib/dma, window')

    def rings_and_buffers(self, groups, objects):
        """Check an idle port: two rings, and one buffer for each receive descriptor."""
        buffers = self.by(groups, 'buffer')
        self.assertEqual(sum(g['mappings'] for g in buffers), RING - 1)
        for g in buffers:
            self.assertEqual(g['access'], 'w')
            self.assertIn('igb_', g['mapped_by'])
        coherent = self.by(groups, 'coherent')
        self.assertEqual(sum(g['mappings'] for g in coherent), 2)
        for o in objects:
            if o['kind'].endswith('ring'):
                self.assertTrue(self.inside(coherent, int(o['bus'], 16), o['size']), o)
            elif o['kind'] == 'rx pool':
                self.assertEqual(o['bus'], '-')     # a pool as such has no bus address
        return buffers, coherent

    def test_strict_reaches_only_rings_and_buffers(self):
        """Only rings and buffers are reachable; each mapping has its origin and its age."""
        groups, objects = self.groups('strict')
        buffers, coherent = self.rings_and_buffers(groups, objects)
        self.assertEqual(len(buffers) + len(coherent), len(groups))
        for g in groups:
            self.assertGreaterEqual(g['oldest_ms'], 0)      # -1: not known

    def test_bounce_reaches_only_library_memory(self):
        groups, objects = self.groups('bounce')
        self.rings_and_buffers(groups, objects)
        for g in self.by(groups, 'memory'):
            self.assertEqual(g['mapped_by'], 'lib/dma, bounce buffers')


class Telemetry(Bench):
    def start(self, mode):
        argv, path = self.telemetry(self.eal(self.sock('a'), mb=MB, lcores='0',
                                             devargs=',dma=' + mode))
        app = self.run_process([TESTPMD] + argv + ['--', 'forward', '--rxd', str(RING),
                                                   '--idle', '1000'])
        self.wait_until(lambda: os.path.exists(path))
        return app, path

    def test_telemetry_reports_age_of_buffers(self):
        """Telemetry reports how the receive buffers age, while the application runs undisturbed."""
        self.nic('a:wire=loop')
        app, path = self.start('strict')
        name = self.sock('a')
        self.wait_until(lambda: self.ask(path, '/gantry/dma/reach') == [name])

        def buffers():
            answer = self.ask(path, '/gantry/dma/reach,' + name)
            self.assertEqual((answer['device'], answer['mode'], answer['left_out']),
                             (name, 'strict', 0))
            columns = {k: v for k, v in answer.items() if isinstance(v, list)}
            rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
            return [g for g in rows if g['what'] == 'buffer']

        self.wait_until(lambda: sum(g['mappings'] for g in buffers()) == RING - 1)
        first = buffers()
        age = max(g['oldest_ms'] for g in first)
        self.wait_until(lambda: max(g['oldest_ms'] for g in buffers()) > age)
        for g in first:
            self.assertEqual(g['access'], 'w')
            self.assertIn('igb_', g['mapped_by'])
        self.assertIsNone(self.ask(path, '/gantry/dma/reach,nobody'))
        app.signal(signal.SIGINT)
        app.wait(30)
