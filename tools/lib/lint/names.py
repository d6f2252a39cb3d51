# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Names in comments and documents: a function of ours that is mentioned exists, and so does a file.

A function is ours if its name begins with one of our prefixes. Functions of the kernel, of DPDK and
of the C library are not checked. A capital letter in a name is a place for another one
("wire_NAME_open()").
"""

import re

PREFIXES = ('gantry_', 'igb_', 'm82576_', 'vfu_', 'wire_', 'traffic_', 'vfio_user_', 'dma_debug_',
            'control_', 'generator_', 'poller_', 'report_', 'ports_', 'capture_', 'sandbox_')
FUNCTION = re.compile(r'\b(%s)(\w*)\(\)' % '|'.join(PREFIXES))
FILE = re.compile(r'(?<![\w/.<-])((?:[\w-]+/)*[a-z]\w+\.[ch])\b')
COMMENT = re.compile(r'/\*.*?\*/', re.S)
FOREIGN = {  # files of others that are mentioned, without the folder that C includes them from
    'bus_pci_driver.h', 'cmocka.h', 'ethdev_driver.h', 'fcntl.h', 'irq.c', 'malloc_elem.h',
    'tran.c', 'vfio.h', 'virtio_net.h'}
CODE = '.c', '.h', '.py', '.sh', '.build', '.map'


def texts(name, text):
    """Yield (offset, text) of the comments in C, or of a whole document."""
    if name.endswith(('.c', '.h')):
        for m in COMMENT.finditer(text):
            yield m.start(), m[0]
    elif name.endswith(('.md', '.rst')):
        yield 0, text


def check(files):
    contents = {}
    for name in files:
        if name.endswith((*CODE, '.md', '.rst')):
            with open(name, encoding='utf-8', errors='replace') as f:
                contents[name] = f.read()
    words = set()
    for name, text in contents.items():
        if name.endswith(CODE):
            words.update(re.findall(r'\w+', COMMENT.sub('', text)))
    paths = {name.rpartition('/')[2] for name in files} | FOREIGN
    for name, text in contents.items():
        for offset, part in texts(name, text):
            for m in FUNCTION.finditer(part):
                if m[1] + m[2] not in words and m[0].islower():
                    yield (name, text.count('\n', 0, offset + m.start()) + 1,
                           'there is no function %s' % m[0])
            for m in FILE.finditer(part):
                file = m[1].rpartition('/')[2]
                if file.islower() and file not in paths:
                    yield (name, text.count('\n', 0, offset + m.start()) + 1,
                           'there is no file %s' % m[1])
