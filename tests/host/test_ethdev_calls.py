# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""What no packaged tool calls of ethdev: see ethdev_calls.c."""

import unittest

from lib import Bench


class EthdevCalls(Bench):
    def scenario(self, name, port=''):
        self.nic('p:wire=loop' + port)
        app = self.ethdev_calls(self.eal(self.sock('p'), lcores='0', mb=64), name)
        app.wait(60)
        self.assertIn(name + ': ok', app.text())

    def test_configured_and_started_again(self):
        self.scenario('again')

    def test_deferred_start(self):
        self.scenario('deferred')

    def test_filters(self):
        self.scenario('filters')

    def test_link_events(self):
        self.scenario('link')

    def test_rx_interrupts(self):
        self.scenario('interrupts')

    def test_sctp_checksum(self):
        self.scenario('sctp')


if __name__ == '__main__':
    unittest.main()
