# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The file for a result, which the user names at the start and the tool writes minutes later.

lib/common/output_file.h is the same for the C programs.
"""

import errno
import json
import os
import stat
import sys


def is_same(st, other):
    """Return whether a name or a descriptor refers to the file with this status."""
    try:
        return os.path.samestat(st, os.stat(other))
    except OSError:     # no such file, or the descriptor is closed
        return False


class Output:
    """An output file that is checked at once and written later.

    The constructor checks that the file can be written, leaves it unchanged, and raises OSError if
    it cannot. It also refuses a file that is standard input or one of the inputs, whatever its name
    is. inputs are names.
    """

    def __init__(self, name, inputs=()):
        self.fd, self.path = None, None
        if name == '-':
            self.fd = sys.stdout.fileno()
            return
        how = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
        try:
            fd, created = os.open(name, how | os.O_EXCL, 0o666), True
        except FileExistsError:
            created = not os.path.exists(name)      # a dangling symbolic link
            fd = os.open(name, how, 0o666)
        st = os.fstat(fd)
        self.path = os.path.realpath(name)
        if stat.S_ISREG(st.st_mode):
            for other in (0, *inputs):
                if is_same(st, other):
                    os.close(fd)
                    raise OSError(errno.EINVAL, 'it is standard input' if other == 0 else
                                  'it is read, as %s: name another file' % other)
        if not stat.S_ISREG(st.st_mode) or os.path.samestat(st, os.fstat(sys.stdout.fileno())):
            os.set_blocking(fd, True)
            self.fd = fd if not stat.S_ISREG(st.st_mode) else sys.stdout.fileno()
        elif created or os.access(os.path.dirname(self.path), os.W_OK | os.X_OK):
            os.close(fd)
            if created:
                os.unlink(self.path)
        else:
            self.fd = fd

    def write(self, document):
        """Write the whole document as JSON; may be called repeatedly."""
        self.write_text(json.dumps(document, indent=1) + '\n')

    def write_text(self, text):
        """Write the whole text; may be called repeatedly."""
        if self.fd is None:     # atomic: a reader sees the old file or the new one
            partial = '%s.%d.tmp' % (self.path, os.getpid())
            with open(partial, 'w', encoding='utf-8') as f:
                f.write(text)
            try:
                os.replace(partial, self.path)
            except OSError as e:
                os.unlink(partial)
                if e.errno not in (errno.EBUSY, errno.EPERM, errno.EXDEV):
                    raise
                # The file can be written, but not replaced.
                with open(self.path, 'w', encoding='utf-8') as f:
                    f.write(text)
            return
        sys.stdout.flush()
        if self.fd != sys.stdout.fileno() and stat.S_ISREG(os.fstat(self.fd).st_mode):
            os.ftruncate(self.fd, 0)
            os.lseek(self.fd, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self.fd), 'w', encoding='utf-8') as f:
            f.write(text)
