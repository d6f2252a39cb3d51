/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of physical addresses (dma_translate.c): what the kernel answers in /proc/self/pagemap,
 * which the test replaces, so that it needs no rights.
 */

#include <fcntl.h>

#include "dma_device.h"

#include "../common/fds.h"

#define PRESENT (UINT64_C(1) << 63)
#define BASE    UINT64_C(0x7000000) /* an address in no memory; only its page number matters */
#define PAGE    4096

/* The answers: the entry of each page from BASE on. */
static struct {
	int open_error, read_error; /* errno; 0: none */
	ssize_t cut;                /* bytes that each read lacks */
	uint64_t entry[4];
	unsigned int reads, opened;
	int fd;
} kernel;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __real_pread64(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t at);

int
__wrap_open64(const char *path, int flags, ...)
{
	if (strcmp(path, "/proc/self/pagemap") != 0)
		return __real_open64(path, flags);
	assert_int_equal(flags, O_RDONLY | O_CLOEXEC);
	kernel.opened++;
	errno = kernel.open_error;
	if (kernel.open_error != 0)
		return -1;
	kernel.fd = __real_open64("/dev/null", flags);
	return kernel.fd;
}

ssize_t
__wrap_pread64(int fd, void *buf, size_t len, off_t at)
{
	const uint64_t page = at / sizeof(uint64_t) - BASE / PAGE;

	assert_int_equal(fd, kernel.fd);
	assert_int_equal(len, sizeof(uint64_t));
	assert_int_equal(at % sizeof(uint64_t), 0);
	assert_true(page < RTE_DIM(kernel.entry));
	kernel.reads++;
	errno = kernel.read_error;
	if (kernel.read_error != 0)
		return -1;
	memcpy(buf, &kernel.entry[page], len);
	return len - kernel.cut;
}

static int
begin(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static void
entry_gives_the_frame_of_the_page(void **state)
{
	static const struct {
		uintptr_t at;
		uint64_t entry;
		gantry_phys_addr_t phys;
	} cases[] = {
		{ BASE, PRESENT | 1, 0x1000 },
		{ BASE + 4095, PRESENT | 1, 0x1fff },
		{ BASE + 8, PRESENT | 0xABCDE, 0xABCDE008 },
		/* The frame is in 55 bits; other bits describe the page. */
		{ BASE + 1, PRESENT | UINT64_C(0x7F) << 55 | 2, 0x2001 },
		{ BASE, PRESENT | UINT64_C(1) << 50, UINT64_C(1) << 62 },
		{ BASE + 3 * PAGE, PRESENT | 5, 0x5000 },
	};
	const int fds = count_fds();
	gantry_phys_addr_t phys;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		kernel.entry[(cases[i].at - BASE) / PAGE] = cases[i].entry;
		assert_int_equal(gantry_virt_to_phys((void *)cases[i].at, &phys), 0);
		assert_int_equal(phys, cases[i].phys);
	}
	assert_int_equal(kernel.reads, RTE_DIM(cases));
	assert_int_equal(count_fds(), fds);
}

static void
address_is_refused_with_the_reason(void **state)
{
	static const struct {
		int open_error, read_error;
		ssize_t cut;
		uint64_t entry;
		int ret;
		const char *why;
	} cases[] = {
		{ .open_error = EACCES, .ret = -EPERM, .why = "known to root only" },
		{ .open_error = ENOENT,
				.ret = -ENOENT,
				.why = "cannot read /proc/self/pagemap: No s" },
		{ .read_error = EIO,
				.entry = PRESENT | 1,
				.ret = -EIO,
				.why = "pagemap: Input/out" },
		{ .cut = 1, .entry = PRESENT | 1, .ret = -EFAULT, .why = "no page is there" },
		{ .cut = 8, .entry = PRESENT | 1, .ret = -EFAULT, .why = "no page is there" },
		{ .entry = 1, .ret = -EFAULT, .why = "no page is there" },
		{ .entry = UINT64_MAX >> 1, .ret = -EFAULT, .why = "no page is there" },
		{ .entry = PRESENT, .ret = -EPERM, .why = "known to root only" },
		{ .entry = PRESENT | UINT64_C(1) << 55,
				.ret = -EPERM,
				.why = "known to root only" },
	};
	const int fds = count_fds();
	gantry_phys_addr_t phys;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.open_error = cases[i].open_error;
		kernel.read_error = cases[i].read_error;
		kernel.cut = cases[i].cut;
		kernel.entry[0] = cases[i].entry;
		phys = 1;
		assert_int_equal(gantry_virt_to_phys((void *)BASE, &phys), cases[i].ret);
		assert_int_equal(phys, GANTRY_PHYS_ADDR_BAD);
		assert_reason(cases[i].why);
		assert_reason("0x7000000: ");
		assert_int_equal(gantry_phys_contiguous((void *)BASE, 1), cases[i].ret);
		assert_reason(cases[i].why);
		assert_int_equal(kernel.opened, 2);
		assert_int_equal(count_fds(), fds);
	}
}

static void
range_is_contiguous_if_each_frame_follows_the_one_before(void **state)
{
	static const struct {
		uint64_t frame[4]; /* 0: no page is there */
		uintptr_t at;      /* from BASE on */
		size_t len;
		int ret;
		unsigned int reads;
	} cases[] = {
		{ { 7, 8, 9, 10 }, 0, 1, 1, 1 },
		{ { 7, 8, 9, 10 }, 0, PAGE, 1, 1 },
		{ { 7, 8, 9, 10 }, 0, PAGE + 1, 1, 2 },
		{ { 7, 8, 9, 10 }, PAGE - 1, 2, 1, 2 },
		{ { 7, 8, 9, 10 }, 100, 4 * PAGE - 100, 1, 4 },
		{ { 7, 9, 10, 11 }, 0, PAGE, 1, 1 },
		{ { 7, 9, 10, 11 }, 0, PAGE + 1, 0, 2 },
		{ { 7, 9, 10, 11 }, PAGE, 3 * PAGE, 1, 3 },
		{ { 7, 8, 9, 9 }, 0, 4 * PAGE, 0, 4 },
		{ { 7, 6, 5, 4 }, 0, 2 * PAGE, 0, 2 },
		/* A page that is missing matters more than the order of the others. */
		{ { 7, 9, 0, 11 }, 0, 3 * PAGE, -EFAULT, 3 },
		{ { 7, 8, 0, 10 }, 0, 4 * PAGE, -EFAULT, 3 },
		{ { 7, 8, 0, 10 }, 0, 2 * PAGE, 1, 2 },
		{ { 0, 8, 9, 10 }, 4000, 97, -EFAULT, 1 },
	};
	unsigned int i, k;

	for (i = 0; i < RTE_DIM(cases); i++) {
		memset(&kernel, 0, sizeof(kernel));
		for (k = 0; k < RTE_DIM(kernel.entry); k++)
			kernel.entry[k] = cases[i].frame[k] != 0 ? PRESENT | cases[i].frame[k] : 0;
		if (gantry_phys_contiguous((void *)(BASE + cases[i].at), cases[i].len) !=
						cases[i].ret ||
				kernel.reads != cases[i].reads)
			fail_msg("case %u, %u reads", i, kernel.reads);
	}
	/* The reason names the page that is missing. */
	memset(&kernel, 0, sizeof(kernel));
	kernel.entry[0] = PRESENT | 1;
	assert_int_equal(gantry_phys_contiguous((void *)(BASE + 10), PAGE), -EFAULT);
	assert_reason("0x7001000: ");
}

static void
range_without_bytes_is_invalid(void **state)
{
	assert_int_equal(gantry_phys_contiguous((void *)BASE, 0), -EINVAL);
	assert_int_equal(gantry_phys_contiguous((void *)BASE, SIZE_MAX - BASE + 2), -EINVAL);
	assert_int_equal(gantry_phys_contiguous((void *)BASE, SIZE_MAX), -EINVAL);
	assert_int_equal(kernel.opened, 0);
}

static void
classes_have_names(void **state)
{
	static const char *const names[] = {
		[GANTRY_MEM_NONE] = "not memory",
		[GANTRY_MEM_HUGEPAGE] = "hugepage memory",
		[GANTRY_MEM_EXTERNAL] = "external memory",
		[GANTRY_MEM_PROCESS] = "process memory",
		[GANTRY_MEM_MMIO] = "a BAR",
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++)
		assert_string_equal(gantry_mem_class_name(i), names[i]);
	assert_string_equal(gantry_mem_class_name(RTE_DIM(names)), "unknown");
}

/* There is room for 64 BARs; an end makes room again, of the BAR that begins there alone. */
static void
bars_are_noted_until_they_end(void **state)
{
	uint8_t *at = (uint8_t *)BASE;
	unsigned int i, round;

	assert_int_equal(gantry_mem_mmio_add(NULL, PAGE), -EINVAL);
	assert_int_equal(gantry_mem_mmio_add(at, 0), -EINVAL);
	assert_int_equal(gantry_mem_mmio_add(at, SIZE_MAX - BASE + 2), -EINVAL);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 64; i++)
			assert_int_equal(gantry_mem_mmio_add(at + i * 2 * PAGE, PAGE), 0);
		assert_int_equal(gantry_mem_mmio_add(at - PAGE, PAGE), -ENOSPC);
		assert_int_equal(gantry_mem_classify(at - 1), GANTRY_MEM_NONE);
		assert_int_equal(gantry_mem_classify(at), GANTRY_MEM_MMIO);
		assert_int_equal(gantry_mem_classify(at + PAGE - 1), GANTRY_MEM_MMIO);
		assert_int_equal(gantry_mem_classify(at + PAGE), GANTRY_MEM_NONE);
		assert_int_equal(gantry_mem_classify(at + 126 * PAGE), GANTRY_MEM_MMIO);
		gantry_mem_mmio_del(at + 1);
		gantry_mem_mmio_del(NULL);
		assert_int_equal(gantry_mem_classify(at), GANTRY_MEM_MMIO);
		for (i = 0; i < 64; i++) {
			gantry_mem_mmio_del(at + i * 2 * PAGE);
			assert_int_equal(gantry_mem_classify(at + i * 2 * PAGE), GANTRY_MEM_NONE);
		}
	}
}

#define ANSWERED(f) cmocka_unit_test_setup(f, begin)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ANSWERED(entry_gives_the_frame_of_the_page),
		ANSWERED(address_is_refused_with_the_reason),
		ANSWERED(range_is_contiguous_if_each_frame_follows_the_one_before),
		ANSWERED(range_without_bytes_is_invalid),
		ANSWERED(classes_have_names),
		ANSWERED(bars_are_noted_until_they_end),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_pagemap", tests, NULL, NULL);
}
