# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Texts that people read: strings of programs, manuals, descriptions of build options, and reasons.

prose.py checks them by the same rules as comments. A raw string of Python is a pattern, and no text.
"""

import io
import re
import tokenize

C_LITERAL = r'"(?:\\.|[^"\\\n])*"'
C_TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|'(?:\\.|[^'\\\n])*'|^[ \t]*#[ \t]*include[^\n]*|"
                     r'(%s(?:[\s\\]*%s)*)' % (C_LITERAL, C_LITERAL), re.S | re.M)
QUOTES = ('"""', "'''", 'r"""')


def unescape(body):
    """Return the text of a literal; a line end in it is one of its source."""
    return re.sub(r'\\(.)', lambda m: ' ' if m[1] in 'nt' else m[1], body)


def c_strings(text):
    """Yield (line, string) of each string in C; adjacent literals are one string."""
    for m in C_TOKEN.finditer(text):
        if m[1]:
            body = re.sub(r'(?<!\\)"[\s\\]*"', lambda gap: '\n' * gap[0].count('\n'), m[1][1:-1])
            yield text.count('\n', 0, m.start()) + 1, unescape(body)


def python_strings(text):
    """Yield (line, string) of each string that is neither a docstring nor raw."""
    run, begin, line = '', 0, 0
    for t in tokenize.generate_tokens(io.StringIO(text).readline):
        if t.type == tokenize.STRING and not t.line.strip().startswith(QUOTES):
            quote = t.string[-1]
            prefix, _, body = t.string.partition(quote)
            if 'r' not in prefix.lower():
                begin = begin if run else t.start[0]
                line = line if run else t.start[0]
                run += '\n' * (t.start[0] - line) + unescape(body.strip(quote))
                line = t.end[0]
        elif run and t.type not in (tokenize.NL, tokenize.COMMENT):
            yield begin, run
            run = ''


def manual(text):
    """Yield (line, lines of text) of an mdoc page, without the lines that begin with a macro."""
    for m in re.finditer(r'(?m)(?:^(?![.\n])[^\n]*(?:\n|$))+', text):
        yield text.count('\n', 0, m.start()) + 1, m[0]


def descriptions(text):
    """Yield (line, description) of each build option of meson."""
    for m in re.finditer(r"description: '((?:\\.|[^'\\])*)'", text):
        yield text.count('\n', 0, m.start()) + 1, unescape(m[1])


def reasons(text):
    """Yield (line, reason) of each entry of tests/mutate/equivalent: what follows three lines."""
    for m in re.finditer(r'(?m)^(?!#)(?:\S[^\n]*\n){3}((?:\S[^\n]*(?:\n|\Z))+)', text):
        yield text.count('\n', 0, m.start(1)) + 1, m[1]


def parts(name, text):
    """Return the texts of a file, as (line, text)."""
    if name.endswith(('.c', '.h')):
        return c_strings(text)
    if name.endswith('.py') or text.startswith('#!/usr/bin/python3'):
        return python_strings(text)
    if name.startswith('man/'):
        return manual(text)
    if name == 'meson_options.txt':
        return descriptions(text)
    if name == 'tests/mutate/equivalent':
        return reasons(text)
    return ()


def check(name, words, beginnings):
    """Yield (file, line, message) for each text of a file that breaks a rule of prose.py."""
    with open(name, encoding='utf-8', errors='replace') as f:
        text = f.read()
    for line, part in parts(name, text):
        part = part.rstrip()
        for pattern, instead in words:
            for m in re.finditer(r'(?<![.>])(?:%s)(?![(\[])' % pattern, part, re.I):
                yield name, line + part.count('\n', 0, m.start()), \
                    'text: "%s": %s' % (m[0].strip(', '), instead)
        for m in beginnings.finditer(part):
            yield name, line + part.count('\n', 0, m.start()), \
                'text: a sentence begins with "%s": name its subject' % m[1]
