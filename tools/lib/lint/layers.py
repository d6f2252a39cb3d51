# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Dependencies point one way.

tools/lib/lint/layers.txt lists what each part of the project may use. A file uses another part if
it includes its header, or names a function or a variable of it: a call, a pointer to a function in
a table, a variable. A declaration in the file itself does not hide a call.

In a folder, no files use each other in a circle, and the words above a table of the README.md give
an order. "files below it" or "from the top": a file uses only files of its own row and of those
below. "from the bottom": likewise, of those above. "independent of each other": only files of its
own row. "files below it in its table" is about each table of the README.md.

A part has one idiom of atomics: C11, or __atomic_* if it must not include stdatomic.h.
"""

import fnmatch
import os
import re

RULES = os.path.join(os.path.dirname(__file__), 'layers.txt')
FUNCTION = re.compile(r'(?m)^(?!static|typedef)[a-z_][\w \t*]*\n(?:\w+\n)?'
                      r'(\w+)\((?:[^;{]|\n)*?\)\n\{')
DECLARED = re.compile(r'\b(\w+)\(')
OWN_FUNCTION = re.compile(r'(?m)^static [\w \t*]*\n(?:\w+\n)?(\w+)\(')
VARIABLE = re.compile(r'(?m)^extern (?=[a-z_])([^;]+);')
VARIABLE_HERE = re.compile(
    r'(?m)^(?!extern|static|typedef)[a-z_](?:'
    r'[^\n;(=]*?\b(\w+)(?:\[[^\]\n]*\])*(?:\s+__\w+(?:\([^;=]*\))?)*\s*(?:=|;)|'
    r'[\w \t*]*\(\*(\w+)\)\()')
INCLUDE = re.compile(r'(?m)^[ \t]*#[ \t]*include ["<]([^">]+)[">]')
ORDER = re.compile(r'files below it|[Ff]rom the top|from the bottom|independent of each other')


def rules():
    """[(name, [patterns of its files], {what it may use}, [patterns of headers it must not
    include])]; the first match decides."""
    out, lists = [], {}
    with open(RULES, encoding='utf-8') as f:
        text = re.sub(r'#.*', '', f.read())
    for line in re.sub(r'\n[ \t]+', ' ', text).split('\n'):
        if line.startswith('@'):
            name, values = line.split('=')
            lists[name.strip()] = values.split()
        elif line:
            name, files, uses, never = (part.split() for part in line.split(':'))
            out.append((name[0], files, set(uses),
                        [p for word in never for p in lists.get(word, [word])]))
    return out


def blank(text):
    """The text without comments and strings; lines stay lines."""
    return re.sub(r'/\*.*?\*/|(?m:^[ \t]*#[ \t]*include[^\n]*$)|'
                  r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
                  lambda m: '\n' * m[0].count('\n'), text, flags=re.S)


def bodies(code):
    """The inline functions and macros of a header, without its declarations."""
    out, at = [], 0
    for m in re.finditer(r'(?ms)^\{$.*?^\}|^[ \t]*#[ \t]*define(?:[^\n]*\\\n)*[^\n]*', code):
        out += ['\n' * code.count('\n', at, m.start()), m[0]]
        at = m.end()
    return ''.join(out)


class Source:
    def __init__(self, name, rule):
        self.name, self.base = name, os.path.basename(name)
        self.layer, _, uses, self.never = rule
        self.all_of = {u[1:] for u in uses if u[0] == '+'}
        self.uses = {u.lstrip('+') for u in uses} | {self.layer}
        with open(name, encoding='utf-8') as f:
            self.text = f.read()
        self.code = blank(self.text)
        self.own = set(OWN_FUNCTION.findall(self.code))
        self.includes = {os.path.basename(i) for i in INCLUDE.findall(self.text)}
        self.declares = set()
        if self.base.endswith('.h'):
            self.declares = set(DECLARED.findall(self.code)) | set(variables(self.code))
            self.code = bodies(self.code)


def variables(code):
    """Names of the variables that `extern` declares."""
    for m in VARIABLE.finditer(code):
        plain = re.sub(r'\[[^\]]*\]|__attribute__.*', '', m[1], flags=re.S)
        if '(*' in plain:
            yield re.search(r'\(\*(\w+)', plain)[1]
        elif '(' not in plain:
            for part in plain.split(','):
                yield re.search(r'(\w+)\s*$', part)[1]


def sources(files):
    layers = rules()
    out = {}
    for name in files:
        if name.endswith(('.c', '.h')):
            rule = next((r for r in layers if any(
                p.count('/') == name.count('/') and fnmatch.fnmatch(name, p) for p in r[1])), None)
            if rule is not None:
                out[name] = Source(name, rule)
    return out


def definitions(src):
    """{name of a function or variable: {files that define it}}"""
    out = {}
    declared = set().union(*(s.declares for s in src.values()))
    for s in src.values():
        if s.base.endswith('.c'):
            for m in FUNCTION.finditer(s.code):
                out.setdefault(m[1], set()).add(s.name)
    for s in src.values():
        if s.base.endswith('.c'):
            for m in VARIABLE_HERE.finditer(s.code):
                if (m[1] or m[2]) in declared:
                    out.setdefault(m[1] or m[2], set()).add(s.name)
    return out


def line_of(code, at):
    return code.count('\n', 0, at) + 1


def includes(src):
    """Includes of headers that the file's layer may not use."""
    header = {}
    for s in src.values():
        header.setdefault(s.base, set()).add(s.layer)
    for s in src.values():
        for m in INCLUDE.finditer(s.text):
            base = os.path.basename(m[1])
            others = header.get(base, set())
            if others and not others & s.uses:
                yield s.name, line_of(s.text, m.start()), '%s must not include %s (%s)' % (
                    s.layer, m[1], ', '.join(sorted(others)))
            if not others and any(fnmatch.fnmatch(base, p) for p in s.never):
                yield s.name, line_of(s.text, m.start()), '%s must not include %s' % (
                    s.layer, m[1])


def atomics(src):
    for s in src.values():
        if 'stdatomic.h' not in s.never:
            for m in re.finditer(r'\b__atomic_\w+', s.code):
                yield s.name, line_of(s.code, m.start()), '%s has C11 atomics, not %s()' % (
                    s.layer, m[0])


def names(src, defined):
    """(file, {defining files}, name, line) for each name of another file's that a file uses."""
    headers = {}
    for s in src.values():
        headers.setdefault(s.base, []).append(s)
    for s in src.values():
        # Headers, directly or by others
        seen, todo = set(), set(s.includes)
        while todo:
            base = todo.pop()
            if base not in seen:
                seen.add(base)
                todo.update(*(h.includes for h in headers.get(base, [])))
        known = set().union(*(h.declares for base in seen for h in headers.get(base, [])))
        here = os.path.dirname(s.name)
        seen = set()
        for m in re.finditer(r'(?<![\w.])(?<!->)[a-z_]\w+', s.code):
            name = m[0]
            homes = defined.get(name)
            if homes is None or name in seen or name in s.own or s.name in homes:
                continue
            # A name that no header declares there, and that is not called, is some local name.
            if name not in known and s.code[m.end():m.end() + 1] != '(':
                continue
            seen.add(name)
            # Two programs may define the same name: the one of the same folder is meant.
            near = {h for h in homes if os.path.dirname(h) == here}
            yield s, near or homes, name, line_of(s.code, m.start())


def between(src, used):
    api = {}
    for s in src.values():
        for name in s.declares:
            api.setdefault(name, set()).add(s.layer)
    for s, homes, name, line in used:
        layers = {src[h].layer for h in homes}
        if not ({name} | layers) & s.uses and not api.get(name, set()) & s.all_of:
            yield s.name, line, '%s must not use %s (%s)' % (
                s.layer, name, ', '.join(sorted(layers)))


def circles(src, used):
    """Each file that can reach itself, by files of its folder."""
    graph = {}
    for s, homes, name, line in used:
        if s.base.endswith('.c'):
            for h in homes:
                if os.path.dirname(h) == os.path.dirname(s.name):
                    graph.setdefault(s.name, {}).setdefault(h, (name, line))
    for start in sorted(graph):
        came, todo = {start: None}, [start]
        while todo:
            at = todo.pop(0)
            for to, (name, line) in graph.get(at, {}).items():
                if to == start:
                    way = [at]
                    while came[way[0]] is not None:
                        way.insert(0, came[way[0]])
                    yield start, graph[start][(way + [start])[1]][1], 'circle: %s' % ' -> '.join(
                        os.path.basename(f) for f in way + [start])
                    todo = []
                    break
                if to not in came:
                    came[to] = at
                    todo.append(to)


def tables(readme):
    """[(direction, {pattern of a file: row}), ...]; a table without an order has direction ''."""
    with open(readme, encoding='utf-8') as f:
        lines = f.read().split('\n')
    # "in its table" stands above several tables, other words above one.
    default = 'below it' if any('files below it in its table' in line for line in lines) else ''
    out, words, inside = [], '', False
    for row, line in enumerate(lines):
        if not line.startswith('|'):
            words = line if inside else words + ' ' + line
            inside = False
            continue
        if not inside:
            m = ORDER.search(words)
            out.append((m[0].lower() if m else default, {}))
            inside = True
        for cell in re.findall(r'`([\w.\[\]*/-]+)`', line.split('|')[1]):
            out[-1][1][cell] = row
    return out


def order(src, used):
    by_folder = {}
    for name in src:
        if name.endswith('.c'):
            by_folder.setdefault(os.path.dirname(name), []).append(name)
    rows = {}
    for folder in sorted(by_folder):
        # A folder without a README.md of its own is in that of the folder above.
        readme = next((r for r in (os.path.join(folder, 'README.md'),
                                   os.path.join(os.path.dirname(folder), 'README.md'))
                       if os.path.exists(r)), None)
        if readme is None:
            continue
        known = tables(readme)
        for name in by_folder[folder]:
            for n, (direction, table) in enumerate(known):
                for pattern, row in table.items():
                    if fnmatch.fnmatch(os.path.basename(name), pattern):
                        rows[name] = (readme, n, direction, row)
            if known and name not in rows:
                yield name, 1, 'is in no table of %s' % readme
    for s, homes, name, line in used:
        for h in homes:
            if s.name in rows and h in rows and rows[s.name][:2] == rows[h][:2]:
                direction, mine, other = rows[s.name][2], rows[s.name][3], rows[h][3]
                wrong = direction and (other > mine if 'bottom' in direction else
                                       other != mine if 'independent' in direction else
                                       other < mine)
                if wrong:
                    yield s.name, line, 'uses %s of %s, which the order in %s forbids' % (
                        name, os.path.basename(h), rows[s.name][0])


def check(files):
    src = sources(files)
    used = list(names(src, definitions(src)))
    yield from includes(src)
    yield from atomics(src)
    yield from between(src, used)
    yield from circles(src, used)
    yield from order(src, used)
