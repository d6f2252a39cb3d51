# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Generated flows (wire=gen) through testpmd: they arrive as sent, and every fault is counted."""

import json
import os
import signal
import subprocess
import unittest

from lib import NIC, Bench

FRAMES = 3000


def flow(name, tx, rx, **keys):
    """Return a flow of UDP over IPv4, 20,000 frames a second."""
    return {
        'name': name,
        'tx_rx': {'choice': 'port', 'port': {'tx_name': tx, 'rx_names': [rx]}},
        'packet': [
            {'choice': 'ethernet',
             'ethernet': {'dst': {'value': '02:00:00:00:00:77'},
                          'src': {'value': '02:00:00:00:00:01'}}},
            {'choice': 'ipv4',
             'ipv4': {'src': {'value': '10.0.0.1'},
                      'dst': {'choice': 'increment',
                              'increment': {'start': '10.1.0.1', 'step': '0.0.0.1',
                                            'count': 250}}}},
            {'choice': 'udp', 'udp': {'src_port': {'value': 1024}, 'dst_port': {'value': 53}}}],
        'size': {'choice': 'fixed', 'fixed': 128},
        'rate': {'choice': 'pps', 'pps': 20000},
        'duration': {'choice': 'fixed_packets', 'fixed_packets': {'packets': FRAMES}},
        'metrics': {'enable': True, 'loss': True, 'timestamps': True,
                    'latency': {'enable': True, 'mode': 'cut_through'}},
        **keys}


class Flows(Bench):
    def traffic(self, *flows, locations='ab'):
        """Write a file with these flows, of ports p0, p1, ..."""
        with open(self.path('flows.json'), 'w', encoding='ascii') as f:
            json.dump({'ports': [{'name': 'p%d' % i, 'location': where}
                                 for i, where in enumerate(locations)],
                       'flows': list(flows)}, f)
        return self.path('flows.json')

    def started(self, *flows, mode='io', args=()):
        """Start the daemon, a testpmd that forwards, and the flows; wait until all were sent.

        A testpmd that does not get a processor for a while loses frames, which the devices count.
        """
        self.nic_process = self.nic('a:start=signal,wire=gen', 'b:start=signal,wire=gen',
                                    args=('--traffic', self.traffic(*flows)))
        self.pmd = self.dpdk_testpmd(self.eal(self.sock('a'), self.sock('b')),
                                     ['--forward-mode=' + mode, *args])
        if mode in ('io', 'macswap'):
            self.retry(self.pmd, mode)
        self.command(self.pmd, 'start')
        self.nic_process.signal(signal.SIGRTMIN)
        self.wait_until(lambda: all(f['transmit'] == 'stopped' for f in self.flows().values()))

    def report(self):
        return self.nic_report(self.nic_process)

    def flows(self):
        return {f['name']: f for f in self.report()['flows']}

    def missed(self, port):
        """Wait until a port got all frames of its flow, and return how many found no descriptor."""
        def got():
            device = self.nic_now(self.nic_process)[port]['device']
            return device['rx_frames'], device['rx_no_desc']
        self.wait_until(lambda: sum(got()) == FRAMES)
        return got()[1]

    def settled(self, name, port):
        """Wait until all frames of a flow have arrived that its port did not miss.

        Return the flow's results, and how many it missed.
        """
        missed = self.missed(port)
        self.assertLess(missed, FRAMES)
        self.wait_until(lambda: self.flows()[name]['frames_rx'] >= FRAMES - missed)
        return self.flows()[name], missed

    def test_flows_arrive_as_sent_in_both_directions(self):
        self.started(flow('there', 'p0', 'p1'),
                     flow('back', 'p1', 'p0',
                          size={'choice': 'random', 'random': {'min': 100, 'max': 1518}}))
        for name, sender, port in ('there', 'a', 'b'), ('back', 'b', 'a'):
            f, missed = self.settled(name, sender)
            rx = f['rx'][0]
            self.assertEqual((f['frames_tx'], f['frames_rx'], f['lost']),
                             (FRAMES, FRAMES - missed, missed))
            self.assertEqual((rx['port'], rx['frames']), (port, FRAMES - missed))
            if missed == 0:
                self.assertEqual(rx['bytes'], f['bytes_tx'])
            else:
                self.assertLess(rx['bytes'], f['bytes_tx'])
            for key in 'duplicated', 'reordered', 'corrupted', 'too_late':
                self.assertEqual(rx[key], 0, key)
            quantiles = [rx['latency_ns'][key] for key in
                         ('min', 'p50', 'p99', 'p99.9', 'p99.99', 'max')]
            self.assertEqual(quantiles, sorted(quantiles))
            self.assertGreater(quantiles[-1], 0)
        self.assertEqual(self.flows()['there']['bytes_tx'], 128 * FRAMES)
        self.quit(self.pmd)
        for port in self.report()['ports']:
            self.assertEqual(port['strays'], dict.fromkeys(
                ('unknown', 'former', 'misdelivered', 'bad_fcs'), 0))

    def test_rate_is_exact_between_first_and_last_frame(self):
        self.started(flow('f', 'p0', 'p1'))
        f = self.flows()['f']
        # A thread that was away for longer than the catch-up time puts frames off.
        self.assertEqual(f['last_ns'] - f['first_ns'], (FRAMES - 1) * 50000 + f['late_ns'])

    def test_changed_headers_do_not_count_as_corruption(self):
        self.started(flow('f', 'p0', 'p1'), mode='macswap')
        f, missed = self.settled('f', 'a')
        self.assertEqual((f['lost'], f['rx'][0]['corrupted']), (missed, 0))

    def test_application_that_keeps_frames_loses_them(self):
        self.started(flow('f', 'p0', 'p1'), mode='rxonly')
        f = self.flows()['f']
        self.assertEqual((f['frames_tx'], f['frames_rx'], f['lost']), (FRAMES, 0, FRAMES))
        self.assertIsNone(f['rx'][0]['latency_ns'])

    def test_frames_of_the_application_are_unknown(self):
        self.started(flow('f', 'p0', 'p1'), mode='txonly')
        self.wait_until(lambda: self.report()['ports'][0]['strays']['unknown'] > 0)
        self.assertEqual(self.flows()['f']['frames_rx'], 0)

    def test_frames_at_the_wrong_port_are_misdelivered(self):
        self.started(flow('f', 'p0', 'p0'))     # testpmd sends them from the other port
        arrived = FRAMES - self.missed('a')
        self.wait_until(
            lambda: self.report()['ports'][1]['strays']['misdelivered'] >= arrived)
        self.assertEqual(self.report()['ports'][1]['strays']['misdelivered'], arrived)
        f = self.flows()['f']
        self.assertEqual((f['frames_rx'], f['lost'], f['rx'][0]['port']), (0, FRAMES, 'a'))

    def refused(self, why, *ports, flows=None, status=2):
        args = [NIC, *(x for p in ports for x in ('--port', p))]
        if flows is not None:
            args += ['--traffic', flows]
        r = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        self.assertEqual((r.returncode, r.stdout), (status, ''), r.stderr)
        self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
        self.assertIn(why, r.stderr)

    def test_files_and_ports_that_do_not_fit_are_refused_in_one_line(self):
        a = 'a:socket=%s,wire=gen' % self.path('a')
        b = 'b:socket=%s,wire=gen' % self.path('b')
        good = flow('f', 'p0', 'p1')
        self.refused('wire=gen needs flows: give --traffic FILE', a)
        self.refused("ports[1].location: 'b': no --port has this name", a,
                     flows=self.traffic(good))
        self.refused("ports[1].location: 'b': this port has another wire: give it wire=gen", a,
                     b.replace('gen', 'loop'), flows=self.traffic(good))
        self.refused("another port has this location", a, b,
                     flows=self.traffic(good, locations='aa'))
        self.refused('port b: wire=gen, but no port in the file of --traffic has this location',
                     a, b, flows=self.traffic(flow('f', 'p0', 'p0'), locations='a'))
        self.refused('flows[0].rate.pps', a, b,
                     flows=self.traffic({**good, 'rate': {'choice': 'pps', 'pps': 0}}))
        self.refused('flows[0].rates', a, b, flows=self.traffic({**good, 'rates': {}}))
        self.refused(os.strerror(2), a, b, flows=self.path('none.json'), status=1)
        with open(self.path('flows.json'), 'w', encoding='ascii') as f:
            f.write('{"ports": [')
        self.refused('flows.json', a, b, flows=self.path('flows.json'))


if __name__ == '__main__':
    unittest.main()
