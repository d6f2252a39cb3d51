# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The prompt of gantry-testpmd: each command through a pipe, wrong input, and its end."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

from lib import TESTPMD, TIMEOUT_S, Bench

MAC0, MAC1 = '02:00:00:00:00:10', '02:00:00:00:00:11'


class PromptBench(Bench):
    def start(self, *socks, args=(), lcores='0,1'):
        """Start gantry-testpmd -i on these ports, and wait for its prompt."""
        p = self.run_process([TESTPMD] + self.eal(*socks, lcores=lcores) + ['--', '-i'] +
                             list(args))
        p.prompt = 'testpmd> '
        p.expect_prompt()
        return p

    def on_pair(self, **kw):
        self.daemon = self.nic('a:mac=%s,speed=max,wire=pair:b' % MAC0,
                               'b:mac=%s,speed=max' % MAC1)
        return self.start(self.sock('a'), self.sock('b'), **kw)

    def on_loop(self, **kw):
        self.nic('a:mac=%s,speed=max,wire=loop' % MAC0)
        return self.start(self.sock('a'), **kw)

    def output(self, p, line):
        """Enter a line, and return the lines that it prints before the next prompt."""
        start = len(p.text())
        p.say(line)
        # The prompt writes each character that it reads to its output.
        m = p.expect(r'(?s)%s\n(.*)%s\Z' % (re.escape(line), p.prompt), start=start)
        return [s.strip() for s in m[1].splitlines()]

    def stats(self, p, port):
        """Return the counters that `show port stats` prints."""
        text = '\n'.join(self.output(p, 'show port stats %d' % port))
        self.assertIn('NIC statistics for port %d ' % port, text)
        return {k: int(v) for k, v in re.findall(r'([RT]X-\w+): +(\d+)', text)}

    def wait_received(self, p, port, packets):
        self.wait_until(lambda: self.stats(p, port)['RX-packets'] == packets)


class Commands(PromptBench):
    def test_start_tx_first_sends_bursts_and_stop_counts_them(self):
        p = self.on_pair(args=['--mode', 'rxonly'])
        self.assertIn('forwarding on 2 ports, 1 lcore', self.output(p, 'start tx_first 3'))
        self.wait_received(p, 0, 96)
        self.wait_received(p, 1, 96)
        got = [s.split() for s in self.output(p, 'stop')]
        for port in range(2):
            at = [i for i, s in enumerate(got) if s[1:6] == (
                'Forward statistics for port %d' % port).split()][0]
            self.assertEqual(got[at + 1], 'RX-packets: 96 RX-dropped: 0 RX-total: 96'.split())
            self.assertEqual(got[at + 2], 'TX-packets: 96 TX-dropped: 0 TX-total: 96'.split())
        at = [i for i, s in enumerate(got) if 'Accumulated' in s][0]
        self.assertEqual(got[at + 1], 'RX-packets: 192 RX-dropped: 0 RX-total: 192'.split())
        self.assertEqual(got[at + 2], 'TX-packets: 192 TX-dropped: 0 TX-total: 192'.split())
        self.assertEqual(got[-1], ['Done.'])

    def test_start_tx_first_without_number_sends_one_burst(self):
        p = self.on_loop(args=['--burst', '7', '--size', '100'])
        self.output(p, 'set fwd rxonly')
        self.output(p, 'start tx_first')
        self.wait_received(p, 0, 7)
        self.assertEqual(self.stats(p, 0), {
            'RX-packets': 7, 'RX-missed': 0, 'RX-bytes': 7 * 96, 'RX-errors': 0, 'RX-nombuf': 0,
            'TX-packets': 7, 'TX-errors': 0, 'TX-bytes': 7 * 96})
        self.output(p, 'stop')
        self.quit(p)

    def test_start_without_tx_first_sends_nothing(self):
        p = self.on_loop()
        self.output(p, 'start')
        got = self.output(p, 'stop')
        self.assertEqual(len([s for s in got if re.match('TX-packets: 0 .* TX-total: 0$', s)]), 2)

    def test_set_fwd_applies_to_next_start(self):
        """A packet that io forwards on a loop circulates until stop."""
        p = self.on_loop()
        self.assertEqual(self.output(p, 'set fwd rxonly'), ['Set rxonly packet forwarding mode'])
        self.output(p, 'start tx_first')
        self.wait_received(p, 0, 32)
        self.output(p, 'stop')
        self.assertEqual(self.stats(p, 0)['TX-packets'], 32)
        for mode in 'mac', 'macswap', 'icmpecho', 'txonly', 'io':
            self.assertEqual(self.output(p, 'set fwd ' + mode),
                             ['Set %s packet forwarding mode' % mode])
        self.output(p, 'start tx_first')
        self.wait_until(lambda: self.stats(p, 0)['TX-packets'] > 1000)

    def test_show_port_stats_has_rates_since_last_show(self):
        p = self.on_loop(args=['--mode', 'txonly'])
        rate = r'Tx-pps: +(\d+) +Tx-bps: +(\d+)$'

        def rates():
            return [tuple(map(int, m)) for s in self.output(p, 'show port stats all')
                    for m in re.findall(rate, s)]
        self.assertEqual(rates(), [(0, 0)])
        self.output(p, 'start')
        self.wait_until(lambda: rates()[0][0] > 0)
        self.output(p, 'stop')
        rates()
        self.assertEqual(rates(), [(0, 0)])

    def test_clear_port_stats_clears_one_port_or_all(self):
        p = self.on_pair(args=['--mode', 'rxonly'])
        self.output(p, 'start tx_first')
        self.wait_received(p, 0, 32)
        self.wait_received(p, 1, 32)
        self.assertEqual(self.output(p, 'clear port stats 1'),
                         ['', 'NIC statistics for port 1 cleared'])
        self.assertEqual([self.stats(p, n)['RX-packets'] for n in range(2)], [32, 0])
        self.output(p, 'clear port stats all')
        self.assertEqual([self.stats(p, n)['RX-packets'] for n in range(2)], [0, 0])

    def test_show_port_info_prints_all_ports(self):
        p = self.on_pair()
        got = self.output(p, 'show port info all')
        self.assertEqual([s for s in got if s.startswith('MAC address')],
                         ['MAC address: ' + MAC0, 'MAC address: ' + MAC1])
        for s in ('Device name: ' + self.sock('b'), 'Driver name: net_gantry_igb',
                  'Link status: up', 'Link duplex: full-duplex', 'MTU: 1500',
                  'Current number of RX queues: 1'):
            self.assertIn(s, got)
        self.assertEqual([s.strip('* ') for s in self.output(p, 'show port info 1')
                          if s.startswith('*')], ['Infos for port 1'])

    def test_show_port_xstats_prints_counters_of_driver(self):
        p = self.on_loop(args=['--mode', 'rxonly'])
        self.output(p, 'start tx_first')
        self.wait_received(p, 0, 32)
        got = self.output(p, 'show port xstats 0')
        self.assertEqual(got[0], '###### NIC extended statistics for port 0')
        for s in 'rx_good_packets: 32', 'tx_q0_packets: 32', 'rx_missed_errors: 0':
            self.assertIn(s, got)

    def test_port_stop_and_start_move_the_link(self):
        p = self.on_pair(args=['--mode', 'rxonly'])

        def links():
            return [s for s in self.output(p, 'show port info all') if s.startswith('Link status')]
        self.assertEqual(self.output(p, 'port stop 1'), ['Done'])
        self.wait_until(lambda: links() == ['Link status: down'] * 2)
        self.assertEqual(self.output(p, 'port stop 1'),
                         ['gantry-testpmd: port 1 is already stopped', 'Done'])
        self.assertEqual(self.output(p, 'start'), [
            'gantry-testpmd: port 1 is stopped: enter port start 1 first'])
        self.assertEqual(self.output(p, 'port start 1'), ['Checking link statuses...', 'Done'])
        self.assertEqual(links(), ['Link status: up'] * 2)
        self.assertEqual(self.output(p, 'port start 0')[0],
                         'gantry-testpmd: port 0 is already started')
        self.output(p, 'port stop all')
        self.output(p, 'port start all')
        self.output(p, 'start tx_first')
        self.wait_received(p, 0, 32)
        self.wait_received(p, 1, 32)

    def test_set_promisc_decides_on_frames_for_others(self):
        """mac sends to an address that no port has, so only promiscuous ports forward again."""
        p = self.on_pair(args=['--mode', 'mac'])

        def modes():
            return [s.split(': ')[1] for s in self.output(p, 'show port info all')
                    if s.startswith('Promiscuous mode')]
        self.assertEqual(modes(), ['enabled', 'enabled'])
        self.assertEqual(self.output(p, 'set promisc 1 off'), [])
        self.assertEqual(modes(), ['enabled', 'disabled'])
        self.output(p, 'set promisc all off')
        self.assertEqual(modes(), ['disabled', 'disabled'])
        self.output(p, 'start tx_first')
        self.wait_until(lambda: [self.nic_now(self.daemon)[n]['rx']['frames'] for n in 'ab'] ==
                        [64, 64])
        self.assertEqual([self.stats(p, n)['RX-packets'] for n in range(2)], [32, 32])
        self.output(p, 'stop')
        self.output(p, 'set promisc all on')
        self.assertEqual(modes(), ['enabled', 'enabled'])
        self.output(p, 'start tx_first')
        self.wait_until(lambda: min(self.stats(p, n)['RX-packets'] for n in range(2)) > 1000)

    def shown(self, p, verbose):
        """Send two bursts of two packets; return the packets that are shown, by direction."""
        start = len(p.text())
        p.say('set verbose %d' % verbose)
        p.say('clear port stats all')
        p.say('start tx_first')
        p.expect('^forwarding on', start=start)

        def count(what):
            return sum(map(int, re.findall(r'port \d/queue 0: %s (\d) packets' % what,
                                           p.text()[start:])))
        if verbose & 1:
            self.wait_until(lambda: count('received') >= 4)
        else:
            p.expect(r'testpmd> \Z', start=start)
            self.wait_received(p, 0, 2)
            self.wait_received(p, 1, 2)
        p.say('stop')
        p.expect(r'(?s)^Done\.\n.*testpmd> \Z', start=start)
        self.assertEqual(len(re.findall(
            r'  src=02:00:00:00:00:1[01] - dst=02:00:00:00:00:1[01] - type=0x0800 - length=60 - '
            r'nb_segs=1 ', p.text()[start:])), count('received') + count('sent'))
        return count('received'), count('sent')

    def test_set_verbose_shows_received_and_sent_packets(self):
        p = self.on_pair(args=['--mode', 'rxonly', '--burst', '2'])
        for verbose, want in enumerate([(0, 0), (4, 0), (0, 4), (4, 4)]):
            self.assertEqual(self.shown(p, verbose), want, p.text())
        self.assertEqual(self.output(p, 'set verbose 0'), ['Change verbose level from 3 to 0'])

    def test_help_lists_the_commands(self):
        p = self.on_loop()
        names = [s.partition(':')[0] for s in self.output(p, 'help')]
        self.assertEqual(names, [
            'start', 'start tx_first', 'start tx_first N', 'stop',
            'show port info|stats|xstats all|N', 'clear port stats all|N',
            'port start|stop all|N', 'set fwd io|mac|macswap|rxonly|txonly|icmpecho',
            'set verbose N', 'set promisc all|N on|off', 'help', 'quit'])

    def test_wrong_input_is_one_line(self):
        p = self.on_loop()
        no_port = 'gantry-testpmd: port %s: no such port: must be all, or the number of a port'
        for line, answer in (
                ('foo', 'Command not found'),
                ('show', 'Bad arguments'),
                ('show port', 'Bad arguments'),
                ('show port stats', 'Bad arguments'),
                ('show port stats 0 0', 'Bad arguments'),
                ('set fwd flowgen', 'Bad arguments'),
                ('set promisc 0 maybe', 'Bad arguments'),
                ('start tx_first -1', 'Bad arguments'),
                ('start tx_first 4294967296', 'Bad arguments'),
                ('show port stats 1', no_port % '1'),
                ('show port info -1', no_port % '-1'),
                ('clear port stats 0x0', no_port % '0x0'),
                ('show port xstats 18446744073709551616', no_port % '18446744073709551616'),
                ('port stop 1', no_port % '1'),
                ('port start every', no_port % 'every'),
                ('set promisc 1 on', no_port % '1'),
                ('set verbose 4', 'gantry-testpmd: verbose 4: must be 0 (nothing), 1 (received '
                 'packets), 2 (sent packets) or 3 (both)'),
                ('stop', 'gantry-testpmd: forwarding is not active: enter start first')):
            with self.subTest(line):
                self.assertEqual(self.output(p, line), [answer])
        self.output(p, 'start')
        for line in 'start', 'start tx_first', 'port stop 0', 'port start all', 'set fwd io':
            with self.subTest(line):
                self.assertEqual(self.output(p, line),
                                 ['gantry-testpmd: forwarding is active: enter stop first'])
        self.output(p, 'stop')
        self.quit(p)

    def test_long_and_binary_lines_are_survived(self):
        p = self.on_loop()
        p.p.stdin.write(b'x' * 100000 + b'\n' + bytes(n for n in range(256) if n not in (3, 4)) +
                        b'\nset verbose 1\n')
        p.p.stdin.flush()
        p.expect('Change verbose level from 0 to 1')
        self.quit(p)


class End(PromptBench):
    def check_end(self, p):
        """Assert that forwarding stopped and reported, and that the ports were closed."""
        p.wait()
        self.assertRegex(p.text(), r'(?s)Accumulated forward statistics.*\nDone\.\nBye\.\.\.\n')

    def test_quit_stops_forwarding_and_executes_nothing_more(self):
        p = self.on_loop()
        self.output(p, 'start')
        p.say('quit\nset verbose 1')
        self.check_end(p)
        self.assertNotIn('verbose', p.text())

    def test_end_of_script_ends_it(self):
        p = self.on_loop()
        p.say('start tx_first')
        p.p.stdin.close()
        self.check_end(p)

    def test_ctrl_d_ends_it(self):
        p = self.on_loop()
        self.output(p, 'start')
        p.p.stdin.write(b'\x04')
        p.p.stdin.flush()
        self.check_end(p)

    def test_signals_end_it(self):
        for number in signal.SIGINT, signal.SIGTERM:
            with self.subTest(number):
                nic = self.nic('%s:wire=loop' % number.name)
                p = self.start(self.sock(number.name))
                self.output(p, 'start')
                p.signal(number)
                self.check_end(p)
                self.wait_client_gone(nic, number.name)
                nic.stop()

    def test_removed_device_ends_it_with_status_1(self):
        nic = self.nic('a:wire=loop')
        p = self.start(self.sock('a'))
        self.output(p, 'start')
        nic.signal(signal.SIGKILL)
        p.wait(status=1)
        self.assertIn('gantry-testpmd: port 0: the device is gone', p.text())

    def test_ctrl_c_on_a_terminal_ends_it_and_restores_the_terminal(self):
        self.nic('a:wire=loop')
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        before = termios.tcgetattr(slave)
        argv = [TESTPMD] + self.eal(self.sock('a')) + ['--', '-i']
        app = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL,
                               start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.addCleanup(lambda: (app.poll() is None and app.kill(), app.wait()))
        text, end = b'', time.monotonic() + TIMEOUT_S
        # A tab completes a word, as the library does on any terminal.
        for wanted, typed in ((b'testpmd> ', b'set ver\t1\r'),
                              (b'from 0 to 1\r\ntestpmd> ', b'\x03'), (b'Bye...', b'')):
            while wanted not in text and time.monotonic() < end:
                if select.select([master], [], [], 0.1)[0]:
                    text += os.read(master, 4096)
            self.assertIn(wanted, text)
            os.write(master, typed)
        self.assertEqual(app.wait(TIMEOUT_S), 0)
        self.assertEqual(termios.tcgetattr(slave), before)


class Options(PromptBench):
    def refused(self, args, line, lcores='0,1'):
        self.nic('a:wire=loop')
        p = self.run_process([TESTPMD] + self.eal(self.sock('a'), lcores=lcores) + ['--'] + args)
        p.wait(status=2)
        self.assertEqual([s for s in p.text().splitlines() if 'gantry-testpmd: ' in s],
                         ['gantry-testpmd: ' + line])

    def test_one_lcore_is_refused(self):
        self.refused(['-i'], '-i needs two lcores, one of which forwards: -l 0,1', lcores='0')

    def test_duration_is_refused(self):
        self.refused(['--interactive', '--duration', '1'],
                     '-i has no --duration and no --json: use the command forward')

    def test_json_is_refused(self):
        self.refused(['-i', '--json', '-'],
                     '-i has no --duration and no --json: use the command forward')

    def test_fewer_transmit_queues_are_refused_in_any_mode(self):
        self.refused(['-i', '--mode', 'rxonly', '--rxq', '2'],
                     '--txq 1 is less than --rxq 2: each receive queue needs its own transmit '
                     'queue')


if __name__ == '__main__':
    unittest.main()
