# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""Execute system calls inside the threads of another process, by ptrace(2).

The caller stops a thread, makes it execute one "syscall" instruction with chosen registers,
restores its registers, and resumes it. The call therefore has exactly the rights of that thread.
"""

import ctypes
import errno
import os
import platform
import signal
import struct

AVAILABLE = platform.machine() == 'x86_64'

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

SINGLESTEP, GETREGS, SETREGS, DETACH, SEIZE, INTERRUPT = 9, 12, 13, 17, 0x4206, 0x4207
WALL = 0x40000000
REGS = ('r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss '
        'fs_base gs_base ds es fs gs').split()

NR = {'open': 2, 'close': 3, 'mmap': 9, 'mprotect': 10, 'getpid': 39, 'socket': 41, 'connect': 42,
      'sendmsg': 46, 'recvmsg': 47, 'bind': 49, 'clone': 56, 'fork': 57, 'execve': 59, 'kill': 62,
      'fcntl': 72, 'ftruncate': 77, 'rename': 82, 'mkdir': 83, 'unlink': 87, 'symlink': 88,
      'readlink': 89, 'chmod': 90, 'chown': 92, 'ptrace': 101, 'setuid': 105, 'capset': 126,
      'prctl': 157, 'mount': 165, 'io_destroy': 207,
      'ioctl': 16, 'epoll_ctl': 233, 'tgkill': 234, 'keyctl': 250, 'openat': 257, 'unshare': 272,
      'accept4': 288, 'perf_event_open': 298, 'setns': 308, 'process_vm_readv': 310,
      'seccomp': 317, 'memfd_create': 319, 'bpf': 321, 'execveat': 322, 'userfaultfd': 323,
      'io_uring_setup': 425, 'clone3': 435, 'pidfd_getfd': 438}


def ptrace(request, tid, data=None):
    if libc.ptrace(request, tid, None, data) < 0:
        e = ctypes.get_errno()
        raise OSError(e, 'ptrace %#x: %s' % (request, os.strerror(e)))


def syscall_instruction(pid):
    """Return the address of a syscall instruction in the C library of the process."""
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb') as mem:
        for line in maps:
            fields = line.split()
            if 'x' in fields[1] and len(fields) > 5 and '/libc.so' in fields[5]:
                begin, end = (int(x, 16) for x in fields[0].split('-'))
                mem.seek(begin)
                return begin + mem.read(end - begin).index(b'\x0f\x05')
    raise AssertionError('no C library in %d' % pid)


class Thread:
    """A stopped thread: with Thread(pid, tid) as t: t.call('open', '/etc/passwd', 0)."""

    def __init__(self, pid, tid):
        self.pid, self.tid = pid, tid
        self.instruction = syscall_instruction(pid)

    def wait(self):
        tid, status = os.waitpid(self.tid, WALL)
        if not os.WIFSTOPPED(status):
            raise AssertionError('thread %d ended: %#x' % (tid, status))
        return os.WSTOPSIG(status)

    def registers(self):
        data = (ctypes.c_ulong * len(REGS))()
        ptrace(GETREGS, self.tid, ctypes.cast(data, ctypes.c_void_p))
        return dict(zip(REGS, data))

    def set_registers(self, regs):
        data = (ctypes.c_ulong * len(REGS))(*(regs[r] for r in REGS))
        ptrace(SETREGS, self.tid, ctypes.cast(data, ctypes.c_void_p))

    def __enter__(self):
        ptrace(SEIZE, self.tid)
        ptrace(INTERRUPT, self.tid)
        self.wait()
        self.before = self.registers()
        return self

    def __exit__(self, *exc):
        # The kernel restarts an interrupted call, because its number is in orig_rax again.
        self.set_registers(self.before)
        ptrace(DETACH, self.tid)

    def call(self, name, *args):
        """Return the result of a system call; a negative result is an error number.

        Strings and bytes are copied to the stack of the thread and passed by address.
        """
        regs = dict(self.before)
        place = (regs['rsp'] - 2048) & ~0xf        # below the stack that the thread uses
        with open('/proc/%d/mem' % self.pid, 'r+b', buffering=0) as mem:
            for reg, arg in zip(('rdi', 'rsi', 'rdx', 'r10', 'r8', 'r9'), args + (0,) * 6):
                if isinstance(arg, str):
                    arg = arg.encode() + b'\0'
                if isinstance(arg, bytes):
                    mem.seek(place)
                    mem.write(arg)
                    arg, place = place, place + (len(arg) + 15 & ~0xf)
                regs[reg] = arg & (1 << 64) - 1
        regs['rax'] = NR[name] if isinstance(name, str) else name
        regs['orig_rax'] = (1 << 64) - 1
        regs['rip'] = self.instruction
        self.set_registers(regs)
        ptrace(SINGLESTEP, self.tid)
        sig = self.wait()
        if sig != signal.SIGTRAP:
            raise AssertionError('signal %d in thread %d' % (sig, self.tid))
        return ctypes.c_long(self.registers()['rax']).value


def refuse_calls(calls):
    """Return a preexec_fn that installs a seccomp filter, as a container does.

    calls maps the number of each system call that must fail to its error: {number: error}.
    """
    load_number = struct.pack('HBBI', 0x20, 0, 0, 0)
    code = load_number
    for number, error in calls.items():
        code += struct.pack('HBBI', 0x15, 0, 1, number) + \
            struct.pack('HBBI', 0x06, 0, 0, 0x50000 | error)
    code += struct.pack('HBBI', 0x06, 0, 0, 0x7fff0000)

    def install():
        program = ctypes.create_string_buffer(code, len(code))
        fprog = struct.pack('HxxxxxxQ', len(code) // 8, ctypes.addressof(program))
        libc.prctl(38, 1, 0, 0, 0)                       # PR_SET_NO_NEW_PRIVS
        if libc.prctl(22, 2, fprog, 0, 0) != 0:          # PR_SET_SECCOMP, a filter
            os._exit(errno.ENOSYS)
    return install
