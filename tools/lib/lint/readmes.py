# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Tables of README.md: each file of the folder has a row, and each name in a row exists.

A table whose first column is "file", "folder" or "command" lists files: the names between
backticks or in links in that column, relative to the folder of the README.md. If the paragraph before the table
begins with the name of a folder between backticks, names in that folder may be relative to it. "*"
and "[ch]" match as in a shell, a word of capital letters matches any name, and a suffix alone
(".h") belongs to the stem of the name before it. A name of a folder stands for all files in it.

A folder without a README.md of its own belongs to the folder above it. A folder with one needs a
row there. These need no row: meson.build if the folder has a README.md only below it, folders that
begin with ".", and the files at the top.
"""

import fnmatch
import re

EVERY_FILE = True  # also those of tools/lib/lint
ROW = re.compile(r'\|([^|]*)\|')
NAME = re.compile(r'`([^`]+)`|\]\(([^)]+)\)')
FOLDER = re.compile(r'`([^`]+)`')
LISTS = {'file', 'folder', 'command'}
ANY = re.compile(r'\b[A-Z]{2,}\b(?!\.md)')


def names_in(text):
    """Yield (line, folder before the table, name) of each name in the tables of a README.md."""
    words, rows, listing, begin = '', 0, False, None
    for at, line in enumerate(text.split('\n'), 1):
        m = ROW.match(line)
        if not m:
            words, rows = ('' if rows else words) + '\n' + line, 0
            continue
        rows += 1
        if rows == 1:
            listing = m[1].strip() in LISTS
            begin = FOLDER.match(words.strip().rpartition('\n\n')[2])
        # The first two rows are the heading, and a name in bold type is that of a group.
        if rows < 3 or not listing or m[1].strip().startswith('**'):
            continue
        stem = ''
        for name in (a or b for a, b in NAME.findall(m[1])):
            if re.fullmatch(r'\.\w+', name):
                name = stem + name
            stem = name.rpartition('.')[0]
            yield at, begin[1] + '/' if begin else '', name.rstrip('/')


def covers(name, files):
    """Return those of the files that a name stands for."""
    pattern = ANY.sub('*', name)
    return {f for f in files
            if fnmatch.fnmatchcase(f, pattern) or fnmatch.fnmatchcase(f, pattern + '/*')}


def check(files):
    readmes = {f.rpartition('/')[0] for f in files if f.rpartition('/')[2] == 'README.md'}
    for folder in sorted(readmes):
        prefix = folder + '/' if folder else ''
        inside = {f[len(prefix):] for f in files if f.startswith(prefix)} - {'README.md'}
        below = {r[len(prefix):] for r in readmes if r.startswith(prefix) and r != folder}
        # The outermost folders that have their own README.md: a row each, for the folder.
        own = {b for b in below if not any(b.startswith(o + '/') for o in below)}
        missing = {f for f in inside if not any(f.startswith(o + '/') for o in own)} | own
        if not folder:
            missing = {f for f in missing if '/' in f and f[0] != '.'
                       and not f.endswith('/meson.build')}
        with open(prefix + 'README.md', encoding='utf-8') as f:
            text = f.read()
        for at, base, name in names_in(text):
            found = covers(base + name, inside) | covers(name, inside)
            if not found:
                yield prefix + 'README.md', at, 'there is no %s' % (prefix + base + name)
            missing -= found | {o for o in own if fnmatch.fnmatchcase(o, ANY.sub('*', name))}
            missing -= {o for o in own if o.startswith(name + '/')}
        for name in sorted(missing):
            yield prefix + 'README.md', 1, '%s%s has no row' % (prefix, name)
