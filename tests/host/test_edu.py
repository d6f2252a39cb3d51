# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""examples/edu: a driver for a device that is not a NIC, on the vfio-user bus."""

import os
import re
import signal

import vfio_user
from lib import BUILD, Bench, needs_hugepages, tag

DEVICE = os.path.join(BUILD, 'examples', 'edu', 'edu-device')
COPY = os.path.join(BUILD, 'examples', 'edu', 'edu-copy')
LIMIT = 210  # lines


class Idle(vfio_user.Server):
    """A device that reports the end of each transfer at once, and transfers nothing."""
    vendor, device = 0x1234, 0x11e8


class Edu(Bench):
    def device(self):
        p = self.run_process([DEVICE, self.sock('e')])
        p.expect(r'^edu-device: ready')
        return p

    def copy(self, *args, status=0, **kw):
        app = self.run_process([COPY] + self.eal(self.sock('e'), lcores='0', mb=64, **kw) +
                               ['--'] + list(args))
        app.wait(60, status)
        return app.text()

    def in_mode(self, mode, *args, expected=None, **kw):
        """Copy in that mode, and check that the device made every transfer that was requested."""
        device = self.device()
        text = self.copy(mode, 'debug', *args, **kw)
        self.assertRegex(text, r'(?m)^%s: 40000 bytes copied, mode %s, mask 0xfffffff, misuses 0$'
                         % (re.escape(self.sock('e')), expected or mode))
        # Ten parts in both directions, and the self-test of the probe.
        device.expect(r'client left .*: 22 transfers, 0 refused, 0 DMA faults')
        device.signal(signal.SIGTERM)
        device.wait()

    def test_auto_chooses_window_for_28_bits(self):
        """EAL memory is above 28 bits, so the library chooses a window below by itself."""
        self.in_mode('auto', expected='window')

    def test_window_makes_each_transfer(self):
        self.in_mode('window')

    def test_strict_makes_each_transfer(self):
        self.in_mode('strict')

    def test_bounce_makes_each_transfer(self):
        self.in_mode('bounce')

    def test_bounce_copies_heap_memory(self):
        self.in_mode('bounce', 'heap')

    @needs_hugepages
    def test_each_mode_makes_each_transfer_with_hugepages(self):
        for mode in 'window', 'strict', 'bounce':
            for iova in 'va', 'pa':
                with self.subTest(mode=mode, iova=iova):
                    self.in_mode(mode, mem='huge', iova=iova)

    def test_direct_beyond_28_bits_is_refused(self):
        """The driver refuses the device with the reason, instead of truncating an address."""
        device = self.device()
        text = self.copy('direct', status=1)
        self.assertRegex(text, r'(?m)^edu: %s is not usable: .*drives 28 address bits'
                         % re.escape(self.sock('e')))
        device.expect(r'client left .*: 0 transfers, 0 refused, 0 DMA faults')

    def test_device_that_copies_nothing_is_refused(self):
        """The driver refuses a device that copies nothing, and reports that as the reason."""
        server = Idle(self.sock('e'))
        self.addCleanup(server.close)
        text = self.copy('auto', status=1)
        self.assertRegex(text, r'(?m)^edu: %s is not usable: its copies do not arrive$'
                         % re.escape(self.sock('e')))

    def test_auto_chooses_direct_for_low_memory(self):
        """All addresses fit, so the library chooses direct mode."""
        device = self.device()
        app = self.run_process([COPY] + self.eal(self.sock('e'), lcores='0', mb=64) +
                               ['--base-virtaddr=0x4000000', '--', 'auto'])
        app.wait(60)
        self.assertIn('40000 bytes copied, mode direct, mask 0xfffffff', app.text())
        device.expect(r'client left .*: 22 transfers, 0 refused, 0 DMA faults')

    @tag('slow')
    def test_copy_fails_if_device_dies(self):
        """The copy fails, and memory that the device might still access stays mapped."""
        device = self.device()
        app = self.run_process([COPY] + self.eal(self.sock('e'), lcores='0', mb=64) +
                               ['--', 'bounce', 'debug', 'pause'])
        app.expect(r'^edu-copy: press return')
        device.signal(signal.SIGKILL)
        device.wait(status=None)
        app.say('')
        app.wait(60, 1)
        self.assertRegex(app.text(), r'(?m)^edu-copy: .*: Connection timed out')
        self.assertNotIn('misuse', app.text())

    def test_bad_mode_is_refused(self):
        app = self.run_process([COPY, '--', 'fast'])
        app.wait(status=2)
        self.assertRegex(app.text(), r'^edu-copy: fast: must be .*\n$')

    def test_driver_is_short(self):
        """The driver is an example to be read, so it must be short."""
        with open(os.path.join(os.path.dirname(__file__), '..', '..', 'examples', 'edu',
                               'edu.c')) as f:
            self.assertLess(sum(1 for _ in f), LIMIT)
