# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Debian's dpdk-test, unmodified: its own test of a poll-mode driver."""

import unittest

from lib import PMDS, Bench, hugepages, tag


@tag('slow')     # needs both cores
class DpdkTest(Bench):
    def test_pmd_perf_autotest_passes(self):
        """Thousands of frames circulate, in bursts and continuously; the test counts them."""
        # The test receives as many frames as the link carries in two seconds at the speed that the
        # driver reports: 3 million at 1 Gb/s, but 298 million at 100 Gb/s.
        self.nic('p0:wire=loop,speed=1G', args=['--cores', '0'])
        # The test runs on a worker, lcore 1; its main lcore sleeps in the meantime.
        mem = 'huge' if hugepages(512) else 'no-huge'
        p = self.run_process(['dpdk-test', '-d', PMDS] +
                             self.eal(self.sock('p0'), mem=mem, mb=512),
                             env={'DPDK_TEST': 'pmd_perf_autotest'})
        p.expect(r'^Test OK', timeout=300)
        p.wait()
        self.assertNotIn('Test Failed', p.text())


if __name__ == '__main__':
    unittest.main()
