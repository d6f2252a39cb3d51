/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the trapped memory of the vfio-user bus (vfio_user_trap.c), and of its decoder of
 * instructions (vfio_user_mov.c): the decoder against a table of encodings; and each instruction
 * that it must know on trapped memory and on ordinary memory, where the CPU executes it. Both must
 * leave the same bytes and the same registers.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>

#include "vfio_user_mov.h"
#include "vfio_user_private.h"
#include "vfio_user_trap.h"

#define SIZE 8192u
#define TEXT 4096

int vfio_user_logtype; /* of the bus, which is not part of this test */

/*
 * The decoder.
 */

static const struct {
	const char *text;
	uint8_t code[16];
	struct vfio_user_mov mov;
} encodings[] = {
	{ "mov %eax,(%rdi)", { 0x89, 0x07 }, { .len = 2, .size = 4, .is_store = true } },
	{ "mov %r9d,0x18(%rbx)", { 0x44, 0x89, 0x4b, 0x18 },
			{ .len = 4, .size = 4, .is_store = true, .reg = 9 } },
	{ "mov %rdx,0x3818(%r12)", { 0x49, 0x89, 0x94, 0x24, 0x18, 0x38, 0, 0 },
			{ .len = 8, .size = 8, .is_store = true, .reg = 2 } },
	{ "mov %ax,(%rdi,%rcx,4)", { 0x66, 0x89, 0x04, 0x8f },
			{ .len = 4, .size = 2, .is_store = true } },
	{ "mov %dh,(%rdi)", { 0x88, 0x37 },
			{ .len = 2, .size = 1, .is_store = true, .reg = 2, .shift = 8 } },
	{ "mov %sil,(%rdi)", { 0x40, 0x88, 0x37 },
			{ .len = 3, .size = 1, .is_store = true, .reg = 6 } },
	{ "movl $0x12345678,0x100000(,%rcx,8)",
			{ 0xc7, 0x04, 0xcd, 0, 0, 0x10, 0, 0x78, 0x56, 0x34, 0x12 },
			{ .len = 11,
					.size = 4,
					.is_store = true,
					.is_imm = true,
					.imm = 0x12345678 } },
	{ "movq $-2,8(%rdi)", { 0x48, 0xc7, 0x47, 0x08, 0xfe, 0xff, 0xff, 0xff },
			{ .len = 8, .size = 8, .is_store = true, .is_imm = true, .imm = -2 } },
	{ "movw $0x8001,(%rdi)", { 0x66, 0xc7, 0x07, 0x01, 0x80 },
			{ .len = 5, .size = 2, .is_store = true, .is_imm = true, .imm = 0x8001 } },
	{ "movb $0xff,(%rdi)", { 0xc6, 0x07, 0xff },
			{ .len = 3, .size = 1, .is_store = true, .is_imm = true, .imm = 0xff } },
	{ "mov 0x1234(%rip),%r15", { 0x4c, 0x8b, 0x3d, 0x34, 0x12, 0, 0 },
			{ .len = 7, .size = 8, .width = 8, .reg = 15 } },
	{ "mov (%rsp),%ebp", { 0x8b, 0x2c, 0x24 }, { .len = 3, .size = 4, .width = 4, .reg = 5 } },
	{ "mov %gs:(%edi),%eax", { 0x65, 0x67, 0x8b, 0x07 }, { .len = 4, .size = 4, .width = 4 } },
	{ "movabs 0x1122334455667788,%eax",
			{ 0xa1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 },
			{ .len = 9, .size = 4, .width = 4 } },
	{ "mov %al,0x11223344 (32-bit address)", { 0x67, 0xa2, 0x44, 0x33, 0x22, 0x11 },
			{ .len = 6, .size = 1, .is_store = true } },
	{ "movzwl (%rdi),%eax", { 0x0f, 0xb7, 0x07 }, { .len = 3, .size = 2, .width = 4 } },
	{ "movzbl (%rdi),%esp", { 0x0f, 0xb6, 0x27 },
			{ .len = 3, .size = 1, .width = 4, .reg = 4 } },
	{ "movsbq (%rdi),%r8", { 0x4c, 0x0f, 0xbe, 0x07 },
			{ .len = 4, .size = 1, .width = 8, .reg = 8, .is_signed = true } },
	{ "movslq (%rdi),%rax", { 0x48, 0x63, 0x07 },
			{ .len = 3, .size = 4, .width = 8, .is_signed = true } },
	{ "movnti %rcx,(%rdi)", { 0x48, 0x0f, 0xc3, 0x0f },
			{ .len = 4, .size = 8, .is_store = true, .reg = 1 } },
	{ "movdiri %eax,(%rdx), as in rte_io.h", { 0x40, 0x0f, 0x38, 0xf9, 0x02 },
			{ .len = 5, .size = 4, .is_store = true } },
};

static void
plain_moves_are_decoded(void **state)
{
	struct vfio_user_mov got;
	unsigned int i;

	for (i = 0; i < RTE_DIM(encodings); i++) {
		const struct vfio_user_mov *want = &encodings[i].mov;

		if (!vfio_user_mov_decode(encodings[i].code, &got))
			fail_msg("%s: not decoded", encodings[i].text);
		if (got.len != want->len || got.size != want->size ||
				got.is_store != want->is_store || got.is_imm != want->is_imm ||
				got.reg != want->reg || got.shift != want->shift ||
				got.imm != want->imm)
			fail_msg("%s: len %u, size %u, reg %u", encodings[i].text, got.len,
					got.size, got.reg);
		if (!got.is_store && (got.width != want->width || got.is_signed != want->is_signed))
			fail_msg("%s: width %u", encodings[i].text, got.width);
	}
}

/* The decoder reads no byte behind the end: the next page is not readable. */
static void
decoder_stops_at_end_of_instruction(void **state)
{
	uint8_t *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	struct vfio_user_mov mov;
	unsigned int i;

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (i = 0; i < RTE_DIM(encodings); i++) {
		const uint8_t len = encodings[i].mov.len;

		memcpy(page + 4096 - len, encodings[i].code, len);
		assert_true(vfio_user_mov_decode(page + 4096 - len, &mov));
	}
	munmap(page, 2 * 4096);
}

static void
other_instructions_are_refused(void **state)
{
	static const uint8_t codes[][16] = {
		{ 0x89, 0xc8 },                   /* mov %ecx,%eax: no memory */
		{ 0x01, 0x07 },                   /* add %eax,(%rdi) */
		{ 0xf7, 0x07, 1, 0, 0, 0 },       /* testl $1,(%rdi) */
		{ 0xf0, 0x89, 0x07 },             /* lock mov */
		{ 0xf3, 0xa5 },                   /* rep movsl */
		{ 0xc7, 0x0f, 1, 0, 0, 0 },       /* C7 with another operation */
		{ 0x63, 0x07 },                   /* movslq without REX.W */
		{ 0x66, 0x0f, 0xc3, 0x07 },       /* movnti of 16 bits */
		{ 0x0f, 0x10, 0x07 },             /* movups (%rdi),%xmm0 */
		{ 0x0f, 0x38, 0xf0, 0x07 },       /* movbe (%rdi),%eax */
		{ 0x66, 0x0f, 0x38, 0xf8, 0x07 }, /* movdir64b (%rdi),%rax */
		{ 0xc5, 0xfe, 0x6f, 0x07 },       /* vmovdqu (%rdi),%ymm0 */
		{ 0x66, 0x66, 0x66, 0x66, 0x66 }, /* more prefixes than an instruction has */
	};
	struct vfio_user_mov mov;
	unsigned int i;

	for (i = 0; i < RTE_DIM(codes); i++) {
		if (vfio_user_mov_decode(codes[i], &mov))
			fail_msg("%02x %02x %02x: decoded", codes[i][0], codes[i][1], codes[i][2]);
	}
}

/*
 * The traps.
 */

#if defined(__x86_64__)

static uint8_t device[SIZE];
static atomic_uint accesses;
static atomic_size_t last_len;

static void
access_device(void *opaque, unsigned int bar, uint64_t offset, void *buf, size_t len, bool is_store)
{
	assert_ptr_equal(opaque, device);
	assert_int_equal(bar, 3);
	assert_true(offset <= SIZE && len <= SIZE - offset);
	if (is_store)
		memcpy(device + offset, buf, len);
	else
		memcpy(buf, device + offset, len);
	accesses++;
	last_len = len;
}

static struct vfio_user_trap trap = {
	.name = "test",
	.bar = 3,
	.access = access_device,
	.opaque = device,
	.size = SIZE,
};

/* cmocka has a handler of its own in each case; without it a fault ends the process. */
static void
trap_on(void)
{
	signal(SIGSEGV, SIG_DFL);
	assert_int_equal(vfio_user_trap_map(&trap), 0);
}

/* Each instruction accesses memory at or near RDI; RCX is 16; RAX is what it stores or loads. */
#define INSTRUCTIONS(X) \
	X(load8, "movb (%%rdi), %%al") \
	X(load8_high, "movb 3(%%rdi), %%ah") \
	X(load16, "movw (%%rdi), %%ax") \
	X(load32, "movl (%%rdi), %%eax") \
	X(load64, "movq (%%rdi), %%rax") \
	X(load32_far, "movl 0x1004(%%rdi), %%eax") \
	X(load32_indexed, "movl 4(%%rdi, %%rcx, 4), %%eax") \
	X(load_zero_8_16, "movzbw 1(%%rdi), %%ax") \
	X(load_zero_8_32, "movzbl 1(%%rdi), %%eax") \
	X(load_zero_8_64, "movzbq 1(%%rdi), %%rax") \
	X(load_zero_16_32, "movzwl 2(%%rdi), %%eax") \
	X(load_zero_16_64, "movzwq 2(%%rdi), %%rax") \
	X(load_sign_8_16, "movsbw 1(%%rdi), %%ax") \
	X(load_sign_8_32, "movsbl 1(%%rdi), %%eax") \
	X(load_sign_8_64, "movsbq 1(%%rdi), %%rax") \
	X(load_sign_16_32, "movswl 2(%%rdi), %%eax") \
	X(load_sign_16_64, "movswq 2(%%rdi), %%rax") \
	X(load_sign_32_64, "movslq 4(%%rdi), %%rax") \
	X(store8, "movb %%al, (%%rdi)") \
	X(store8_high, "movb %%ah, 1(%%rdi)") \
	X(store16, "movw %%ax, 2(%%rdi)") \
	X(store32, "movl %%eax, 4(%%rdi)") \
	X(store64, "movq %%rax, 8(%%rdi)") \
	X(store32_indexed, "movl %%eax, 0x100(%%rdi, %%rcx, 8)") \
	X(store8_imm, "movb $0x9a, (%%rdi)") \
	X(store16_imm, "movw $0x9abc, (%%rdi)") \
	X(store32_imm, "movl $0x9abcdef0, (%%rdi)") \
	X(store64_imm, "movq $-77, (%%rdi)") \
	X(store32_nt, "movnti %%eax, (%%rdi)") \
	X(store64_nt, "movnti %%rax, (%%rdi)") \
	X(two_at_once, "movl 8(%%rdi), %%eax; movl %%eax, 0x18(%%rdi)")

#define FUNCTION(name, text) \
	static uint64_t run_##name(void *memory, uint64_t rax) \
	{ \
		asm volatile(text : "+a"(rax) : "D"(memory), "c"(UINT64_C(16)) : "memory"); \
		return rax; \
	}
INSTRUCTIONS(FUNCTION)

#define ROW(name, text) { #name, run_##name },
static const struct {
	const char *name;
	uint64_t (*run)(void *memory, uint64_t rax);
} instructions[] = { INSTRUCTIONS(ROW) };

static void
emulation_equals_cpu(void **state)
{
	static uint8_t memory[SIZE];
	uint64_t rax, want, got;
	unsigned int i, round, b;

	trap_on();
	srand(1);
	for (round = 0; round < 16; round++) {
		for (i = 0; i < RTE_DIM(instructions); i++) {
			for (b = 0; b < SIZE; b++)
				memory[b] = device[b] = (uint8_t)(rand() >> 7);
			rax = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ rand();
			accesses = 0;
			want = instructions[i].run(memory, rax);
			assert_int_equal(accesses, 0);
			got = instructions[i].run(trap.base, rax);
			if (got != want)
				fail_msg("%s: %#llx, not %#llx", instructions[i].name,
						(unsigned long long)got, (unsigned long long)want);
			if (memcmp(memory, device, SIZE) != 0)
				fail_msg("%s: other bytes in memory", instructions[i].name);
			assert_int_equal(accesses,
					1 + (strncmp(instructions[i].name, "two", 3) == 0));
		}
	}
	vfio_user_trap_unmap(&trap);
}

static void
access_has_size_of_operand(void **state)
{
	uint8_t *m;

	trap_on();
	m = trap.base;
	*(volatile uint8_t *)m = 1;
	assert_int_equal(last_len, 1);
	*(volatile uint16_t *)m = 1;
	assert_int_equal(last_len, 2);
	*(volatile uint32_t *)m = 1;
	assert_int_equal(last_len, 4);
	*(volatile uint64_t *)(m + SIZE - 8) = 1;
	assert_int_equal(last_len, 8);
	vfio_user_trap_unmap(&trap);
}

/*
 * Run a function in another process.
 * text: what it wrote to standard error, TEXT bytes
 * @return the signal that ended it; 0: it ended by itself
 */
static int
outcome_of(void (*function)(void), char *text)
{
	int status, fds[2];
	ssize_t n, len = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		alarm(20); /* ends a loop */
		dup2(fds[1], STDERR_FILENO);
		function();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, TEXT - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int
signal_of(void (*function)(void))
{
	char text[TEXT];

	return outcome_of(function, text);
}

static unsigned int
count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
add_to_trap(void)
{
	asm volatile("addl $1, (%0)" : : "a"(trap.base) : "memory");
}

static void
cross_end(void)
{
	/* no C: the address is not aligned */
	asm volatile("movq $1, (%0)" : : "a"((uint8_t *)trap.base + SIZE - 4) : "memory");
}

static void
access_nothing(void)
{
	volatile uintptr_t nowhere = 8; /* volatile: no warning about a constant address */

	*(volatile uint32_t *)nowhere = 1;
}

static void
be_signalled(void)
{
	kill(getpid(), SIGSEGV);
}

static void
nothing(void)
{
}

static void
other_faults_end_the_process(void **state)
{
	trap_on();
	assert_int_equal(signal_of(nothing), 0);
	assert_int_equal(signal_of(add_to_trap), SIGSEGV);
	assert_int_equal(signal_of(cross_end), SIGSEGV);
	assert_int_equal(signal_of(access_nothing), SIGSEGV);
	assert_int_equal(signal_of(be_signalled), SIGSEGV);
	vfio_user_trap_unmap(&trap);
}

static void
use_after_unmap(void)
{
	uint8_t *m = trap.base;

	vfio_user_trap_unmap(&trap);
	assert_null(trap.base);
	*(volatile uint32_t *)m = 1;
}

static void
unmapped_trap_is_gone(void **state)
{
	struct vfio_user_trap second = trap;

	trap_on();
	assert_int_equal(signal_of(use_after_unmap), SIGSEGV);
	vfio_user_trap_unmap(&second); /* has none */
	assert_int_equal(vfio_user_trap_map(&second), 0);
	assert_ptr_not_equal(second.base, trap.base);
	*(volatile uint32_t *)second.base = 0x11223344;
	vfio_user_trap_unmap(&second);
	assert_int_equal(*(volatile uint32_t *)trap.base, 0x11223344);
	vfio_user_trap_unmap(&trap);
}

static bool
is_mapped(void *page)
{
	unsigned char resident[SIZE / 4096];

	return mincore(page, SIZE, resident) == 0;
}

/* There is room for 256. A trap that finds none leaves no memory behind. */
static void
traps_beyond_the_limit_are_refused(void **state)
{
	static struct vfio_user_trap all[257];
	const unsigned int last = RTE_DIM(all) - 2;
	unsigned int i;
	void *base;

	for (i = 0; i < RTE_DIM(all); i++)
		all[i] = trap;
	for (i = 0; i <= last; i++)
		assert_int_equal(vfio_user_trap_map(&all[i]), 0);
	assert_int_equal(vfio_user_trap_map(&all[last + 1]), -ENOSPC);
	assert_null(all[last + 1].base);
	*(volatile uint32_t *)all[last].base = 0x11223344;
	assert_int_equal(*(volatile uint32_t *)all[0].base, 0x11223344);
	base = all[last].base;
	vfio_user_trap_unmap(&all[last]);
	assert_false(is_mapped(base));
	assert_int_equal(vfio_user_trap_map(&all[last + 1]), 0);
	assert_int_equal(*(volatile uint32_t *)all[last + 1].base, 0x11223344);
	for (i = 0; i < RTE_DIM(all); i++)
		vfio_user_trap_unmap(&all[i]);
	all[0].size = SIZE_MAX / 2;
	assert_int_equal(vfio_user_trap_map(&all[0]), -ENOMEM);
	assert_null(all[0].base);
}

/* The line has the bytes and the place, there is one of it, and the process ends. */
static void
unknown_instruction_is_reported_once(void **state)
{
	char text[TEXT];

	trap_on();
	assert_int_equal(outcome_of(add_to_trap, text), SIGSEGV);
	assert_int_equal(count(text, "\n"), 1);
	assert_non_null(strstr(text, "test: BAR3: the instruction at 0x"));
	assert_non_null(strstr(text, " (83 00 01 "));
	assert_non_null(strstr(text, "that accesses 0x0 is no plain move"));
	vfio_user_trap_unmap(&trap);
}

/*
 * Other handlers of the same signal.
 */

static void
say_h(int number)
{
	if (write(STDERR_FILENO, "h", 1) != 1)
		_exit(1);
}

static void
say_and_end(int number)
{
	say_h(number);
	_exit(0);
}

static void
map_and_do(void (*handler)(int), int flags, void (*what)(void))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	sigaction(SIGSEGV, &sa, NULL);
	if (vfio_user_trap_map(&trap) == 0)
		what();
}

static void
fault_with_handler(void)
{
	map_and_do(say_and_end, 0, access_nothing);
}

static void
fault_with_handler_for_once(void)
{
	map_and_do(say_h, SA_RESETHAND, access_nothing);
}

static void
unknown_instruction_with_handler_that_returns(void)
{
	map_and_do(say_h, 0, add_to_trap);
}

static void
signal_that_is_ignored(void)
{
	map_and_do(SIG_IGN, 0, be_signalled);
}

static void
signal_with_handler(void)
{
	map_and_do(say_h, 0, be_signalled);
}

static void
be_signalled_twice(void)
{
	be_signalled();
	be_signalled();
}

static void
signals_with_handler(void)
{
	map_and_do(say_h, 0, be_signalled_twice);
}

static void
signals_with_handler_for_once(void)
{
	map_and_do(say_h, SA_RESETHAND, be_signalled_twice);
}

/* Report which signals are blocked in the handler. */
static void
report_mask(int number)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (sigismember(&mask, SIGUSR2))
		say_h(number);
	if (sigismember(&mask, SIGSEGV))
		say_h(number);
	if (sigismember(&mask, SIGUSR1))
		say_h(number);
}

static void
signal_with_mask(int flags)
{
	struct sigaction sa = { .sa_handler = report_mask, .sa_flags = flags };

	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGSEGV, &sa, NULL);
	if (vfio_user_trap_map(&trap) == 0)
		be_signalled();
}

static void
signal_with_handler_that_is_not_interrupted(void)
{
	signal_with_mask(0);
}

static void
signal_with_handler_that_is_interrupted(void)
{
	signal_with_mask(SA_NODEFER);
}

/* Report that a fault is at address 8, and end. */
static void
report_fault(int number, siginfo_t *info, void *context)
{
	if (info->si_addr == (void *)8 && context != NULL)
		say_h(number);
	_exit(0);
}

static void
fault_with_handler_of_details(void)
{
	const struct sigaction sa = { .sa_sigaction = report_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	if (vfio_user_trap_map(&trap) == 0)
		access_nothing();
}

static void
fault_that_is_ignored(void)
{
	map_and_do(SIG_IGN, 0, access_nothing);
}

static void
earlier_handler_gets_other_signals(void **state)
{
	static const struct {
		void (*run)(void);
		int signal;
		unsigned int calls;
	} cases[] = {
		{ fault_with_handler, 0, 1 },
		{ fault_with_handler_for_once, SIGSEGV, 1 },
		{ unknown_instruction_with_handler_that_returns, SIGSEGV, 1 },
		{ signal_that_is_ignored, 0, 0 },
		{ signal_with_handler, 0, 1 },
		{ fault_that_is_ignored, SIGSEGV, 0 },
		{ signals_with_handler, 0, 2 },
		{ signals_with_handler_for_once, SIGSEGV, 1 },
		{ signal_with_handler_that_is_not_interrupted, 0, 2 },
		{ signal_with_handler_that_is_interrupted, 0, 1 },
		{ fault_with_handler_of_details, 0, 1 },
	};
	char text[TEXT], *line;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		if (outcome_of(cases[i].run, text) != cases[i].signal)
			fail_msg("case %u: another end", i);
		line = strchr(text, '\n'); /* of a log line, before the call */
		if (count(line != NULL ? line : text, "h") != cases[i].calls)
			fail_msg("case %u: another number of calls: %s", i, text);
	}
}

static struct sigaction before_later;

/* A crash reporter does its work, and then calls the handler that it replaced. */
static void
report_and_go_on(int number, siginfo_t *info, void *context)
{
	say_h(number);
	before_later.sa_sigaction(number, info, context);
}

static void
install_later_handler(void)
{
	const struct sigaction sa = { .sa_sigaction = report_and_go_on, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, &before_later);
	*(volatile uint32_t *)trap.base = 1; /* by way of that handler */
}

static void
fault_with_later_handler(void)
{
	struct vfio_user_trap second = trap;

	trap_on();
	install_later_handler();
	if (vfio_user_trap_map(&second) != 0)
		return;
	*(volatile uint32_t *)second.base = 1; /* not */
	access_nothing();
}

static void
later_handler_is_called_once(void **state)
{
	char text[TEXT];

	assert_int_equal(outcome_of(fault_with_later_handler, text), SIGSEGV);
	assert_string_equal(text, "hh"); /* the access after it was installed, and the fault */
}

static atomic_uint signals, signals_in_access;

static void
count_signal(int number)
{
	signals++;
}

static void
access_with_signal(void *opaque, unsigned int bar, uint64_t offset, void *buf, size_t len,
		bool is_store)
{
	raise(SIGUSR1);
	signals_in_access = signals;
	errno = EDOM;
}

static void
signals_wait_for_end_of_access(void **state)
{
	struct vfio_user_trap t = trap;

	signal(SIGUSR1, count_signal);
	t.access = access_with_signal;
	trap_on();
	assert_int_equal(vfio_user_trap_map(&t), 0);
	errno = 0;
	*(volatile uint32_t *)t.base = 1;
	assert_int_equal(errno, 0); /* an access is no call */
	assert_int_equal(signals_in_access, 0);
	assert_int_equal(signals, 1);
	vfio_user_trap_unmap(&t);
	vfio_user_trap_unmap(&trap);
	signal(SIGUSR1, SIG_DFL);
}

/*
 * Several threads.
 */

#define THREADS 4
#define ROUNDS  2000u

static void *
use_register(void *arg)
{
	volatile uint32_t *reg = arg;
	uint32_t i;

	for (i = 1; i <= ROUNDS; i++) {
		*reg = i;
		if (*reg != i)
			return arg;
	}
	return NULL;
}

static void
threads_access_while_traps_come_and_go(void **state)
{
	struct vfio_user_trap other[3] = { trap, trap, trap };
	pthread_t threads[THREADS];
	unsigned int i, k;
	void *failed;

	trap_on();
	accesses = 0;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_register,
						 (uint8_t *)trap.base + 64 * i),
				0);
	while (accesses < THREADS * ROUNDS) {
		for (k = 0; k < RTE_DIM(other); k++)
			assert_int_equal(vfio_user_trap_map(&other[k]), 0);
		for (k = 0; k < RTE_DIM(other); k++)
			vfio_user_trap_unmap(&other[k]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(accesses, 2 * THREADS * ROUNDS);
	vfio_user_trap_unmap(&trap);
}

#endif

int
main(void)
{
	static const struct CMUnitTest decoder[] = {
		cmocka_unit_test(plain_moves_are_decoded),
		cmocka_unit_test(decoder_stops_at_end_of_instruction),
		cmocka_unit_test(other_instructions_are_refused),
	};
	int failed = cmocka_run_group_tests(decoder, NULL, NULL);

#if defined(__x86_64__)
	static const struct CMUnitTest traps[] = {
		cmocka_unit_test(emulation_equals_cpu),
		cmocka_unit_test(access_has_size_of_operand),
		cmocka_unit_test(other_faults_end_the_process),
		cmocka_unit_test(unmapped_trap_is_gone),
		cmocka_unit_test(traps_beyond_the_limit_are_refused),
		cmocka_unit_test(unknown_instruction_is_reported_once),
		cmocka_unit_test(earlier_handler_gets_other_signals),
		cmocka_unit_test(later_handler_is_called_once),
		cmocka_unit_test(signals_wait_for_end_of_access),
		cmocka_unit_test(threads_access_while_traps_come_and_go),
	};

	failed += cmocka_run_group_tests(traps, NULL, NULL);
#endif
	return failed;
}
