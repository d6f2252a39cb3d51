# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's Open vSwitch, unmodified, as the switch between two namespaces.

tools/setup unpacks it into .deps/openvswitch and installs nothing, because its packages would start
services. The test uses no resource outside of its own: database, sockets and logs are in the folder
of the test, and bridge, TAP interfaces and processes are in its namespaces.
"""

import os
import subprocess
import tempfile
import unittest

from lib import NIC, PMDS, TOP, Bench, needs_root

OVS = os.path.join(TOP, '.deps', 'openvswitch')
SWITCHD = os.path.join(OVS, 'usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk')
SERVER = os.path.join(OVS, 'usr/sbin/ovsdb-server')
SCHEMA = os.path.join(OVS, 'usr/share/openvswitch/vswitch.ovsschema')


def why_missing(note=OVS + '.missing'):
    """Return the reason for a skip: why tools/setup could not get it, or that it has not tried."""
    try:
        with open(note, encoding='utf-8') as f:
            return 'needs Open vSwitch: ' + f.read().strip().splitlines()[-1]
    except (FileNotFoundError, IndexError):
        return 'no .deps/openvswitch: run tools/setup test'


def tool(name):
    return os.path.join(OVS, 'usr/bin', name)


class Missing(unittest.TestCase):
    def test_reason_is_that_of_setup(self):
        with tempfile.NamedTemporaryFile('w', suffix='.missing', encoding='utf-8') as f:
            f.write('W: x\ndebian.py: one version of openvswitch-switch: unavailable\n')
            f.flush()
            self.assertEqual(why_missing(f.name), 'needs Open vSwitch: debian.py: one version of '
                                                  'openvswitch-switch: unavailable')

    def test_untried_setup_is_no_valid_reason(self):
        self.assertFalse(why_missing('/nonesuch').startswith('needs'))


@needs_root
class OpenVSwitch(Bench):
    def setUp(self):
        super().setUp()
        if not os.path.exists(SWITCHD):
            self.skipTest(why_missing())
        self.namespaces = {}
        self.env = {'OVS_RUNDIR': self.dir, 'OVS_LOGDIR': self.dir, 'OVS_DBDIR': self.dir,
                    'OVS_SYSCONFDIR': self.dir}
        for name in 'a', 'b', 'switch':
            self.namespaces[name] = 'gantry%d%s' % (os.getpid(), name)
            self.shell('ip', 'netns', 'add', self.namespaces[name])

    def tearDown(self):
        super().tearDown()
        for name in getattr(self, 'namespaces', {}).values():
            subprocess.run(['ip', 'netns', 'del', name], check=False)

    def shell(self, *argv):
        r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           env=dict(os.environ, **self.env), timeout=120, check=False)
        self.assertEqual(r.returncode, 0, '%s\n%s' % (' '.join(argv), r.stdout))
        return r.stdout

    def inside(self, name, *argv):
        return ['ip', 'netns', 'exec', self.namespaces[name]] + list(argv)

    def host(self, name, address):
        """Create a namespace whose interface is the wire of a NIC."""
        stats = self.path(name + '.json')
        nic = self.run_process(self.inside(name, NIC, '--stats-json', stats, '--port',
                                           '%s:socket=%s,wire=tap:wire' % (name, self.sock(name))))
        nic.expect(r'^gantry-nic: ready')
        for args in (['addr', 'add', address + '/24', 'dev', 'wire'],
                     ['link', 'set', 'wire', 'up']):
            self.shell(*self.inside(name, 'ip', *args))
        return nic

    def vsctl(self, *args):
        return self.shell(tool('ovs-vsctl'), '--db=unix:' + self.path('db.sock'), '--timeout=100',
                          *args)

    def switch(self):
        self.shell(tool('ovsdb-tool'), 'create', self.path('conf.db'), SCHEMA)
        self.run_process([SERVER, '--remote=punix:' + self.path('db.sock'),
                          '--unixctl=' + self.path('db.ctl'), self.path('conf.db')], env=self.env)
        self.wait_until(lambda: os.path.exists(self.path('db.sock')))
        self.vsctl('--no-wait', 'init')
        self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'other_config:dpdk-init=true',
                   'other_config:dpdk-lcore-mask=0x1', 'other_config:pmd-cpu-mask=0x2',
                   'other_config:per-port-memory=true',
                   'other_config:dpdk-extra="-d %s --no-huge --legacy-mem -m 256 --no-pci '
                   '--no-shconf --no-telemetry"' % PMDS)
        self.switchd = self.run_process(self.inside(
            'switch', SWITCHD, 'unix:' + self.path('db.sock'), '-vconsole:info',
            '--unixctl=' + self.path('switchd.ctl')), env=self.env)
        self.switchd.expect(r'DPDK Enabled - initialized')
        self.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')

    def attach(self, name, number):
        self.vsctl('add-port', 'br0', name, '--', 'set', 'Interface', name, 'type=dpdk',
                   'options:dpdk-devargs="net_gantry_igb%d,path=%s"' % (number, self.sock(name)))
        self.assertEqual(self.vsctl('get', 'Interface', name, 'error').strip(), '[]',
                         self.switchd.text())

    def ping(self):
        self.shell(*self.inside('a', 'ping', '-c', '3', '-i', '0.2', '-w', '60', '10.77.0.2'))

    def attached(self, nic, name):
        return nic.text().count('port %s: client attached' % name)

    def gone(self, nic, name):
        return nic.text().count('port %s: client left' % name)

    def test_ports_attach_forward_and_detach(self):
        a, b = self.host('a', '10.77.0.1'), self.host('b', '10.77.0.2')
        self.switch()
        self.attach('a', 0)
        self.attach('b', 1)
        self.ping()
        for turn in 1, 2:
            self.vsctl('del-port', 'br0', 'b')
            self.wait_until(lambda: self.gone(b, 'b') == turn)
            self.attach('b', 1)
            self.assertEqual(self.attached(b, 'b'), turn + 1)
            self.ping()
        self.assertEqual(self.attached(a, 'a'), 1)
        self.vsctl('del-br', 'br0')
        self.wait_until(lambda: self.gone(a, 'a') == 1 and self.gone(b, 'b') == 3)
        self.shell(tool('ovs-appctl'), '-t', self.path('switchd.ctl'), 'exit', '--cleanup')
        self.switchd.wait()
        self.assertNotRegex(self.switchd.text(), r'\|(ERR|EMER)\|')
