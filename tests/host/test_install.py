# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What meson install installs is enough to build and run an application with."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess

import lib
import packets


@lib.tag('install')
class Install(lib.Bench):
    def setUp(self):
        super().setUp()
        self.root = self.path('root')
        self.call(['meson', 'install', '-C', lib.BUILD, '--no-rebuild', '--destdir', self.root])
        pcs = glob.glob(self.root + '/**/pkgconfig/gantry*.pc', recursive=True)
        for pc in pcs:           # as if it had been configured with that prefix
            with open(pc) as f:
                text = f.read()
            with open(pc, 'w') as f:
                f.write(re.sub(r'(?m)^prefix=(.*)$', 'prefix=%s\\1' % self.root, text))
        self.assertEqual(['gantry-dma.pc', 'gantry.pc'], sorted(os.path.basename(p) for p in pcs))
        self.libdir = os.path.dirname(os.path.dirname(pcs[0]))
        self.env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(pcs[0]))

    def call(self, argv, **kw):
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=120, **kw)
        if r.returncode != 0:
            self.fail('%s: %s' % (' '.join(argv), r.stdout[-4000:]))
        return r.stdout

    def test_example_builds_and_forwards(self):
        source = self.path('examples')
        shutil.copytree(os.path.join(lib.TOP, 'examples'), source,
                        ignore=shutil.ignore_patterns('forwarder'))
        self.call(['make', '-C', source], env=self.env)
        frames = [packets.noise(60 + i, i) for i in range(1000)]
        packets.write_pcap(self.path('in.pcap'), frames)
        nic = self.nic('a:wire=pcap:%s:%s' % (self.path('in.pcap'), self.path('out.pcap')))
        app = self.run_process([os.path.join(source, 'forwarder')] +
                               self.eal(self.sock('a'), lcores='0', mb=64))
        app.expect(r'^forwarder: 1 ports')
        self.wait_until(lambda: os.path.getsize(self.path('out.pcap')) > 0)
        nic.signal(signal.SIGUSR2)
        self.wait_until(lambda: self.sent(nic) == len(frames))
        app.signal(signal.SIGINT)
        app.wait()
        self.assertIn('forwarder: %d packets' % len(frames), app.text())
        self.nic_stats(nic)
        self.assertEqual(frames, packets.read_pcap(self.path('out.pcap')))

    def sent(self, nic):
        """How many frames the port has sent; asks the daemon for the next look."""
        try:
            with open(self.path('nic.json')) as f:
                port = json.load(f)['ports'][0]
        except FileNotFoundError:
            return 0
        nic.signal(signal.SIGUSR2)
        return port['tx']['frames']

    def test_dma_library_alone(self):
        with open(self.path('t.c'), 'w') as f:
            f.write('#include <stdio.h>\n#include <gantry_dma.h>\n'
                    'int main(void)\n{\n\tint x;\n\tputs(gantry_mem_class_name('
                    'gantry_mem_classify(&x)));\n\treturn 0;\n}\n')
        flags = self.call(['pkg-config', '--cflags', '--libs', 'gantry-dma'], env=self.env).split()
        self.call(['cc', '-o', self.path('t'), self.path('t.c')] + flags)
        self.call([self.path('t')], env=dict(self.env, LD_LIBRARY_PATH=self.libdir))

    def test_stock_testpmd_loads_the_installed_plugins(self):
        nic = self.nic('a:wire=loop')
        # EAL takes no folder below /tmp, which is everybody's; but a name and LD_LIBRARY_PATH.
        app = self.run_process(['dpdk-testpmd', '-d', 'librte_bus_vfio_user.so',
                                '-d', 'librte_net_gantry_igb.so'] +
                               self.eal(self.sock('a'), mb=64) +
                               ['--', '-i', '--total-num-mbufs=4096'],
                               env={'LD_LIBRARY_PATH': os.path.join(self.libdir, 'gantry', 'pmds')})
        app.expect(r'Port 0: ([0-9A-F]{2}:){5}')
        self.quit(app)
        self.nic_stats(nic)
