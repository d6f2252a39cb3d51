# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""One side is killed, stopped or misbehaves while packets flow."""

import errno
import os
import signal
import time
import unittest

import vfio_user
from lib import Bench, tag
from packets import noise, read_pcap, write_pcap


@tag('dma')
class Trouble(Bench):
    def flow(self, **kw):
        """Start a daemon and an application; frames circulate in a loop as fast as they can."""
        nic = self.nic('p:wire=loop,speed=max', **kw)
        return nic, self.app()

    def app(self):
        pmd = self.dpdk_testpmd(self.eal(self.sock('p')), ['--forward-mode=io'])
        self.command(pmd, 'start tx_first 4')
        self.moving()
        return pmd

    def frames(self):
        return self.nic_now(self.procs[0])['p']['tx']['frames']

    def moving(self):
        before = self.frames()
        self.wait_until(lambda: self.frames() > before)

    def removed(self, pmd):
        """Wait until testpmd has received the removal event and has detached the port.

        testpmd does this in another thread.
        """
        pmd.expect(r'Now total ports is 0')
        self.assertRegex(pmd.text(), r'(?i)port 0: device removal event')
        self.quit(pmd)

    def test_killed_daemon_is_a_removed_device(self):
        nic, pmd = self.flow()
        nic.signal(signal.SIGKILL)
        pmd.expect(r'(?i)vfio_user.*(lost|gone|closed)')
        self.removed(pmd)
        self.assertRegex(pmd.text(), r'(?i)port 0: link state change event')

    def test_traffic_resumes_after_daemon_paused(self):
        nic, pmd = self.flow()
        nic.signal(signal.SIGSTOP)
        time.sleep(1)
        nic.signal(signal.SIGCONT)
        self.moving()
        self.command(pmd, 'stop')
        self.quit(pmd)

    def test_no_call_blocks_while_daemon_is_stopped(self):
        """No call of the application blocks for longer than a time-out."""
        nic, pmd = self.flow()
        nic.signal(signal.SIGSTOP)
        self.command(pmd, 'stop')
        self.command(pmd, 'port stop 0')
        self.removed(pmd)
        self.assertRegex(pmd.text(), r'(?i)timed out|time-out|lost')

    def silent(self, what):
        """Stop the daemon for longer than the time-out, stop or close the port, then resume both.

        Return the number of mbufs that the pool had while the daemon was stopped, and the number at
        the end.
        """
        nic = self.nic('p:wire=loop,speed=max')
        app = self.ethdev_calls(self.eal(self.sock('p'), lcores='0', mb=64), 'unresponsive-device')
        app.expect(r'^flowing')
        self.moving()
        nic.signal(signal.SIGSTOP)
        app.say(what)
        withheld = int(app.expect(r'mbufs taken, (\d+) withheld').group(1))
        nic.signal(signal.SIGCONT)
        self.wait_client_gone(nic, 'p')
        app.say('back')
        app.wait()
        self.assertIn('unresponsive-device: ok', app.text())
        # The driver withholds all mbufs that the device owned: those in the receive ring, and
        # unsent ones.
        self.assertGreater(withheld, 511)
        self.assertRegex(app.text(), r'2 rings and %d mbufs in quarantine' % withheld)
        return 4095 - withheld, int(app.expect(r'(\d+) mbufs in the end').group(1))

    def test_silent_daemon_touches_no_released_buffer(self):
        """The device neither writes nor reads a buffer that was released in the meantime."""
        self.assertEqual(self.silent('stop')[1], 4095)

    def test_closed_port_withholds_buffers_of_silent_daemon(self):
        taken, end = self.silent('close')
        self.assertEqual(taken, end)

    def test_dead_daemon_withholds_no_buffer(self):
        """The driver withholds nothing if it knows that the other end is closed."""
        nic = self.nic('p:wire=loop,speed=max')
        app = self.ethdev_calls(self.eal(self.sock('p'), lcores='0', mb=64), 'unresponsive-device')
        app.expect(r'^flowing')
        nic.signal(signal.SIGKILL)
        nic.p.wait()
        app.say('close')
        app.expect(r'mbufs taken, 0 withheld')
        app.say('back')
        app.wait()

    def test_killed_application_is_cleaned_up(self):
        nic, pmd = self.flow()
        for _ in range(3):
            pmd.p.kill()
            pmd.wait(status=-9)
            self.wait_client_gone(nic, 'p')
            pmd = self.app()
        self.command(pmd, 'stop')
        self.quit(pmd)
        stats = self.nic_stats(nic)
        self.assertEqual(stats['p']['server']['clients'], 4)
        self.assertEqual(stats['p']['server']['dma_maps'], 0)

    def test_traffic_resumes_after_application_paused(self):
        """Frames without a descriptor are dropped and counted; afterwards traffic resumes."""
        write_pcap(self.path('in.pcap'), [noise(1000, i) for i in range(3000)])
        nic = self.nic('p:wire=pcap:%s:%s' % (self.path('in.pcap'), self.path('out.pcap')),
                       'q:wire=loop')
        pmd = self.dpdk_testpmd(self.eal(self.sock('p')), ['--forward-mode=io', '--rxd=512',
                                                          '--disable-device-start',
                                                          '--no-flush-rx'])
        self.command(pmd, 'port start all', 'Done')
        self.command(pmd, 'start')
        pmd.signal(signal.SIGSTOP)
        self.wait_until(lambda: self.nic_now(nic)['p']['rx']['frames'] == 3000)
        pmd.signal(signal.SIGCONT)

        def all_sent():
            now = self.nic_now(nic)['p']
            return now['tx']['frames'] == now['device']['rx_frames']
        # Frames that are in the transmit ring when the port stops are not sent.
        self.wait_until(all_sent)
        self.command(pmd, 'stop')
        self.quit(pmd)
        stats = self.nic_stats(nic)['p']
        got = read_pcap(self.path('out.pcap'))
        self.assertEqual(len(got), stats['device']['rx_frames'])
        self.assertEqual(stats['device']['rx_frames'] + stats['device']['rx_no_desc'] +
                         stats['device']['rx_off'], 3000)
        sent = {noise(1000, i) for i in range(3000)}
        self.assertTrue(all(f in sent for f in got), 'a frame was corrupted')

    def test_client_that_truncates_memory_is_disconnected(self):
        """The daemon survives SIGBUS, disconnects that client, and serves the next one."""
        nic = self.nic('p:wire=loop,speed=max', 'q:wire=loop,speed=max')
        c = vfio_user.Client(self.sock('p'))
        fd = os.memfd_create('guest')
        size = 4 << 20
        os.ftruncate(fd, size)
        c.dma_map(fd, 0, 0x10000000, size)
        c.write(vfio_user.CONFIG, 4, b'\x06\x00')            # memory space, bus master
        # A transmit ring in memory that is complete now, and truncated later.
        desc = b''.join((0x10100000 + 2048 * i).to_bytes(8, 'little') +
                        ((60 | 3 << 20 | 1 << 24 | 1 << 25 | 1 << 27 | 1 << 29) |
                         (60 << 14) << 32).to_bytes(8, 'little') for i in range(256))
        os.pwrite(fd, desc, 0)
        c.set_reg(0xE000, 0x10000000)
        c.set_reg(0xE004, 0)
        c.set_reg(0xE008, 4096)
        c.set_reg(0x0400, 1 << 1)                            # TCTL.EN
        c.set_reg(0xE028, 1 << 25)                           # TXDCTL.ENABLE
        self.assertTrue(c.reg(0xE028) & 1 << 25)
        c.set_reg(0xE018, 100)
        self.wait_until(lambda: self.nic_now(nic)['p']['device']['tx_frames'] == 100)
        os.ftruncate(fd, 0)
        try:
            c.set_reg(0xE018, 255)
            self.wait_client_gone(nic, 'p')
        except OSError:
            # The server disconnected before it replied.
            pass
        self.wait_client_gone(nic, 'p')
        c2 = vfio_user.Client(self.sock('p'))
        self.assertEqual(c2.read(vfio_user.CONFIG, 0, 4), b'\x86\x80\xc9\x10')
        c2.close()
        stats = self.nic_stats(nic)
        self.assertEqual(stats['p']['device']['tx_frames'], 100, 'sent what was no longer there')
        self.assertGreater(stats['p']['server']['dma_faults'], 0)

    def test_port_attaches_and_detaches_repeatedly(self):
        nic = self.nic('p:wire=loop,speed=max', 'q:wire=loop,speed=max')
        pmd = self.dpdk_testpmd(self.eal(self.sock('p')), ['--forward-mode=io'])
        for _ in range(3):
            self.command(pmd, 'port attach ' + self.eal_device(self.sock('q')),
                         r'Port 1 is attached')
            self.command(pmd, 'port start 1', 'Done')
            before = self.nic_now(nic)['q']['tx']['frames']
            self.command(pmd, 'start tx_first', r'packet forwarding')
            self.wait_until(lambda: self.nic_now(nic)['q']['tx']['frames'] > before)
            self.command(pmd, 'stop')
            self.command(pmd, 'port stop 1', 'Done')
            self.command(pmd, 'port detach 1', r'(?i)detached|removed')
            self.wait_client_gone(nic, 'q')
        self.quit(pmd)

    def test_second_client_is_refused(self):
        nic, pmd = self.flow()
        with self.assertRaises(OSError) as refused:
            vfio_user.Client(self.sock('p')).reg(8)
        self.assertEqual(refused.exception.errno, errno.EBUSY)
        second = self.dpdk_testpmd(self.eal(self.sock('p'), mb=64), ['--total-num-mbufs=2048'])
        self.quit(second)
        self.assertIn('%s: serves another client; end that first' % self.sock('p'), second.text())
        self.assertIn('No probed ethernet devices', second.text())
        self.moving()
        self.command(pmd, 'stop')
        self.quit(pmd)


if __name__ == '__main__':
    unittest.main()
