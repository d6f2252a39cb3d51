# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Waiting for what a program says, be it a child or one in a virtual machine."""

import re
import time

PATIENCE = 60  # seconds; bounds hanging, so a busy machine must not come near it


class Conversation:
    """Of a program: name(), text() that it has printed, poll() for its exit status or None."""

    prompt = ''  # what the program prints when it has answered a command

    def fail(self, why):
        raise AssertionError('%s: %s\n%s' % (self.name(), why, self.text()[-6000:]))

    def expect(self, pattern, timeout=PATIENCE, start=0):
        """Waits for a match in the output after offset start; returns it."""
        end = time.monotonic() + timeout
        while True:
            status = self.poll()  # first: what is printed afterwards can't be missed
            m = re.compile(pattern, re.M).search(self.text(), start)
            if m:
                return m
            if status is not None:
                self.fail('ended with %d before it said %r' % (status, pattern))
            if time.monotonic() > end:
                self.fail('did not say %r within %d s' % (pattern, timeout))
            time.sleep(0.02)

    def command(self, line, pattern='', timeout=PATIENCE):
        """Says a line at a prompt, and waits for what must be printed, and for the next prompt."""
        start = len(self.text())
        self.say(line)
        m = self.expect(pattern, timeout, start)
        self.expect(self.prompt, timeout, m.end())
        return m
