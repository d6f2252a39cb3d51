# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Rules for the sources that no compiler checks, and for the tests that meson runs."""

import collections
import glob
import json
import os
import re
import subprocess
import unittest

from lib import BUILD, TOP

# The device and the bus are exempt, because there a bus address is a number in a format.
DMA = ('lib/dma/*.[ch]', 'lib/dma/*/*.[ch]', 'lib/dma_debug/*.[ch]', 'drivers/net/igb/*.[ch]',
       'app/gantry-testpmd/*.[ch]', 'app/gantry-dmacheck/*.[ch]', 'examples/edu/edu.[ch]',
       'examples/edu/main.c', 'bench/dma*.c')

# A variable, parameter, member or function that has the name of a bus address but another type.
OTHER = re.compile(r'\b(?:u?int(?:32|64|ptr)_t|size_t|(?:unsigned )?long)\s+\**'
                   r'(?:\w+_)?(?:bus|iova|dma_addr|bus_address|ring_addr)\s*[;,)=(]')


class Types(unittest.TestCase):
    def test_bus_addresses_have_their_type(self):
        """Bus addresses are held in gantry_dma_addr_t (those of EAL in rte_iova_t)."""
        found, files, held = [], 0, 0
        for pattern in DMA:
            for path in sorted(glob.glob(os.path.join(TOP, pattern))):
                with open(path, encoding='utf-8') as f:
                    text = f.read()
                files += 1
                held += len(re.findall(r'\bgantry_dma_addr_t\b', text))
                found += ['%s: %s' % (os.path.relpath(path, TOP), m.group())
                          for m in OTHER.finditer(text)]
        self.assertEqual(found, [])
        # Make sure that the search covered the sources.
        self.assertGreater(files, 50)
        self.assertGreater(held, 100)


class Suites(unittest.TestCase):
    def output(self, *argv):
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                              text=True, timeout=120).stdout

    def test_meson_knows_each_test(self):
        """tests/meson.build has each host test and scenario, and each other test is a unit test."""
        suites = collections.defaultdict(set)
        for test in json.loads(self.output('meson', 'introspect', '--tests', BUILD)):
            kinds = {s.split(':')[1] for s in test['suite']} & {'unit', 'host', 'dmacheck', 'vm'}
            self.assertNotEqual(kinds, set(), test['name'])
            for kind in kinds:
                suites[kind].add(test['name'])
        self.assertEqual(suites['host'], {'host_' + os.path.basename(p)[len('test_'):-len('.py')]
                                          for p in glob.glob(TOP + '/tests/host/test_*.py')})
        self.assertEqual(suites['vm'], {'vm_' + line.split()[0] for line in self.output(
            TOP + '/tools/vm', '--list').splitlines()})
        self.assertEqual(suites['dmacheck'], {'host_dmacheck'})
        self.assertGreater(len(suites['unit']), 20)


if __name__ == '__main__':
    unittest.main()
