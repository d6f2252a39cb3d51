# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Ports that a vdev owns: net_gantry_igb0,path=SOCKET."""

import glob
import os
import re
import signal

from lib import DPDK, WITH_DPDK, Bench

# The term that the bonding driver uses; DPDK 23.11 changed it.
MEMBER = 'member' if DPDK >= '23.11' else 'slave'
# DPDK looks for its drivers where it is installed. A release that is only unpacked needs -d.
FAILSAFE = [a for run in WITH_DPDK for f in glob.glob(
    os.path.dirname(run) + '/usr/lib/*/dpdk/pmds-*/librte_net_failsafe.so') for a in ('-d', f)]


class Vdev(Bench):
    def vdev(self, name, number=0, devargs=''):
        return 'net_gantry_igb%d,path=%s%s' % (number, self.sock(name), devargs)

    def eal_vdevs(self, *vdevs, **kw):
        return self.eal(**kw) + [a for v in vdevs for a in ('--vdev', v)]

    def play(self, scenario):
        app = self.ethdev_calls(self.eal_vdevs(self.vdev('p'), lcores='0', mb=64), scenario)
        app.wait(60)
        self.assertIn(scenario + ': ok', app.text())

    def quiet_exit(self, pmd):
        """End the application, and check that no library reports an error."""
        start = len(pmd.text())
        self.quit(pmd)
        self.assertEqual(re.findall(r'(?im)^.*(?:error|fail|cannot|invalid|vfio_user|igb:).*$',
                                    pmd.text()[start:]), [])

    def test_vdev_owns_name_device_iterator_and_memory(self):
        nic = self.nic('p:wire=loop')
        self.play('vdev')
        self.assertEqual(self.nic_stats(nic)['p']['server']['dma_faults'], 0)

    def test_rx_interrupts_wake_their_queue(self):
        self.nic('p:wire=loop')
        self.play('interrupts')

    def test_link_changes_are_events(self):
        self.nic('p:wire=loop')
        self.play('link')

    def test_unplugged_vdev_is_removed_and_can_return(self):
        nic = self.nic('p:wire=loop')
        app = self.ethdev_calls(self.eal_vdevs(self.vdev('p'), lcores='0', mb=64), 'unplug')
        app.expect(r'^flowing')
        nic.stop()
        app.expect(r'^detached', 60)
        self.nic('p:wire=loop')
        app.say('plug ' + self.vdev('p'))
        app.wait()
        self.assertIn('unplug: ok', app.text())

    def test_vdev_of_killed_daemon_can_attach_again(self):
        nic = self.nic('p:wire=loop')
        pmd = self.dpdk_testpmd(self.eal_vdevs(self.vdev('p')), [])
        self.command(pmd, 'start tx_first')
        nic.signal(signal.SIGKILL)
        pmd.expect(r'Now total ports is 0')
        self.assertRegex(pmd.text(), r'(?i)port 0: device removal event')
        self.nic('p:wire=loop')
        self.command(pmd, 'port attach ' + self.vdev('p'), r'Now total ports is 1')
        self.command(pmd, 'port start 0', r'Done')
        self.quiet_exit(pmd)

    def test_detached_vdev_holds_no_resources(self):
        """Neither end holds resources of a detached port, by device or by port number."""
        nic = self.nic('p:wire=loop')
        pmd = self.dpdk_testpmd(self.eal_vdevs(self.vdev('p')), [])

        def detach(command):
            self.command(pmd, 'port stop 0', r'Done')
            self.command(pmd, command, r'Now total ports is 0')
            self.wait_client_gone(nic, 'p')

        idle = self.open_files(nic)
        detach('device detach net_gantry_igb0')
        self.wait_files(idle, nic)
        files = self.open_files(pmd) + idle
        for command in ('port close 0\ndevice detach net_gantry_igb0', 'port detach 0',
                        'device detach net_gantry_igb0'):
            self.command(pmd, 'port attach ' + self.vdev('p', devargs=',dma=window'),
                         r'net_gantry_igb0: DMA mode window(?s:.*)Now total ports is 1')
            self.command(pmd, 'port start 0', r'Done')
            self.command(pmd, 'start tx_first')
            self.command(pmd, 'stop', r'Done')
            detach(command)
            self.wait_files(files, pmd, nic)
        self.command(pmd, 'port attach ' + self.vdev('p'), r'Now total ports is 1')
        self.quiet_exit(pmd)

    def test_vdev_and_bus_port_have_their_names(self):
        self.nic('p:wire=loop', 'q:wire=loop')
        pmd = self.dpdk_testpmd(self.eal(self.sock('q')) + ['--vdev', self.vdev('p', 7)], [])
        for name in 'net_gantry_igb7', self.sock('q'):
            self.command(pmd, 'show port summary all', r' %s +net_gantry_igb' % name)
        self.quiet_exit(pmd)

    def test_bonding_takes_vdevs_as_members(self):
        """Active backup takes both ports by their names, and sends through the primary one."""
        nic = self.nic('p:wire=loop', 'q:wire=loop')
        pmd = self.dpdk_testpmd(self.eal_vdevs(
            self.vdev('p', 0), self.vdev('q', 1),
            'net_bonding0,mode=1,%s=net_gantry_igb0,%s=net_gantry_igb1,primary=net_gantry_igb1'
            % (MEMBER, MEMBER)), [])
        self.command(pmd, 'show bonding config 2', MEMBER.capitalize() +
                     r's \(2\): \[0 1\](?s:.*?)Primary: \[1\]')
        self.command(pmd, 'set portlist 2')
        self.command(pmd, 'start tx_first')
        self.wait_until(lambda: self.nic_now(nic)['q']['tx']['frames'] > 100)
        self.command(pmd, 'stop', r'Done')
        self.assertEqual(self.nic_now(nic)['p']['tx']['frames'], 0)
        self.quiet_exit(pmd)

    def test_bonding_takes_member_that_returned(self):
        """The other member takes over from one that is lost, until that one returns."""
        nic, lost = self.nic('p:wire=loop'), self.nic('q:wire=loop')
        pmd = self.dpdk_testpmd(self.eal_vdevs(
            self.vdev('p', 0), self.vdev('q', 1),
            'net_bonding0,mode=1,%s=net_gantry_igb0,%s=net_gantry_igb1,primary=net_gantry_igb1'
            % (MEMBER, MEMBER)), [])
        self.command(pmd, 'set portlist 2')

        def sends(nic, port):
            self.command(pmd, 'start tx_first')
            self.wait_until(lambda: self.nic_now(nic)[port]['tx']['frames'] > 100)
            self.command(pmd, 'stop', r'Done')

        sends(lost, 'q')
        lost.stop()
        pmd.expect(r'the device was removed')
        sends(nic, 'p')
        self.command(pmd, 'port stop 2', r'Done')
        self.command(pmd, 'remove bonding %s 1 2' % MEMBER)
        self.command(pmd, 'port stop 1', r'Done')
        self.command(pmd, 'port close 1', r'Done')
        self.command(pmd, 'device detach net_gantry_igb1', r'Done|detached')
        found = self.nic('q:wire=loop')
        self.command(pmd, 'port attach ' + self.vdev('q', 1), r'Port 1 is attached')
        self.command(pmd, 'add bonding %s 1 2' % MEMBER)
        self.command(pmd, 'set bonding primary 1 2')
        self.command(pmd, 'port start 2', r'Done')
        sends(found, 'q')
        self.quiet_exit(pmd)

    def test_failsafe_creates_vdev(self):
        """failsafe creates the vdev itself, and finds the port by the name of the vdev."""
        nic = self.nic('p:wire=loop')
        pmd = self.dpdk_testpmd(FAILSAFE + self.eal_vdevs(
            'net_failsafe0,mac=02:00:00:00:00:0a,dev(%s)' % self.vdev('p')), [])
        self.command(pmd, 'show port summary all', r' net_failsafe0 ')
        self.command(pmd, 'start tx_first')
        self.wait_until(lambda: self.nic_now(nic)['p']['tx']['frames'] > 100)
        self.command(pmd, 'stop', r'Done')
        self.quiet_exit(pmd)

    def test_long_socket_path_is_accepted(self):
        """The name of the vdev is short, whatever the length of the path."""
        name = 'n' * (107 - len(self.sock('')))
        self.nic('p:wire=loop,socket=' + self.sock(name))
        self.assertEqual(len(self.sock(name)), 107)
        pmd = self.dpdk_testpmd(self.eal_vdevs(self.vdev(name)), [])
        self.command(pmd, 'show port summary all', r' net_gantry_igb0 ')
        self.quiet_exit(pmd)

    def test_bad_devargs_are_refused_with_one_line(self):
        """One line reports the mistake, and the port does not exist."""
        self.nic('p:wire=loop')
        for devargs, line in (
                ('', "devargs '': path=SOCKET is missing"),
                (',dma=direct', "path=SOCKET is missing"),
                (',path=', 'must be the absolute path of a socket'),
                (',path=p.sock', 'must be the absolute path of a socket'),
                (',path=/' + 'x' * 107, 'must be the absolute path of a socket'),
                (',path=%s,foo=1' % self.sock('p'),
                 "unknown devarg 'foo'; known: path, untested, dma, dma_debug"),
                (',path=%s,dma=never' % self.sock('p'), 'devarg dma=never: must be auto')):
            with self.subTest(devargs=devargs):
                self.refused(self.eal_vdevs('net_gantry_igb0' + devargs), line)
        self.refused(self.eal(self.sock('p'), devargs=',path=' + self.sock('p')),
                     "unknown devarg 'path'; known: untested, dma, dma_debug")

    def refused(self, eal, line):
        pmd = self.dpdk_testpmd(eal, [])
        self.quit(pmd)
        self.assertEqual(len(re.findall(r'(?m)^net_gantry_igb: .*', pmd.text())), 1, pmd.text())
        self.assertIn(line, pmd.text())
        self.assertIn('No probed ethernet devices', pmd.text())
