# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Rules for the sources that no compiler checks."""

import glob
import os
import re
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')

# The device and the bus are exempt, because there a bus address is a number in a format.
DMA = ('lib/dma/*.[ch]', 'drivers/net/igb/*.[ch]', 'app/gantry-testpmd/*.[ch]',
       'app/gantry-dmacheck/*.[ch]', 'examples/edu/edu.[ch]', 'examples/edu/main.c', 'bench/dma*.c')

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


if __name__ == '__main__':
    unittest.main()
