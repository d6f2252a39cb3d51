# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Several processes on one port: Debian's tools, unmodified, as secondary processes.

A secondary process shares the configuration and the hugepage files of its primary. Each test
therefore has an EAL instance of its own (--file-prefix) in the folder of the test.
"""

import glob
import os
import re
import signal
import subprocess
import time

from lib import PMDS, WITH_DPDK, Bench, needs_hugepages
from packets import ether, ipv4, read_pcap, udp, write_pcap


def hugetlbfs():
    with open('/proc/mounts') as f:
        return [m[1] for m in map(str.split, f) if m[2] == 'hugetlbfs']


def flows(n):
    """Return frames that RSS spreads over queues, each frame with its own flow."""
    return [ether(ipv4(udp(b'%06d' % i * 8, src=a), 17, src=a))
            for i in range(n) for a in [bytes([10, 0, i >> 8, i & 255])]]


@needs_hugepages
class Secondary(Bench):
    def setUp(self):
        super().setUp()
        self.prefix = 'gantry%d' % os.getpid()
        # EAL keeps the files that the processes of an instance share in this directory.
        self.env = {'RUNTIME_DIRECTORY': self.dir}

    def tearDown(self):
        super().tearDown()
        # A killed primary process leaves its hugepage files behind.
        for mount in hugetlbfs():
            for path in glob.glob(os.path.join(mount, self.prefix + 'map_*')):
                os.unlink(path)

    def common(self, *devices):
        return ['-d', PMDS, '--file-prefix', self.prefix, '--no-pci'] + [
            a for d in devices for a in ('-a', 'vfio_user:' + d)]

    def start_testpmd(self, eal, args):
        p = self.run_process(['stdbuf', '-oL'] + WITH_DPDK + ['dpdk-testpmd'] + eal +
                             ['--'] + args + ['-i'], env=self.env)
        p.prompt = 'testpmd> '
        p.expect_prompt()
        return p

    def primary(self, *devices, args=(), iova=None, eal=()):
        argv = self.common(*devices) + ['--lcores', '0@0,1@1', '-m', '128', '--no-telemetry']
        return self.start_testpmd(argv + (['--iova-mode=' + iova] if iova else []) + list(eal),
                                  ['--total-num-mbufs=12288', '--rxd=2048', '--txd=1024',
                                   '--no-flush-rx'] + list(args))

    # The lcores of the secondary have different numbers, because memory pools have a cache for each
    # lcore.
    def secondary(self, *devices, args=()):
        return self.start_testpmd(self.common(*devices) + ['--proc-type=secondary', '--lcores',
                                                     '2@0,3@1', '--no-telemetry'], list(args))

    def tool(self, name, *devices, args=(), status=0, eal=()):
        p = self.run_process(WITH_DPDK + [name] + list(eal) + self.common(*devices) +
                             ['--'] + list(args),
                             env=self.env)
        p.wait(status=status)
        return p.text()

    def xstats(self, *devices):
        text = self.tool('dpdk-proc-info', *devices, args=['--xstats', '-p', '0x1'])
        return {k: int(v) for k, v in re.findall(r'^(\w+): (\d+)$', text, re.M)}

    def capture(self, n):
        """Start a port that receives n frames and records what it transmits."""
        frames = flows(n)
        write_pcap(self.path('in.pcap'), frames)
        # The frames are addressed to the port, because testpmd enables promiscuous mode only after
        # the start.
        nic = self.nic('a:mac=02:00:00:00:0b:02,speed=max,wire=pcap:%s:%s' % (
            self.path('in.pcap'), self.path('out.pcap')))
        return nic, frames

    def sent(self, nic):
        return self.nic_now(nic)['a']['tx']['frames']

    def test_processes_forward_with_a_queue_each(self):
        for iova in 'va', 'pa':
            with self.subTest(iova=iova):
                nic, frames = self.capture(1500)
                args = ['--rxq=2', '--txq=2', '--num-procs=2', '--forward-mode=io']
                pri = self.primary(self.sock('a'), args=args + ['--proc-id=0'], iova=iova)
                sec = self.secondary(self.sock('a'), args=args + ['--proc-id=1'])
                self.retry(sec)
                self.command(sec, 'start')
                self.wait_until(lambda: self.sent(nic) > 0)
                self.wait_until(lambda: self.xstats()['rx_total_packets'] == len(frames))
                x = self.xstats()
                self.assertEqual(x['rx_q0_packets'], 0)
                self.retry(pri)
                self.command(pri, 'start')
                self.wait_until(lambda: self.sent(nic) == len(frames))
                x = self.xstats(self.sock('a'))
                for q in 0, 1:
                    self.assertGreater(x['rx_q%d_packets' % q], 300)
                    self.assertEqual(x['tx_q%d_packets' % q], x['rx_q%d_packets' % q])
                self.assertEqual(x['tx_hw_good_packets'], len(frames))
                self.quit(sec)
                self.quit(pri)
                self.nic_stats(nic)
                self.assertEqual(sorted(read_pcap(self.path('out.pcap'))), sorted(frames))

    def test_proc_info_shows_and_resets_counters(self):
        nic, frames = self.capture(500)
        pri = self.primary(self.sock('a'), args=['--forward-mode=io'])
        self.command(pri, 'start')
        self.wait_until(lambda: self.sent(nic) == len(frames))
        text = self.tool('dpdk-proc-info', self.sock('a'), args=['--stats', '-p', '0x1'])
        self.assertRegex(text, r'RX-packets: +500\b')
        self.assertRegex(text, r'TX-packets: +500\b')
        text = self.tool('dpdk-proc-info', args=['--show-port', '-p', '0x1'])
        self.assertRegex(text, r'driver net_gantry_igb device %s' % self.sock('a'))
        self.assertRegex(text, r'Link up at ')
        self.assertEqual(self.xstats()['rx_hw_good_packets'], 500)
        self.tool('dpdk-proc-info', args=['--xstats-reset', '-p', '0x1'])
        x = self.xstats()
        self.assertEqual((x['rx_good_packets'], x['rx_hw_good_packets']), (0, 0))
        self.quit(pri)

    def test_pci_driver_does_not_share_its_device(self):
        """A secondary process cannot have a device with pci=, and its log has the reason."""
        self.nic('a:wire=loop')
        pri = self.primary(self.sock('a') + ',pci=1')
        for devices in (), (self.sock('a'),), (self.sock('a') + ',pci=1',):
            sec = self.secondary(*devices)
            sec.expect(r'a\.sock: a PCI driver has it in the primary process')
            self.quit(sec)
        self.quit(pri)

    def test_secondary_reads_counters_of_vdev(self):
        nic, frames = self.capture(100)
        pri = self.primary(eal=['--vdev', 'net_gantry_igb0,path=' + self.sock('a')],
                           args=['--forward-mode=io'])
        self.command(pri, 'start')
        self.wait_until(lambda: self.sent(nic) == len(frames))
        self.assertEqual(self.xstats()['rx_good_packets'], 100)
        self.quit(pri)

    def test_secondary_follows_vdev_attach_detach_and_loss(self):
        """A secondary polls the port of a vdev by its name, and follows attach, detach and loss."""
        self.nic('a:wire=loop')
        other = self.nic('b:wire=loop')
        first, second = ('net_gantry_igb%d,path=%s' % (n, self.sock(name))
                         for n, name in enumerate('ab'))
        pri = self.primary(eal=['--vdev', first])
        sec = self.secondary()
        self.command(sec, 'show port summary all', r'^0 .* net_gantry_igb0 ')
        self.command(sec, 'start tx_first')
        self.wait_until(lambda: self.xstats()['rx_good_packets'] > 1000)
        self.command(sec, 'stop', r'RX-packets: [1-9]')
        for _ in range(2):
            self.command(pri, 'port attach ' + second, r'Now total ports is 2')
            self.command(sec, 'show port summary all', r'^1 .* net_gantry_igb1 ')
            self.command(pri, 'port detach 1', r'Now total ports is 1')
            self.command(sec, 'show port summary all', r'available ports: 1$')
        self.command(sec, 'port attach ' + second, r'Now total ports is 2')
        self.command(pri, 'show port summary all', r'^1 .* net_gantry_igb1 ')
        other.signal(signal.SIGKILL)
        pri.expect(r'the device was removed')
        pri.expect(r'(?s:device removal event.*Now total ports is 1)')
        self.command(sec, 'show port summary all', r'available ports: 1$')
        self.quit(sec)
        self.quit(pri)

    def test_secondary_cannot_control_port(self):
        self.nic('a:wire=loop')
        pri = self.primary(self.sock('a'))
        sec = self.secondary(self.sock('a'))
        self.command(sec, 'port config mtu 0 1400', r'Set MTU failed. diag=-95')
        self.command(sec, 'set promisc 0 off', r'Operation not supported')
        # Queries are open to every process.
        self.command(sec, 'show port info 0', r'Link status: up')
        self.command(sec, 'show port 0 rxq 0 desc 0 status', r'Desc status = AVAILABLE')
        self.quit(sec)
        # The secondary closed only its own resources of the port.
        self.command(pri, 'start tx_first')
        self.wait_until(lambda: self.xstats()['rx_good_packets'] > 1000)
        self.command(pri, 'stop', r'RX-packets: [1-9]')
        self.quit(pri)

    def test_secondary_is_refused_outside_direct_mode(self):
        """In other modes only the primary can map; the secondary reports that and continues."""
        nic = self.nic('a:wire=loop')
        for devargs in ',dma=strict', ',dma=window', ',dma=bounce', ',dma_debug=1':
            with self.subTest(devargs=devargs):
                pri = self.primary(self.sock('a') + devargs)
                text = self.tool('dpdk-proc-info', args=['--stats', '-p', '0x1'], status=None)
                lines = re.findall(r'(?m)^(?:net_gantry_igb|gantry_dma): .*', text)
                self.assertEqual(len(lines), 1, text)
                self.assertIn('not available in a secondary process', lines[0])
                before = self.nic_now(nic)['a']['tx']['frames']
                self.command(pri, 'start tx_first')
                self.wait_until(lambda: self.nic_now(nic)['a']['tx']['frames'] > before + 1000)
                self.command(pri, 'stop', r'RX-packets: [1-9]')
                self.quit(pri)

    def test_hotplug_reaches_both_processes(self):
        self.nic('a:wire=loop', 'b:wire=loop')
        pri = self.primary(self.sock('a'))
        sec = self.secondary(self.sock('a'))
        for _ in range(2):
            self.command(pri, 'port attach vfio_user:' + self.sock('b'), r'Now total ports is 2')
            self.command(sec, 'show port summary all', r'^1 .*%s' % self.sock('b'))
            self.command(pri, 'port detach 1', r'Now total ports is 1')
            self.command(sec, 'show port summary all', r'available ports: 1$')
        # The secondary attaches, the primary follows.
        self.command(sec, 'port attach vfio_user:' + self.sock('b'), r'Now total ports is 2')
        self.command(pri, 'show port summary all', r'^1 .*%s' % self.sock('b'))
        self.quit(sec)
        self.quit(pri)

    def test_killed_secondary_leaves_primary_usable(self):
        nic = self.nic('a:wire=loop')
        args = ['--rxq=2', '--txq=2', '--num-procs=2']
        pri = self.primary(self.sock('a'), args=args + ['--proc-id=0'])
        for _ in range(2):
            sec = self.secondary(self.sock('a'), args=args + ['--proc-id=1'])
            before = self.xstats()['tx_q1_packets']
            self.command(sec, 'start tx_first')
            self.wait_until(lambda: self.xstats()['tx_q1_packets'] > before)
            for _ in range(20):       # to kill it in the middle of a request, if possible
                sec.say('show port xstats 0')
            time.sleep(0.02)
            sec.signal(signal.SIGKILL)
            sec.wait(5, status=None)
        self.command(pri, 'set fwd txonly')
        self.command(pri, 'start')
        self.wait_until(lambda: self.xstats()['tx_q0_packets'] > 1000)
        self.command(pri, 'stop', r'TX-packets: [1-9]')
        self.command(pri, 'port stop 0', r'Done')
        self.command(pri, 'port start 0', r'Done')
        self.quit(pri)
        self.assertEqual(self.nic_stats(nic)['a']['device']['dma_faults'], 0)

    def test_killed_primary_is_reported_to_secondary(self):
        self.nic('a:wire=loop')
        pri = self.primary(self.sock('a'))
        sec = self.secondary(self.sock('a'))
        self.command(sec, 'start tx_first')
        pri.signal(signal.SIGKILL)
        pri.wait(5, status=None)
        self.command(sec, 'show port stats 0',
                     r'port 0: the primary process does not answer')
        self.command(sec, 'stop', r'Done')
        self.quit(sec)

    def test_lost_device_is_detached_in_both_processes(self):
        self.nic('a:wire=loop')
        nic = self.nic('b:wire=loop')
        pri = self.primary(self.sock('a'), self.sock('b'))
        sec = self.secondary(self.sock('a'), self.sock('b'))
        nic.signal(signal.SIGKILL)
        pri.expect(r'the device is lost')
        # testpmd closes a lost port, and then detaches it in all processes.
        pri.expect(r'Now total ports is 1')
        self.command(sec, 'show port summary all', r'available ports: 1$')
        self.command(sec, 'set portlist 0')
        self.command(sec, 'start tx_first')
        self.wait_until(lambda: self.xstats()['rx_good_packets'] > 1000)
        self.command(sec, 'stop', r'RX-packets: [1-9]')
        # For both processes, a daemon that was restarted is a new device.
        self.nic('b:wire=loop')
        self.command(pri, 'port attach vfio_user:' + self.sock('b'), r'Now total ports is 2')
        self.command(sec, 'show port summary all', r'^1 .*%s' % self.sock('b'))
        self.quit(sec)
        self.quit(pri)

    def test_device_unknown_to_primary_is_refused(self):
        self.nic('a:wire=loop')
        pri = self.primary(self.sock('a'))
        text = self.tool('dpdk-proc-info', self.sock('none'), args=['--stats', '-p', '0x1'],
                         status=None)
        self.assertIn('%s: the primary process has no such device' % self.sock('none'), text)
        self.quit(pri)

    def test_occupied_bar_address_is_refused(self):
        """The address at which the primary has mapped a BAR is occupied in the secondary."""
        self.nic('a:wire=loop')
        pri = self.primary(self.sock('a'))
        with open('/proc/%d/maps' % pri.p.pid) as f:
            at = [line.split('-')[0] for line in f if '/memfd:igb-queues' in line]
        self.assertTrue(at)
        with open(self.path('take.c'), 'w') as f:
            f.write('#include <sys/mman.h>\n'
                    '__attribute__((constructor)) static void take(void)\n'
                    '{ mmap((void *)0x%sUL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |'
                    ' MAP_FIXED, -1, 0); }\n' % at[0])
        subprocess.run(['cc', '-shared', '-fPIC', '-o', self.path('take.so'),
                        self.path('take.c')], check=True)
        self.env['LD_PRELOAD'] = self.path('take.so')
        text = self.tool('dpdk-proc-info', args=['--stats', '-p', '0x1'], status=None)
        self.assertRegex(text, r'BAR0: cannot be mapped at 0x%s, where the primary process has '
                         r'it: File exists' % at[0].lstrip('0'))
        del self.env['LD_PRELOAD']
        self.assertIn('rx_good_packets', self.xstats())
        self.quit(pri)

    def test_pdump_captures_both_directions(self):
        self.nic('a:speed=10,wire=loop')
        pri = self.primary(self.sock('a'))
        self.command(pri, 'start tx_first')
        # All processes must number the operations of memory pools identically, and testpmd is
        # linked with some of them.
        testpmd = ''.join(map(os.path.dirname, WITH_DPDK)) + '/usr/bin/dpdk-testpmd'
        libs = re.findall(r'=> (\S*/librte_mempool_\S+)', subprocess.run(
            WITH_DPDK + ['ldd', testpmd], capture_output=True, text=True, check=True).stdout)
        rx, tx = self.path('rx.pcap'), self.path('tx.pcap')
        dump = self.run_process(
            ['stdbuf', '-oL'] + WITH_DPDK + ['dpdk-pdump', '-l', '1'] +
            [a for lib in libs for a in ('-d', lib)] +
            self.common(self.sock('a')) +
            ['--', '--pdump', 'port=0,queue=*,rx-dev=%s,tx-dev=%s' % (rx, tx)], env=self.env)
        dump.expect(r'capture for \(1\) tuples')
        self.wait_until(lambda: all(os.path.getsize(f) > 1000 * (64 + 32) for f in (rx, tx)))
        dump.signal(signal.SIGINT)
        dump.wait()
        self.quit(pri)
        for path in rx, tx:
            frames = read_pcap(path)
            self.assertGreater(len(frames), 1000)
            self.assertEqual({len(f) for f in frames}, {64})
