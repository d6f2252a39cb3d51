# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Links: a cable has two ends, and each end reports when the other one goes down or comes up."""

import signal
import subprocess
import unittest

import vfio_user
from lib import Bench, needs_root


class Links(Bench):

    def start(self, *ports, **kw):
        return self.dpdk_testpmd(self.eal(*(self.sock(p) for p in ports), mb=128),
                                 ['--total-num-mbufs=4096', '--no-flush-rx'], **kw)

    def port_is(self, pmd, port, state):
        """Wait until ethdev reports that state; the event that updates it may be delayed."""
        def is_so():
            start = len(pmd.text())
            self.command(pmd, 'show port info %d' % port, r'Link status: (up|down)')
            return 'Link status: ' + state in pmd.text()[start:]
        self.wait_until(is_so)

    def event(self, pmd, port, line):
        """Enter a line at the prompt that changes the link of the port, and wait for the event."""
        start = len(pmd.text())
        self.command(pmd, line)
        pmd.expect(r'Port %d: link state change event' % port, start=start)

    def links(self, nic):
        return {name: p['device']['link'] for name, p in self.nic_now(nic).items()}

    def test_pair_follows_far_end_down_and_up(self):
        nic = self.nic('a:wire=pair:b', 'b')
        pmd = self.start('a', 'b')
        for far in 0, 1:
            self.port_is(pmd, far, 'up')
        for far in 0, 1:
            near = 1 - far
            for down, up in (('port stop %d', 'port start %d'),
                             ('set link-down port %d', 'set link-up port %d')):
                self.event(pmd, near, down % far)
                self.port_is(pmd, near, 'down')
                self.port_is(pmd, far, 'down')
                self.assertEqual(self.links(nic), {'a': False, 'b': False})
                self.event(pmd, near, up % far)
                self.port_is(pmd, near, 'up')
                self.port_is(pmd, far, 'up')
        # A stopped port stays down, whatever command it receives.
        self.event(pmd, 1, 'port stop 0')
        self.command(pmd, 'set link-up port 0')
        self.port_is(pmd, 0, 'down')
        self.port_is(pmd, 1, 'down')
        self.event(pmd, 1, 'port start 0')
        # Frames pass again.
        self.port_is(pmd, 1, 'up')
        self.command(pmd, 'set promisc all on')
        self.command(pmd, 'start tx_first')
        self.wait_until(lambda: self.nic_now(nic)['b']['device']['rx_frames'] >= 1000)
        self.command(pmd, 'stop')
        self.quit(pmd)

    def test_pair_links_at_best_common_speed(self):
        self.nic('a:wire=pair:b', 'b')
        ends = [vfio_user.Client(self.sock(name)) for name in 'ab']
        ctrl, status, mdic, set_link_up = 0, 8, 0x20, 0x40

        def offer(end, adv, gigabit):
            for reg, value in (4, adv), (9, gigabit), (0, 0x1340):  # and restart autonegotiation
                end.set_reg(mdic, 1 << 26 | 1 << 21 | reg << 16 | value)

        def link_is(bits):
            self.wait_until(lambda: all(e.reg(status) & 0xc3 == bits for e in ends))

        for end in ends:
            end.set_reg(ctrl, end.reg(ctrl) | set_link_up)
        link_is(0x83)              # 1000 Mb/s, up, full duplex
        offer(ends[0], 0x0d01, 0)
        link_is(0x43)              # 100 Mb/s
        offer(ends[1], 0x0c61, 0x200)
        self.wait_until(lambda: not any(e.reg(status) & 2 for e in ends))  # no common mode
        offer(ends[0], 0x0c21, 0)
        link_is(0x02)              # 10 Mb/s, half duplex
        for end in ends:
            offer(end, 0x0de1, 0x200)
        link_is(0x83)
        for end in ends:
            end.close()

    def test_pair_follows_far_end_that_vanishes_and_returns(self):
        nic = self.nic('a:wire=pair:b', 'b')
        near = self.start('a')
        self.port_is(near, 0, 'down')
        for sig in signal.SIGKILL, signal.SIGTERM:
            start = len(near.text())
            far = self.start('b')
            near.expect(r'Port 0: link state change event', start=start)
            self.port_is(near, 0, 'up')
            start = len(near.text())
            far.signal(sig)
            far.p.wait()
            near.expect(r'Port 0: link state change event', start=start)
            self.port_is(near, 0, 'down')
            self.wait_client_gone(nic, 'b')
        self.quit(near)

    def test_loop_is_up_while_the_port_is_started(self):
        self.nic('a:wire=loop')
        pmd = self.start('a')
        self.command(pmd, 'show port info 0', 'Link status: up')
        self.command(pmd, 'port stop 0')
        self.command(pmd, 'show port info 0', 'Link status: down')
        self.command(pmd, 'port start 0')
        self.command(pmd, 'show port info 0', 'Link status: up')
        self.quit(pmd)

    @needs_root
    def test_tap_and_port_follow_each_other(self):
        tap = self.tap_name()

        def ip(*args):
            subprocess.run(('ip',) + args, check=True, capture_output=True)

        def carrier():
            with open('/sys/class/net/%s/carrier' % tap) as f:
                return f.read().strip()

        self.nic('a:wire=tap:' + tap)
        ip('link', 'set', tap, 'up')
        self.assertEqual(carrier(), '0')        # no driver yet
        pmd = self.start('a')
        self.port_is(pmd, 0, 'up')
        for _ in range(2):
            self.wait_until(lambda: carrier() == '1')
            start = len(pmd.text())
            ip('link', 'set', tap, 'down')
            pmd.expect(r'Port 0: link state change event', start=start)
            self.port_is(pmd, 0, 'down')
            start = len(pmd.text())
            ip('link', 'set', tap, 'up')
            pmd.expect(r'Port 0: link state change event', start=start)
            self.port_is(pmd, 0, 'up')
            for down, up in (('port stop 0', 'port start 0'),
                             ('set link-down port 0', 'set link-up port 0')):
                self.command(pmd, down)
                self.wait_until(lambda: carrier() == '0')
                self.command(pmd, up)
                self.wait_until(lambda: carrier() == '1')
        pmd.signal(signal.SIGKILL)
        self.wait_until(lambda: carrier() == '0')

    @needs_root
    def test_deleted_tap_takes_only_its_port_down(self):
        tap = self.tap_name()

        def ip(*args):
            subprocess.run(('ip',) + args, check=True, capture_output=True)

        nic = self.nic('a:wire=tap:' + tap, 'b:wire=loop')
        ip('link', 'set', tap, 'up')
        pmd = self.start('a', 'b')
        for port in 0, 1:
            self.port_is(pmd, port, 'up')
        start = len(pmd.text())
        ip('link', 'delete', tap)
        pmd.expect(r'Port 0: link state change event', start=start)
        self.port_is(pmd, 0, 'down')
        nic.expect(r'gantry: TAP %s was deleted' % tap)
        # An interface that is created later with the same name is a different one.
        ip('tuntap', 'add', tap, 'mode', 'tap')
        self.addCleanup(subprocess.run, ('ip', 'link', 'delete', tap), check=False)
        ip('link', 'set', tap, 'up')
        before = self.nic_now(nic)['b']['device']['rx_frames']
        self.command(pmd, 'start tx_first')
        self.wait_until(lambda: self.nic_now(nic)['b']['device']['rx_frames'] > before)
        self.command(pmd, 'stop')
        self.command(pmd, 'port stop 0')
        self.command(pmd, 'port start 0')
        self.port_is(pmd, 0, 'down')
        self.port_is(pmd, 1, 'up')
        self.quit(pmd)
        self.nic_stats(nic)     # checks that the daemon ends with status 0
        self.assertEqual(nic.text().count('was deleted'), 1)


if __name__ == '__main__':
    unittest.main()
