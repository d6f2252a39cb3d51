# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The default build is hardened, as the built programs and libraries show."""

import glob
import os
import re
import subprocess
import unittest

from lib import BUILD, PMDS

PROGRAMS = [os.path.join(BUILD, 'app', name) for name in
            ('gantry-nic', 'gantry-testpmd', 'gantry-dmacheck')]
LIBRARIES = sorted(glob.glob(os.path.join(PMDS, '*.so')) +
                   glob.glob(os.path.join(BUILD, 'lib', 'dma', '*.so')))


def readelf(path, *args):
    return subprocess.run(['readelf', '-W', *args, path], capture_output=True, text=True,
                          check=True).stdout


def with_zeroing(compiler):
    """Return whether the compiler supports automatic zeroing; meson.build makes the same check."""
    return subprocess.run([compiler, '-Werror', '-ftrivial-auto-var-init=zero', '-fsyntax-only',
                           '-xc', os.devnull], capture_output=True, check=False).returncode == 0


class Hardening(unittest.TestCase):
    def test_addresses_are_random_and_relocations_read_only(self):
        self.assertGreaterEqual(len(LIBRARIES), 3)
        for path in PROGRAMS + LIBRARIES:
            with self.subTest(os.path.basename(path)):
                headers, dynamic = readelf(path, '-hl'), readelf(path, '-d')
                self.assertRegex(headers, r'Type:\s+DYN')
                self.assertIn('GNU_RELRO', headers)
                self.assertRegex(headers, r'GNU_STACK .* RW  ')
                self.assertRegex(dynamic, r'FLAGS_1.* NOW' + ('.* PIE' if path in PROGRAMS else ''))

    def test_stacks_and_buffers_are_checked(self):
        for path in PROGRAMS + LIBRARIES:
            with self.subTest(os.path.basename(path)):
                symbols = readelf(path, '--dyn-syms')
                self.assertIn(' __stack_chk_fail', symbols)
                self.assertRegex(symbols, r' __\w+_chk@')

    def test_each_file_has_hardening_options(self):
        """gcc records its options in its output."""
        for path in PROGRAMS + LIBRARIES:
            with self.subTest(os.path.basename(path)):
                info = readelf(path, '--debug-dump=info', '--dwarf-depth=1')
                options = re.findall(r'DW_AT_producer\s*:.*GNU C\d+ (.*)', info)
                self.assertTrue(options or 'clang version' in info)
                for o in options:
                    self.assertIn('-fstack-protector-strong', o)
                    if with_zeroing('gcc'):
                        self.assertIn('-ftrivial-auto-var-init=zero', o)


if __name__ == '__main__':
    unittest.main()
