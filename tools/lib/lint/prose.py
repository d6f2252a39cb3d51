# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Comments, docstrings, documents, manuals and strings are plain engineering English.

A program can check words and the beginnings of sentences. CONTRIBUTING.md describes all the rules.
"""

import io
import re
import tokenize

import texts

# A pattern and what to write instead. Words in code font, and quoted ones, are not looked at.
WORDS = [
    (r'\b(?:tells?|told|telling)\b', 'report, log, notify; return, indicate'),
    (r'\b(?:lies|lie)\b', 'is, resides'),
    (r'\bany ?more\b', 'no longer'),
    (r'\banew\b', 'again'),
    (r'\bmeanwhile\b', 'concurrently, in the meantime'),
    (r'\blets? (?:it |them |him )?go\b', 'release, free, hand back'),
    (r'\b(?:accus(?:e|es|ed|ation)|blam(?:e|es|ed))\b', 'attribute, report'),
    (r"\bof EAL's(?= *[.,;:)\n])|\bEAL's memory\b", 'EAL memory'),
    (r"\bone's own\b|\bof (?:its|his|their|our) own's\b", 'its own; a custom ...'),
    (r"\bof the \w+'s own\b(?!\s+(?!at\b|for\b|has\b|in\b)\w)", 'library memory; its own'),
    (r"\b\w+'s \w+'s\b", 'no chain of possessives'),
    (r'\bsays?\b', 'report, state, contain, describe'),
    (r', too\b(?=[.;:)]|$)', '"also" before the verb'),
]
# A sentence begins so: no subject that a reader can point at.
BEGINNINGS = re.compile(r'(?:\A\s*(?:[#@]+\s+)?|(?<=[.:!?]\s))'
                        r'(Of|Who|Whoever|What|Whatever)\s(?![^.]*\?)')
# A comment of a function begins with an imperative: "Return ...", not "Returns ...".
THIRD_PERSON = re.compile(
    r'(?:Accept|Add|Allocate|Answer|Append|Arm|Ask|Assert|Build|Call|Check|Close|Compare|Compute|'
    r'Connect|Convert|Copie|Count|Create|Describe|Destroy|Disable|Discard|Drop|Enable|End|Fill|'
    r'Find|Fork|Format|Forward|Free|Get|Give|Goe|Ha|Handle|Hand|Initialise|Insert|Install|Keep|Let|'
    r'Load|Lock|Log|Make|Map|Mark|Move|Open|Parse|Poll|Post|Prepare|Print|Put|Raise|Read|Receive|'
    r'Reclaim|Record|Register|Release|Remove|Replace|Report|Reset|Return|Run|Search|Send|Serve|Set|'
    r'Split|Start|Stop|Store|Switche|Take|Test|Translate|Trie|Unlock|Unmap|Unregister|Update|'
    r'Verifie|Wait|Wake|Walk|Write|Yield)s\b(?! (?:of|that|whose|from|are|in|with|beyond)\b)')
# What follows a comment of a function: attributes on their lines, and the head of the function.
FUNCTION = re.compile(r'\n(?:__\w+\n)*[A-Za-z_][\w \t*]*\n?\w+\((?:[^;{}()]|\([^()]*\))*\)\s*[;{]')
CODE_FONT = re.compile(r'`[^`\n]*`|``[^`]*``|"[^"\n]*"|\'[^\'\s]\'')


def c_comments(text):
    """(line, comment, is it of a function) of each comment in C."""
    token = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
    for m in token.finditer(text):
        if m[0].startswith('/'):
            body = re.sub(r'(?m)^[ \t]*\*(?!/)[ \t]?', '', m[0].lstrip('/*').rstrip('*/'))
            yield text.count('\n', 0, m.start()) + 1, body, bool(FUNCTION.match(text, m.end()))


def python_comments(text):
    """(line, comment, is it of a function) of each run of comment lines and each docstring."""
    run, begin, last, function = [], 0, -2, False
    for t in tokenize.generate_tokens(io.StringIO(text).readline):
        if t.type == tokenize.COMMENT:
            if t.start[0] != last + 1 and run:
                yield begin, '\n'.join(run), False
                run = []
            begin = begin if run else t.start[0]
            run.append(t.string.lstrip('#! '))
            last = t.start[0]
        elif t.type == tokenize.STRING and t.line.strip().startswith(('"""', "'''", 'r"""')):
            yield t.start[0], t.string.strip('r"\''), function
        elif t.type == tokenize.NAME and t.string in ('def', 'class'):
            function = t.string == 'def'
    if run:
        yield begin, '\n'.join(run), False


def shell_comments(text):
    """(line, comment) of each run of lines that begin with #."""
    for m in re.finditer(r'(?m)(?:^[ \t]*#[^\n]*(?:\n|$))+', text):
        yield text.count('\n', 0, m.start()) + 1, \
            re.sub(r'(?m)^[ \t]*#!?[ \t]?', '', m[0]), False


def document(text):
    """(line, paragraph); blocks of code are left out."""
    text = re.sub(r'(?ms)^ *```.*?^ *```', lambda m: '\n' * m[0].count('\n'), text)
    text = re.sub(r'(?m)(?<=::\n\n)(?:[ \t]+[^\n]*\n|\n)+', lambda m: '\n' * m[0].count('\n'), text)
    text = re.sub(r'(?m)(?<=\n\n)(?: {4}[^\n]*\n|\n)+', lambda m: '\n' * m[0].count('\n'), text)
    for m in re.finditer(r'(?s)\S.*?(?=\n\s*\n|\n *[|*-] |$(?![\s\S]))', text):
        yield text.count('\n', 0, m.start()) + 1, m[0], False


def parts(name, text):
    if name.endswith(('.c', '.h')):
        return c_comments(text)
    if name.endswith('.py') or text.startswith('#!/usr/bin/python3'):
        return python_comments(text)
    if name.endswith(('.md', '.rst')):
        return document(text)
    return shell_comments(text)


def check(files):
    """Yield (file, line, message)."""
    for name in files:
        if name.endswith(('.ini', '.pcap', '.pcapng', '.gz')) or '/corpus/' in name:
            continue
        if name == 'LICENSE':
            continue
        yield from texts.check(name, WORDS, BEGINNINGS)
        with open(name, encoding='utf-8', errors='replace') as f:
            text = f.read()
        for line, part, is_function in parts(name, text):
            plain = CODE_FONT.sub(lambda m: 'x' * len(m[0]), part)
            for pattern, instead in WORDS:
                for m in re.finditer(r'(?<![.>])(?:%s)(?![(\[])' % pattern, plain, re.I):
                    yield name, line + plain.count('\n', 0, m.start()), \
                        '"%s": %s' % (m[0].strip(', '), instead)
            for m in BEGINNINGS.finditer(plain):
                yield name, line + plain.count('\n', 0, m.start()), \
                    'a sentence begins with "%s": name its subject' % m[1]
            m = THIRD_PERSON.match(plain.lstrip())
            if is_function and m:
                yield name, line, '"%s": begin with an imperative' % m[0]
