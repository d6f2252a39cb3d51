# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Functions that fit on a screen, short lists of parameters, files of one subject, short lines.

Names of files and of external functions occur once.
"""

import os
import re

FUNCTION_LINES = 80
PARAMETERS = 6
FILE_LINES = 800
TEST_LINES = 999
COLUMNS = 100
TWICE = {'main.c', 'port.c', 'report.c', 'meson.build', 'README.md', 'Makefile', '__init__.py',
         '__main__.py'}
LONG = {  # functions that may be longer
    'igb_rx_take': 'the receive burst: one pass over the ring, with a marker for each step',
    'igb_tx_packet': 'one packet, from its check to its descriptors, with a marker for each step',
}
FUNCTION = re.compile(r'(?m)^(\w[\w \t*,()]*\n)?(\w+)\(((?:[^;{}()]|\([^()]*\))*)\)\n'
                      r'\{\n(.*?)^\}', re.S)


def may_be_long(name, line):
    """True if a line cannot be broken: two words, a row of a table, a string in C."""
    if len(line.split()) < 3 or 'https://' in line:
        return True
    if name.endswith(('.md', '.rst')):
        return line.lstrip().startswith('|') or line.startswith('    ')
    return name.endswith(('.c', '.h')) and '"' in line


def long_lines(name, text):
    """Yield the numbers and widths of lines that are too long, and could be shorter."""
    in_block = False
    for at, line in enumerate(text.split('\n'), 1):
        in_block ^= name.endswith('.md') and line.lstrip().startswith('```')
        width = len(line.expandtabs(8))
        if width > COLUMNS and not in_block and not may_be_long(name, line):
            yield at, width


def is_source(name, text):
    """True for C, Python, shell, Markdown and reStructuredText."""
    return name.endswith(('.c', '.h', '.py', '.sh', '.md', '.rst')) or text.startswith('#!')


def parameters(text):
    depth = 0
    count = 1 if text.strip() not in ('', 'void') else 0
    for c in text:
        depth += (c == '(') - (c == ')')
        count += c == ',' and depth == 0
    return count


def check(files):
    external, base = {}, {}
    for name in files:
        with open(name, encoding='utf-8', errors='replace') as f:
            text = f.read()
        if is_source(name, text):
            for at, width in long_lines(name, text):
                yield name, at, '%d columns: at most %d' % (width, COLUMNS)
        if not name.endswith(('.c', '.h')):
            continue
        tests = name.startswith('tests/')
        lines = text.count('\n')
        most = TEST_LINES if tests else FILE_LINES
        if (tests or name.endswith('.c')) and lines > most:
            yield name, 1, '%d lines: at most %d' % (lines, most)
        if not tests:
            other = base.setdefault(os.path.basename(name), name)
            if other != name and os.path.basename(name) not in TWICE:
                yield name, 1, '%s has the same name' % other
        for m in FUNCTION.finditer(text):
            at = text.count('\n', 0, m.start(2)) + 1
            body = m[4].count('\n')
            if not tests and body > FUNCTION_LINES and m[2] not in LONG:
                yield name, at, '%s() has %d lines: at most %d' % (m[2], body, FUNCTION_LINES)
            count = parameters(m[3])
            if not tests and count > PARAMETERS:
                yield name, at, '%s() has %d parameters: at most %d' % (m[2], count, PARAMETERS)
            is_external = 'static' not in (m[1] or 'static') and m[2] != 'main'
            if not tests and name.endswith('.c') and is_external:
                other = external.setdefault(m[2], name)
                if other != name:
                    yield name, at, '%s() is defined in %s as well' % (m[2], other)
