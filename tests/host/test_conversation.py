# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The tests find a prompt also where another thread of the program logs in the middle of it."""

import unittest

from conversation import Conversation

LOG = 'net_gantry_igb: /tmp/p.sock: port 0: the device was removed\n'
EVENT = '\nPort 0: link state change event\n'


class Printed(Conversation):
    """A program that has ended, and its output."""

    prompt = 'testpmd> '

    def __init__(self, text):
        self.printed = text

    def name(self):
        return 'printed'

    def text(self):
        return self.printed

    def poll(self):
        return 0


class Prompt(unittest.TestCase):
    def test_whole_prompt_is_found(self):
        self.assertEqual(Printed('Done.\ntestpmd> ').expect_prompt().group(0), 'testpmd> ')

    def test_prompt_torn_apart_by_log_lines_is_found(self):
        Printed('Done.\nt' + LOG + 'estp' + LOG + LOG + 'md> ').expect_prompt()

    def test_prompt_torn_apart_by_event_is_found(self):
        Printed('Done.\ntestp' + EVENT + 'md>' + EVENT + ' ').expect_prompt()

    def test_part_of_prompt_is_no_prompt(self):
        with self.assertRaises(AssertionError):
            Printed('Done.\nt' + LOG + 'estpmd>').expect_prompt()

    def test_prompt_before_start_is_not_found(self):
        with self.assertRaises(AssertionError):
            Printed('testpmd> stop\n' + LOG).expect_prompt(start=9)
