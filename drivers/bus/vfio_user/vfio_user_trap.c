/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Traps. The memory has no permission, so an access raises SIGSEGV in the thread that makes it:
 *
 *     driver: mov %eax, 0x3818(%rbx) --fault--> on_segv()
 *                                                 finds the trap by the address of the fault
 *                                                 decodes the instruction (vfio_user_mov.c)
 *                                                 trap->access(), which waits for the reply
 *                                                 changes the register, steps over the instruction
 *     driver: next instruction <----return-----
 *
 * An access costs some microseconds.
 *
 * Signals. All other signals wait until the access is complete, as they wait for an instruction.
 * Therefore no handler of the application runs while this thread holds a lock of the connection.
 * The access itself may call functions that are not safe in a handler, because the thread is in the
 * code of a driver, between two instructions, and not inside such a function.
 *
 * Faults of others. There is one handler for the process, and it may run at any place of the
 * program: what it does before it has found the trap, or if there is none, is safe there. It then
 * does with the signal what the process would do without traps: it calls the handler that was
 * installed before, with the signals blocked that this one asked for, or lets the default action
 * happen. If the application installs a handler later, the next trap takes the signal back, and
 * the handler of the application comes second. Such a handler may call this one in turn; the mark
 * PASSED_ON in the signal ends that circle.
 *
 * Threads. The handler runs in several threads at one time, also while another thread adds and
 * removes traps. It takes no lock: a slot is valid if its base is the same before and after the
 * handler has read it. A struct vfio_user_trap is read only by a thread whose fault is inside,
 * which its owner excludes while it unmaps the trap.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <rte_common.h>

#include "vfio_user_mov.h"
#include "vfio_user_private.h"
#include "vfio_user_trap.h"

#if defined(__x86_64__)

#define MAX_TRAPS 256
#define MAX_CODE  15 /* bytes of an instruction */
#define CODE_PAGE 4096u

#define FAULT_IS_WRITE 2 /* in the error code of a page fault */

#define PASSED_ON 0x70617373 /* in si_errno, which the kernel sets to 0 for a fault */

static struct slot {
	uintptr_t base; /* 0: free */
	size_t size;
	const struct vfio_user_trap *trap;
} slots[MAX_TRAPS];
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER; /* not for the handler */
/* The handler before this one. A change fills in the element that is not in use. */
static struct sigaction earlier[2], *chained = &earlier[0];

static const int register_of[16] = {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_R8,
	REG_R9,
	REG_R10,
	REG_R11,
	REG_R12,
	REG_R13,
	REG_R14,
	REG_R15,
};

static const struct vfio_user_trap *
find_trap(uintptr_t addr)
{
	unsigned int i;

	for (i = 0; i < MAX_TRAPS; i++) {
		const struct slot *s = &slots[i];
		const uintptr_t base = __atomic_load_n(&s->base, __ATOMIC_ACQUIRE);
		const size_t size = __atomic_load_n(&s->size, __ATOMIC_ACQUIRE);
		const struct vfio_user_trap *trap = __atomic_load_n(&s->trap, __ATOMIC_ACQUIRE);

		if (base != 0 && addr - base < size &&
				__atomic_load_n(&s->base, __ATOMIC_RELAXED) == base)
			return trap;
	}
	return NULL;
}

/* Fill in or free a slot. Called with slots_lock held. */
static void
set_slot(struct slot *s, const struct vfio_user_trap *trap)
{
	__atomic_store_n(&s->base, 0, __ATOMIC_RELAXED);
	/* The next stores come after that one: release orders only what is before it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&s->size, trap != NULL ? trap->size : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->trap, trap, __ATOMIC_RELAXED);
	if (trap != NULL)
		__atomic_store_n(&s->base, (uintptr_t)trap->base, __ATOMIC_RELEASE);
}

static void
report_instruction(const struct vfio_user_trap *t, uint64_t offset, const uint8_t *code)
{
	/* No more than the page of the first byte: the next one may not be there. */
	const unsigned int left = CODE_PAGE - (uintptr_t)code % CODE_PAGE;
	const unsigned int len = RTE_MIN((unsigned int)MAX_CODE, left);
	char bytes[3 * MAX_CODE + 1];
	unsigned int i;

	for (i = 0; i < len; i++) {
		bytes[3 * i] = ' ';
		bytes[3 * i + 1] = "0123456789abcdef"[code[i] >> 4];
		bytes[3 * i + 2] = "0123456789abcdef"[code[i] & 15];
	}
	bytes[3 * len] = '\0';
	VFIO_USER_LOG(ERR, t->name,
			"BAR%u: the instruction at %p (%s) that accesses 0x%" PRIx64
			" is no plain move: the process ends: use another driver, or no pci=",
			t->bar, code, bytes + 1, offset);
}

/* Execute an access to a trap. @return false: it is no plain move; a log line has it */
static bool
emulate(const struct vfio_user_trap *t, uintptr_t addr, greg_t *regs)
{
	const uint8_t *code = (const uint8_t *)regs[REG_RIP];
	const uint64_t offset = addr - (uintptr_t)t->base;
	const bool is_store = regs[REG_ERR] & FAULT_IS_WRITE;
	struct vfio_user_mov mov;
	uint64_t value = 0;
	greg_t *reg;

	if (!vfio_user_mov_decode(code, &mov) || mov.is_store != is_store ||
			mov.size > t->size - offset) {
		report_instruction(t, offset, code);
		return false;
	}
	reg = &regs[register_of[mov.reg]];
	if (is_store)
		value = vfio_user_mov_stored(&mov, *reg);
	t->access(t->opaque, t->bar, offset, &value, mov.size, is_store);
	if (!is_store)
		*reg = vfio_user_mov_loaded(&mov, *reg, value);
	regs[REG_RIP] += mov.len;
	return true;
}

static void
set_default(int number)
{
	const struct sigaction sa = { .sa_handler = SIG_DFL };

	sigaction(number, &sa, NULL);
}

/* Do with a signal what the process would do without traps. */
static void
pass_on(int number, siginfo_t *info, ucontext_t *context)
{
	const struct sigaction *to = __atomic_load_n(&chained, __ATOMIC_ACQUIRE);
	const bool is_fault = info->si_code > 0; /* else another process, or raise(), sent it */
	sigset_t mask = context->uc_sigmask;

	if (info->si_errno == PASSED_ON || to->sa_handler == SIG_DFL ||
			(to->sa_handler == SIG_IGN && is_fault)) {
		/* A fault is repeated after the return, and then ends the process. */
		set_default(number);
		if (!is_fault)
			raise(number);
		return;
	}
	if (to->sa_handler == SIG_IGN)
		return;
	if (to->sa_flags & SA_RESETHAND)
		set_default(number);
	info->si_errno = PASSED_ON;
	sigorset(&mask, &mask, &to->sa_mask);
	if (!(to->sa_flags & SA_NODEFER))
		sigaddset(&mask, number);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (to->sa_flags & SA_SIGINFO)
		to->sa_sigaction(number, info, context);
	else
		to->sa_handler(number);
}

static void
on_segv(int number, siginfo_t *info, void *context)
{
	const uintptr_t addr = (uintptr_t)info->si_addr;
	const bool is_new_fault = info->si_code > 0 && info->si_errno != PASSED_ON;
	const struct vfio_user_trap *t = is_new_fault ? find_trap(addr) : NULL;
	ucontext_t *uc = context;
	const int saved = errno;

	if (t == NULL) {
		pass_on(number, info, uc);
	} else if (!emulate(t, addr, uc->uc_mcontext.gregs)) {
		/*
		 * A handler that returns would repeat the instruction. The default action comes
		 * next, so that this happens once.
		 */
		set_default(number);
		pass_on(number, info, uc);
	}
	errno = saved;
}

/* Called with slots_lock held. */
static int
install_handler(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO }, now;
	struct sigaction *next = chained == &earlier[0] ? &earlier[1] : &earlier[0];

	if (sigaction(SIGSEGV, NULL, &now) != 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_segv)
		return 0;
	*next = now;
	__atomic_store_n(&chained, next, __ATOMIC_RELEASE);
	sigfillset(&sa.sa_mask);
	return sigaction(SIGSEGV, &sa, NULL) == 0 ? 0 : -errno;
}

int
vfio_user_trap_map(struct vfio_user_trap *trap)
{
	unsigned int i;
	void *base;
	int ret;

	base = mmap(NULL, trap->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			0);
	if (base == MAP_FAILED)
		return -errno;
	trap->base = base;
	pthread_mutex_lock(&slots_lock);
	for (i = 0; i < MAX_TRAPS && slots[i].trap != NULL; i++)
		;
	ret = i < MAX_TRAPS ? install_handler() : -ENOSPC;
	if (ret == 0)
		set_slot(&slots[i], trap);
	pthread_mutex_unlock(&slots_lock);
	if (ret != 0) {
		munmap(base, trap->size);
		trap->base = NULL;
	}
	return ret;
}

void
vfio_user_trap_unmap(struct vfio_user_trap *trap)
{
	unsigned int i;

	if (trap->base == NULL)
		return;
	pthread_mutex_lock(&slots_lock);
	for (i = 0; i < MAX_TRAPS; i++) {
		if (slots[i].trap == trap)
			set_slot(&slots[i], NULL);
	}
	pthread_mutex_unlock(&slots_lock);
	munmap(trap->base, trap->size);
	trap->base = NULL;
}

#else

int
vfio_user_trap_map(struct vfio_user_trap *trap)
{
	return -ENOTSUP;
}

void
vfio_user_trap_unmap(struct vfio_user_trap *trap)
{
}

#endif
