# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What the sources keep to that no compiler checks."""

import glob
import os
import re
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')

# Not the devices, nor the bus: there a bus address is a number of a format's.
DMA = ('lib/dma/*.[ch]', 'drivers/net/igb/*.[ch]', 'app/gantry-testpmd/*.[ch]',
       'app/gantry-dmacheck/*.[ch]', 'examples/edu/edu.[ch]', 'examples/edu/main.c', 'bench/dma*.c')

# A variable, parameter, member or function that is named as a bus address, and is another type.
OTHER = re.compile(r'\b(?:u?int(?:32|64|ptr)_t|size_t|(?:unsigned )?long)\s+\**'
                   r'(?:\w+_)?(?:bus|iova|dma_addr|bus_address|ring_addr)\s*[;,)=(]')


class Types(unittest.TestCase):
    def test_bus_addresses(self):
        """They are held in gantry_dma_addr_t (EAL's own in rte_iova_t)."""
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
        # It has looked.
        self.assertGreater(files, 50)
        self.assertGreater(held, 100)


if __name__ == '__main__':
    unittest.main()
