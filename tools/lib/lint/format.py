# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""C is as clang-format writes it by .clang-format.

Each major version of clang-format writes some code differently, so only one of them judges. Tables
that it would spoil are between "clang-format off" and "clang-format on".
"""

import re
import subprocess

VERSION = '14'
WRONG = ('needs clang-format %s, %s: apt-get install clang-format-%s, '
         'or pip install clang-format==%s.0.6')
REMEDY = 'not as clang-format writes it: run tools/lint format --fix'


def find():
    """(The command, None), or (None, why there is none)."""
    found = 'and none is installed'
    for command in 'clang-format-' + VERSION, 'clang-format':
        try:
            text = subprocess.run([command, '--version'], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout
        except FileNotFoundError:
            continue
        version = re.search(r'version (\d+)[.\d]*', text)
        if version and version[1] == VERSION:
            return command, None
        found = 'and this is ' + text.strip()
    return None, WRONG % (VERSION, found, VERSION, VERSION)


def sources(files):
    return [f for f in files if f.endswith(('.c', '.h'))]


def fix(files):
    command, _ = find()
    if command:
        subprocess.run([command, '-i', *sources(files)], check=True)


def check(files):
    command, why = find()
    if why:
        yield '.clang-format', 1, why
        return
    r = subprocess.run([command, '--dry-run', *sources(files)], stderr=subprocess.PIPE, text=True,
                       check=True)
    seen = set()
    for m in re.finditer(r'(?m)^([^:\n]+):(\d+):\d+: warning: code should be', r.stderr):
        if m[1] not in seen:
            seen.add(m[1])
            yield m[1], int(m[2]), REMEDY
