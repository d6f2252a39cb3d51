# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""dma_debug in applications that do not know of it: the reports, and the abort.

The applications are Debian's dpdk-testpmd, which makes no mistake, and ethdev_calls, which makes
one: it frees an mbuf that it has sent. The third is culprits, built with and without optimisation.
"""

import os
import re
import resource
import signal

from lib import BUILD, CALLS, DPDK, PMDS, WITH_DPDK, Bench
from packets import noise, write_pcap

RING = 256      # descriptors
MISUSE = r'gantry_dma: misuse: .*'   # a report may follow the prompt of testpmd


class Debug(Bench):
    def play(self, scenario, level):
        """Start the application; return it and the path of its telemetry socket."""
        self.nic('a:wire=loop')
        eal, path = self.telemetry(self.eal(self.sock('a'), mb=64, lcores='0',
                                            devargs=',dma_debug=' + level))
        self.misuses = {'mbuf-freed-in-flight'} if scenario == 'free-in-flight' else set()
        # The application is to abort, and must leave no core file behind.
        return self.run_process(
            WITH_DPDK + [CALLS, '-d', PMDS] + eal + ['--', scenario],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))), path

    def the_report(self, app):
        """Return the only report, and check that it has all that the library knows."""
        report, = re.findall(MISUSE, app.text())
        self.assertRegex(report, r'%s: mbuf-freed-in-flight: .*; tx queue 0, descriptor \d+; .*'
                                 r"; 60 bytes to the device; mbuf 0x\w+ of pool 'pool'; mapped by "
                                 r'(transmit|free_sent_mbuf)\+0x.*; here by .*free_sent_mbuf\+0x'
                                 % re.escape(self.sock('a')))
        return report

    def test_abort_ends_application_at_its_mistake(self):
        """The application ends at its mistake, and the report is its last line."""
        app, _ = self.play('free-in-flight', 'abort')
        app.wait(60, -signal.SIGABRT)
        report = self.the_report(app)
        self.assertNotRegex(app.text(), '(?m)^freed')
        self.assertEqual(app.text().splitlines()[-1], report)

    def test_abort_without_misuse_changes_nothing(self):
        app, _ = self.play('restart', 'abort')
        app.wait(60)
        self.assertIn('restart: ok', app.text())
        self.assertNotRegex(app.text(), MISUSE)

    def test_report_leaves_application_running(self):
        """The application reports the misuse, answers queries, and loses nothing by its mistake."""
        app, path = self.play('free-in-flight', '1')
        app.expect('^freed', 60)
        report = self.the_report(app)
        self.assertEqual(self.ask(path, '/gantry/dma/errors'),
                         {'errors': 1, 'repeats': 0, 'mbuf_freed_in_flight': 1})
        self.assertIn(self.ask(path, '/gantry/dma/errors,1'), report)
        self.assertIsNone(self.ask(path, '/gantry/dma/errors,2'))
        app.say('again')
        app.wait(60)
        self.assertIn('free-in-flight: ok', app.text())
        self.the_report(app)


if DPDK >= '26.07':
    class Hidden(Bench):
        def test_release_with_hidden_pool_caches_is_reported(self):
            """The one line is that of doc/dma_debug.md; frames flow nevertheless."""
            nic = self.nic('p:wire=loop')
            pmd = self.dpdk_testpmd(self.eal(self.sock('p'), devargs=',dma_debug=1'), [])
            self.command(pmd, 'start tx_first')
            self.wait_until(lambda: self.nic_now(nic)['p']['tx']['frames'] > 1000)
            self.command(pmd, 'stop', r'RX-packets: [1-9]')
            self.quit(pmd)
            line, = re.findall(r'(?m)gantry_dma: .*$', pmd.text())
            self.assertRegex(line,
                             r"^gantry_dma: \S*p\.sock: pool '\S+': its mbufs are not watched, "
                             r'mappings are: with DPDK 26\.07\S* mbufs that are put into a pool '
                             r'stay in a cache, unseen; nor are other pools: '
                             r'use a release that was tested$')


class Culprits(Bench):
    def test_each_sender_and_freer_is_one_report(self):
        """Each pair of sender and freer causes one report, which names both functions."""
        for name in 'culprits', 'culprits_o0':
            with self.subTest(name):
                nic = self.nic('a:wire=loop')
                self.misuses = {'mbuf-freed-in-flight'}
                app = self.run_process(
                    WITH_DPDK + [os.path.join(BUILD, 'tests', 'host', name), '-d', PMDS] +
                    self.eal(self.sock('a'), mb=64, lcores='0', devargs=',dma_debug=1'))
                app.wait()
                self.assertIn('culprits: done', app.text())
                reports = re.findall(MISUSE, app.text())
                pairs = [re.search(r'mapped by (\w+)\+0x.*; here by .*?(free_(?:one|two))\+0x', r)
                         for r in reports]
                self.assertEqual([p and p.groups() for p in pairs],
                                 [(s, f) for s in ('send_one', 'send_two')
                                  for f in ('free_one', 'free_two')], reports)
                nic.signal(signal.SIGTERM)
                nic.wait()


class RunningTestpmd(Bench):
    def table(self, path, device):
        """Return the memory that a device may reach: address, bytes, direction, kind, ..."""
        rows, total = [], 1
        while len(rows) < total:
            answer = self.ask(path, '/gantry/dma/dump,%s,%d' % (device, len(rows)))
            self.assertEqual(answer['first'], len(rows))
            total = answer['total']
            if not answer['mappings']:
                break   # the table has become shorter in the meantime
            rows += [row.split(' ', 5) for row in answer['mappings']]
        return rows

    def test_telemetry_lists_live_mappings(self):
        """An idle port maps two rings and its receive buffers; a busy one also what it sends."""
        self.nic('a:speed=max,wire=pair:b', 'b:speed=max')
        names = [self.sock('a'), self.sock('b')]
        eal, path = self.telemetry(self.eal(*names, mb=128, devargs=',dma=strict,dma_debug=1'))
        pmd = self.dpdk_testpmd(eal, ['--rxd=%d' % RING, '--txd=%d' % RING,
                                      '--total-num-mbufs=4096'])
        at_rest = RING - 1 + 2
        self.assertEqual(self.ask(path, '/gantry/dma/live'),
                         {'devices': names, 'mappings': [at_rest] * 2})
        for name in names:
            rows = self.table(path, name)
            self.assertEqual(len(rows), at_rest)
            self.assertEqual(len({r[0] for r in rows}), at_rest)
            posted = [r for r in rows if r[2:4] == ['from', 'mbuf']]
            self.assertEqual({r[4] for r in posted}, {'rx0:%d' % i for i in range(RING - 1)})
            self.assertEqual({r[1] for r in posted}, {'2048'})
            rings = [r for r in rows if r[3] == 'coherent']
            self.assertEqual([(int(r[1]), r[2]) for r in rings], [(16 * RING, 'both')] * 2)
            self.assertEqual(len(posted) + len(rings), at_rest)
        self.assertIsNone(self.ask(path, '/gantry/dma/dump,nobody'))

        self.command(pmd, 'start tx_first')
        seen = set()
        self.wait_until(lambda: seen.update(' '.join(r[2:4] + r[4:5])
                                            for r in self.table(path, '*'))
                        or any(re.match(r'to mbuf tx0:\d+$', row) for row in seen))
        self.command(pmd, 'stop')
        self.assertEqual(self.ask(path, '/gantry/dma/errors'), {'errors': 0, 'repeats': 0})
        self.assertIsNone(self.ask(path, '/gantry/dma/errors,1'))
        self.assertEqual(self.ask(path, '/gantry/dma/filter'), '*')
        self.assertEqual(self.ask(path, '/gantry/dma/filter,' + names[1]), names[1])
        self.assertEqual(self.ask(path, '/gantry/dma/filter,*'), '*')
        self.command(pmd, 'port stop all', r'Done')
        self.command(pmd, 'port close all', r'Done')
        self.assertEqual(self.ask(path, '/gantry/dma/live'), {'devices': [], 'mappings': []})
        self.quit(pmd)
        self.assertNotRegex(pmd.text(), MISUSE)

    def test_pinned_buffers_cause_no_report(self):
        """Mbufs with pinned buffers: the buffers are adjacent, and lengths differ each time."""
        frames = [noise(n, n) for n in range(60, 1515)] * 3
        write_pcap(self.path('in.pcap'), frames)
        nic = self.nic('a:speed=max,wire=pcap:' + self.path('in.pcap'))
        pmd = self.dpdk_testpmd(self.eal(self.sock('a'), mb=128, devargs=',dma_debug=1'),
                                ['--mp-alloc=xbuf', '--rxd=%d' % RING, '--total-num-mbufs=1200',
                                 '--disable-device-start', '--no-flush-rx'])
        self.command(pmd, 'set fwd rxonly')
        self.command(pmd, 'port start all', r'Done')
        self.command(pmd, 'start')
        self.wait_until(lambda: self.nic_now(nic)['a']['rx']['frames'] == len(frames))
        self.command(pmd, 'stop')
        self.quit(pmd)
        self.assertNotRegex(pmd.text(), MISUSE)
