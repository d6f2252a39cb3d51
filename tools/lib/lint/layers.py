# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Dependencies point one way.

tools/lib/lint/layers.txt lists what each folder, or file, may use. An include of anything else is
an arrow that runs up, and so is a call of a function that is defined elsewhere (a declaration of
one's own hides no call).
"""

import fnmatch
import os
import re

RULES = os.path.join(os.path.dirname(__file__), 'layers.txt')
DEFINITION = re.compile(r'(?m)^(?!static)[a-z][\w \t*]*\n(\w+)\((?:[^;{]|\n)*\)\n\{')


def rules():
    """[(name, [patterns of its files], {names that it may use})]; the first match decides."""
    out = []
    with open(RULES, encoding='utf-8') as f:
        for line in f:
            line = line.split('#')[0].strip()
            if line:
                name, files, uses = (part.split() for part in line.split(':'))
                out.append((name[0], files, set(uses)))
    return out


def check(files):
    layers = rules()
    uses = {name: may | {name} for name, _, may in layers}
    home, text = {}, {}
    for name in files:
        if not name.endswith(('.c', '.h')):
            continue
        layer = next((n for n, patterns, _ in layers
                      if any(fnmatch.fnmatch(name, p) for p in patterns)), None)
        if layer is not None:
            home[name] = layer
            with open(name, encoding='utf-8') as f:
                text[name] = f.read()
    header = {}
    for name, layer in home.items():
        header.setdefault(os.path.basename(name), set()).add(layer)
    defined = {}
    for name, layer in home.items():
        if name.endswith('.c'):
            for m in DEFINITION.finditer(text[name]):
                defined.setdefault(m[1], set()).add(layer)
    for name, layer in home.items():
        code = re.sub(r'/\*.*?\*/', lambda m: '\n' * m[0].count('\n'), text[name], flags=re.S)
        for m in re.finditer(r'(?m)^#include "([^"]+)"', code):
            others = header.get(os.path.basename(m[1]), set())
            if others and not others & uses[layer]:
                yield name, code.count('\n', 0, m.start()) + 1, '%s must not include %s (%s)' % (
                    layer, m[1], ', '.join(sorted(others)))
        for m in re.finditer(r'\b(\w+)\(', code):
            others = defined.get(m[1], set())
            if others and not others & uses[layer]:
                yield name, code.count('\n', 0, m.start()) + 1, '%s must not call %s() (%s)' % (
                    layer, m[1], ', '.join(sorted(others)))
