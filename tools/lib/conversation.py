# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Wait for the output of a program, be it a child process or a program in a virtual machine."""

import re
import time

TIMEOUT_S = 60  # seconds; only prevents hanging, so a busy machine must not come near it


def torn(prompt):
    """Return a pattern of a prompt that lines of another thread may interrupt.

    DPDK's command line writes a prompt character by character, and another thread may print between
    two of them: a log line ("te", "net_gantry_igb: port 0: ...", "stpmd> "), or an empty line and
    an event ("Port 0: link state change event").
    """
    return r'(?:(?:\w+(?: \d+)?: .*)?\n){0,9}'.join(map(re.escape, prompt))


class Conversation:
    """The dialogue with a program.

    A subclass provides name(); text(), which is all that the program has printed; say(line), which
    sends it a line; and poll(), which returns its exit status or None.
    """

    prompt = ''  # the text that the program prints after it has answered a command

    def fail(self, why):
        raise AssertionError('%s: %s\n%s' % (self.name(), why, self.text()[-6000:]))

    def expect(self, pattern, timeout=TIMEOUT_S, start=0):
        """Wait for a match in the output after offset start, and return it."""
        end = time.monotonic() + timeout
        while True:
            status = self.poll()  # before text(), so that output at the end is not missed
            m = re.compile(pattern, re.M).search(self.text(), start)
            if m:
                return m
            if status is not None:
                self.fail('ended with status %d before it printed %r' % (status, pattern))
            if time.monotonic() > end:
                self.fail('did not print %r within %d s' % (pattern, timeout))
            time.sleep(0.02)

    def expect_prompt(self, timeout=TIMEOUT_S, start=0):
        return self.expect(torn(self.prompt), timeout, start)

    def command(self, line, pattern='', timeout=TIMEOUT_S):
        """Enter a line at a prompt, and wait for the expected output and the next prompt."""
        start = len(self.text())
        self.say(line)
        m = self.expect(pattern, timeout, start)
        self.expect_prompt(timeout, m.end())
        return m
