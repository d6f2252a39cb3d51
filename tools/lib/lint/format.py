# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""C is as clang-format writes it by .clang-format; tables that it would spoil are between "clang-format off" and "on"."""

import re
import subprocess


def check(files):
    files = [f for f in files if f.endswith(('.c', '.h'))]
    r = subprocess.run(['clang-format', '--dry-run', *files], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       text=True, check=False)
    for m in re.finditer(r'(?m)^([^:\n]+):(\d+):\d+: warning: code should be clang-formatted', r.stderr):
        yield m[1], int(m[2]), 'not as clang-format writes it'
