# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""examples/edu: a driver of a device that is no NIC, on the vfio-user bus."""

import os
import re
import signal

import vfio_user
from lib import BUILD, Bench, needs_hugepages, tag

DEVICE = os.path.join(BUILD, 'examples', 'edu', 'edu-device')
COPY = os.path.join(BUILD, 'examples', 'edu', 'edu-copy')
LIMIT = 200  # lines


class Idle(vfio_user.Server):
    """Says of each transfer at once that it has ended, and makes none."""
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
        """A copy; the device has made every transfer that it was asked for."""
        device = self.device()
        text = self.copy(mode, 'debug', *args, **kw)
        self.assertRegex(text, r'(?m)^%s: 40000 bytes copied, mode %s, mask 0xfffffff, misuses 0$'
                         % (re.escape(self.sock('e')), expected or mode))
        # Ten parts there and back, and the probe's self-test.
        device.expect(r'client left .*: 22 transfers, 0 refused, 0 DMA faults')
        device.signal(signal.SIGTERM)
        device.wait()

    def test_auto_is_window(self):
        """EAL's memory lies above 28 bits: the library brings it below by itself."""
        self.in_mode('auto', expected='window')

    def test_window(self):
        self.in_mode('window')

    def test_strict(self):
        self.in_mode('strict')

    def test_bounce(self):
        self.in_mode('bounce')

    def test_bounce_of_ordinary_memory(self):
        self.in_mode('bounce', 'heap')

    @needs_hugepages
    def test_hugepages(self):
        for mode in 'window', 'strict', 'bounce':
            for iova in 'va', 'pa':
                with self.subTest(mode=mode, iova=iova):
                    self.in_mode(mode, mem='huge', iova=iova)

    def test_direct_is_refused(self):
        """With the reason, and not by an address whose upper bits get lost."""
        device = self.device()
        text = self.copy('direct', status=1)
        self.assertRegex(text, r'(?m)^edu: %s is not usable: .*drives 28 address bits'
                         % re.escape(self.sock('e')))
        device.expect(r'client left .*: 0 transfers, 0 refused, 0 DMA faults')

    def test_no_transfer(self):
        """A device that copies nothing is not used, and that is the reason that is given."""
        server = Idle(self.sock('e'))
        self.addCleanup(server.close)
        text = self.copy('auto', status=1)
        self.assertRegex(text, r'(?m)^edu: %s is not usable: what it copies does not arrive$'
                         % re.escape(self.sock('e')))

    def test_direct_where_memory_lies_low(self):
        """Nothing to bring anywhere: its addresses fit as they are."""
        device = self.device()
        app = self.run_process([COPY] + self.eal(self.sock('e'), lcores='0', mb=64) +
                               ['--base-virtaddr=0x4000000', '--', 'auto'])
        app.wait(60)
        self.assertIn('40000 bytes copied, mode direct, mask 0xfffffff', app.text())
        device.expect(r'client left .*: 22 transfers, 0 refused, 0 DMA faults')

    @tag('slow')
    def test_device_dies(self):
        """In the middle of a copy: an error, and nothing that it could still touch is given back."""
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

    def test_arguments(self):
        app = self.run_process([COPY, '--', 'fast'])
        app.wait(status=2)
        self.assertRegex(app.text(), r'^edu-copy: fast: must be .*\n$')

    def test_length(self):
        """The driver is an example to be read: short."""
        with open(os.path.join(os.path.dirname(__file__), '..', '..', 'examples', 'edu',
                               'edu.c')) as f:
            self.assertLess(sum(1 for _ in f), LIMIT)
