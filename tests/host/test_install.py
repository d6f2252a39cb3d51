# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The files that meson install installs suffice to build and to run an application."""

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
        for pc in pcs:           # as if the build had been configured with that prefix
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

    def test_installed_example_builds_and_forwards(self):
        source = self.path('examples')
        shutil.copytree(os.path.join(lib.TOP, 'examples'), source,
                        ignore=shutil.ignore_patterns('forwarder'))
        self.call(['make', '-C', source], env=self.env)
        frames = [packets.noise(60 + i, i) for i in range(1000)]
        packets.write_pcap(self.path('in.pcap'), frames)
        nic = self.nic('a:speed=max,wire=pcap:%s:%s' % (self.path('in.pcap'),  # drops nothing
                                                        self.path('out.pcap')))
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
        """Return the number of frames sent, and request the statistics for the next call."""
        try:
            with open(self.path('nic.json')) as f:
                port = json.load(f)['ports'][0]
        except FileNotFoundError:
            return 0
        nic.signal(signal.SIGUSR2)
        return port['tx']['frames']

    def test_dma_library_is_usable_alone(self):
        with open(self.path('t.c'), 'w') as f:
            f.write('#include <stdio.h>\n#include <gantry_dma.h>\n'
                    'int main(void)\n{\n\tint x;\n\tputs(gantry_mem_class_name('
                    'gantry_mem_classify(&x)));\n\treturn 0;\n}\n')
        flags = self.call(['pkg-config', '--cflags', '--libs', 'gantry-dma'], env=self.env).split()
        self.call(['cc', '-o', self.path('t'), self.path('t.c')] + flags)
        self.call([self.path('t')], env=dict(self.env, LD_LIBRARY_PATH=self.libdir))

    def test_stock_testpmd_loads_the_installed_plugins(self):
        nic = self.nic('a:wire=loop')
        # EAL accepts no plugin from a folder below the world-writable /tmp, but it accepts a plain
        # name, which the loader finds by LD_LIBRARY_PATH.
        app = self.run_process(['dpdk-testpmd', '-d', 'librte_bus_vfio_user.so',
                                '-d', 'librte_net_gantry_igb.so'] +
                               self.eal(self.sock('a'), mb=64) +
                               ['--', '-i', '--total-num-mbufs=4096'],
                               env={'LD_LIBRARY_PATH': os.path.join(self.libdir, 'gantry', 'pmds')})
        app.expect(r'Port 0: ([0-9A-F]{2}:){5}')
        self.quit(app)
        self.nic_stats(nic)

    def manuals(self):
        return {os.path.basename(p)[:-2]: p for p in glob.glob(self.root + '/**/man1/*.1',
                                                               recursive=True)}

    def test_each_installed_program_has_a_manual(self):
        programs = [os.path.basename(p) for p in glob.glob(self.root + '/**/bin/*', recursive=True)]
        self.assertEqual(len(programs), 3)
        self.assertEqual(set(programs), set(self.manuals()))

    def test_manuals_render_without_warnings(self):
        tools = [t for t in (['mandoc', '-T', 'lint', '-W', 'warning'],
                             ['groff', '-mdoc', '-ww', '-z', '-T', 'utf8']) if shutil.which(t[0])]
        if not tools:
            self.skipTest('needs mandoc or groff')
        for tool in tools:
            for manual in self.manuals().values():
                self.assertEqual(self.call(tool + [manual]), '')

    def test_manuals_name_each_option_of_help(self):
        for name, path in self.manuals().items():
            usage = self.call([os.path.join(lib.BUILD, 'app', name), '--help'])
            with open(path, encoding='utf-8') as f:
                text = f.read()
            options = set(re.findall(r'(?<!\S)\[?--([a-z][a-z-]*)', usage))
            self.assertIn('help', options)
            # Commands, keys of a port, wires, and signals
            words = set(re.findall(r'(?m)^ {2,4}([a-z_]+)\b', usage) +
                        re.findall(r'\bSIG[A-Z0-9]+', usage))
            missing = ['--' + o for o in options if not re.search(r'\bFl -%s\b' % o, text)]
            missing += [w for w in words if not re.search(r'\b%s\b' % w, text)]
            self.assertEqual(missing, [], name)

    def test_versions_agree(self):
        """--version of each program, both .pc files, and the newest version of CHANGELOG.md."""
        with open(os.path.join(lib.TOP, 'CHANGELOG.md'), encoding='utf-8') as f:
            newest = re.search(r'(?m)^## (\S+)', f.read()).group(1)
        for name in self.manuals():
            program = os.path.join(lib.BUILD, 'app', name)
            self.assertEqual(self.call([program, '--version']), '%s %s\n' % (name, newest))
        for pc in 'gantry', 'gantry-dma':
            self.assertEqual(self.call(['pkg-config', '--modversion', pc], env=self.env),
                             newest + '\n')

    def test_plugins_in_dpdk_folder_need_no_option(self):
        """-Ddpdk_plugin_dir=true: stock tools have the drivers without any -d."""
        names = ['librte_bus_vfio_user.so', 'librte_net_gantry_igb.so']
        self.assertEqual(glob.glob(self.root + '/**/dpdk/pmds-*', recursive=True), [])
        # The programs are the same; only their installation differs.
        build, root = self.path('build'), self.path('overlay')
        options = json.loads(self.call(['meson', 'introspect', '--buildoptions', lib.BUILD]))
        sdk = [o['value'] for o in options if o['name'] == 'dpdk_sdk'][0]
        self.call(['meson', 'setup', build, lib.TOP, '-Ddpdk_sdk=' + sdk, '-Dtests=false',
                   '-Ddpdk_plugin_dir=true'])
        for built in json.loads(self.call(['meson', 'introspect', '--installed', lib.BUILD])):
            rel = os.path.relpath(built, lib.BUILD)
            if not rel.startswith('..') and os.path.isfile(built):
                os.makedirs(os.path.dirname(os.path.join(build, rel)), exist_ok=True)
                shutil.copy(built, os.path.join(build, rel))
        self.call(['meson', 'install', '-C', build, '--no-rebuild', '--destdir', root])
        links = sorted(glob.glob(root + '/**/dpdk/pmds-*/*', recursive=True))
        self.assertEqual([os.path.basename(p) for p in links], names)
        for p in links:
            target = os.readlink(p)
            self.assertTrue(os.path.isabs(target), target)
            self.assertTrue(os.path.isfile(root + target), target)
        libdir = self.call(['pkg-config', '--variable=libdir', 'libdpdk']).strip()
        self.assertTrue(links[0].startswith(root + libdir + '/dpdk/'), links[0])

        # An overlay over /usr makes the files appear to be installed, for this one process.
        over = 'mount -t overlay overlay -o lowerdir="$0/usr":/usr /usr && exec "$@"'
        if os.geteuid() != 0 or subprocess.run(
                ['unshare', '-m', 'sh', '-c', over, root, 'true'],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20).returncode != 0:
            self.skipTest('needs root and overlayfs')
        nic = self.nic('a:wire=loop')
        app = self.run_process(['unshare', '-m', 'sh', '-c', over, root, 'dpdk-testpmd'] +
                               self.eal(self.sock('a'), mb=64) +
                               ['--', '-i', '--total-num-mbufs=4096'])
        app.expect(r'Port 0: ([0-9A-F]{2}:){5}')
        self.quit(app)
        self.nic_stats(nic)
