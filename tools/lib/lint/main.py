# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""tools/lint: one line for each violation, then a count.

The exit status is 1 if there is a violation, 2 for wrong arguments. Each check is a module beside
this file with a function check(files), which yields (file, line, message). If it also has a
function fix(files), --fix calls that before the check. The checks do not read themselves, except one
that has EVERY_FILE.
"""

import importlib
import os
import subprocess
import sys

CHECKS = ['prose', 'names', 'readmes', 'layers', 'sizes', 'format']
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def main(argv):
    fix = '--fix' in argv
    argv = [a for a in argv if a != '--fix']
    wrong = [a for a in argv if a not in CHECKS]
    if wrong:
        print('tools/lint: %s: no such check: %s' % (wrong[0], ', '.join(CHECKS)), file=sys.stderr)
        return 2
    os.chdir(TOP)
    files = subprocess.run(['git', 'ls-files', '-z'], stdout=subprocess.PIPE, check=True,
                           text=True).stdout
    every = [f for f in files.split('\0') if f and os.path.exists(f)]
    files = [f for f in every if not f.startswith('tools/lib/lint/')]
    count = 0
    for name in argv or CHECKS:
        module = importlib.import_module(name)
        if fix and hasattr(module, 'fix'):
            module.fix(files)
        for file, line, message in module.check(
                every if hasattr(module, 'EVERY_FILE') else files):
            print('%s:%d: %s: %s' % (file, line, name, message))
            count += 1
    print('%d violations' % count)
    return count != 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
