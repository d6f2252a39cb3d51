# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The output of tools/vm that needs no virtual machine."""

import os
import subprocess
import unittest

from lib import BUILD, TOP

SCENARIOS = ('va pa-noiommu pa-uio dma-fault strict window dma-untranslated rx-intr link-intr '
             'intr-window intr-strict testpmd testpmd-window testpmd-strict '
             'dpdk-test dpdk-test-window dpdk-test-strict linux-peer upstream-peer numa '
             'versus-upstream models-agree hot-unplug guest-linux guest-dpdk edu '
             'vfio-cost').split()


class VmTool(unittest.TestCase):
    def vm(self, *args):
        return subprocess.run([os.path.join(TOP, 'tools', 'vm'), *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              env=dict(os.environ, GANTRY_BUILD=BUILD), check=False)

    def refused(self, what, *args):
        r = self.vm(*args)
        self.assertEqual(r.returncode, 2, r.stderr)
        self.assertIn(what, r.stderr.splitlines()[-1])
        self.assertNotIn('Traceback', r.stderr)

    def test_list_describes_each_scenario(self):
        r = self.vm('--list')
        self.assertEqual(r.returncode, 0, r.stderr)
        names = [line.split()[0] for line in r.stdout.splitlines()]
        self.assertEqual([n for n in SCENARIOS if n not in names], [])
        for line in r.stdout.splitlines():
            self.assertGreater(len(line.split()), 3, 'no description: %r' % line)

    def test_bad_arguments_are_refused(self):
        self.refused('no scenario nonesuch', 'nonesuch')
        self.refused('no scenario nonesuch', 'va', 'nonesuch')
        self.refused('name a scenario')
        self.refused('/nonesuch/f: No such file', 'va', '--json', '/nonesuch/f')
        self.refused('shell needs a terminal', 'shell')
        self.refused('unrecognized arguments', 'va', '--nonesuch')
