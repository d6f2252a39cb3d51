/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of what lib/dma and the debug layer read from /proc/self/maps (dma_translate.c,
 * dma_debug_memory.c): BARs by the name of their file, and the stacks of threads by their
 * surroundings. The test replaces fopen(), so that the file has the lines of a case.
 */

#include "dma_device.h"

#include "dma_debug.h"

#define AT  UINT64_C(0x21000000) /* EAL has no memory there, and no thread a stack */
#define LEN UINT64_C(0x10000)

static const char *maps; /* the contents of /proc/self/maps; NULL: it cannot be opened */

FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);

FILE *
__wrap_fopen64(const char *path, const char *mode)
{
	if (strcmp(path, "/proc/self/maps") != 0)
		return __real_fopen64(path, mode);
	return maps != NULL ? fmemopen((void *)(uintptr_t)maps, strlen(maps), "r") : NULL;
}

static void *
pointer(uint64_t at)
{
	return (void *)(uintptr_t)at;
}

/* Return the class of an address in a mapping of this file. */
static enum gantry_mem_class
class_of(uint64_t at, const char *perms, const char *path)
{
	char line[512];

	snprintf(line, sizeof(line),
			"no mapping\n%" PRIx64 "-%" PRIx64 " %s 00001000 08:01 42 %s\n", AT,
			AT + LEN, perms, path);
	maps = line;
	return gantry_mem_classify(pointer(at));
}

static void
bar_is_known_by_the_name_of_its_file(void **state)
{
	static const char *const bars[] = {
		"/dev/vfio/17",
		"anon_inode:[vfio-device]",
		"/dev/uio0",
		"/dev/mem",
		"/sys/bus/pci/devices/0000:01:00.0/resource0",
	};
	static const char *const others[] = {
		"",
		"[heap]",
		"/dev/vfio",
		"/dev/vfio-user",
		"/dev/uinput",
		"/dev/memory",
		"/dev/zero",
		"/sys/kernel/btf",
		"/system/resource0",
		"/tmp/resource0",
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(bars); i++)
		assert_int_equal(class_of(AT, "rw-s", bars[i]), GANTRY_MEM_MMIO);
	for (i = 0; i < RTE_DIM(others); i++)
		assert_int_equal(class_of(AT, "rw-s", others[i]), GANTRY_MEM_PROCESS);
}

static void
memory_without_any_access_is_no_memory(void **state)
{
	assert_int_equal(class_of(AT, "---p", ""), GANTRY_MEM_NONE);
	assert_int_equal(class_of(AT, "---s", "/dev/mem"), GANTRY_MEM_NONE);
	assert_int_equal(class_of(AT, "r--p", ""), GANTRY_MEM_PROCESS);
	assert_int_equal(class_of(AT, "--xp", ""), GANTRY_MEM_PROCESS);
}

static void
mapping_begins_and_ends_where_its_line_says(void **state)
{
	assert_int_equal(class_of(AT - 1, "rw-p", ""), GANTRY_MEM_NONE);
	assert_int_equal(class_of(AT + LEN - 1, "rw-p", ""), GANTRY_MEM_PROCESS);
	assert_int_equal(class_of(AT + LEN, "rw-p", ""), GANTRY_MEM_NONE);
	maps = NULL;
	assert_int_equal(gantry_mem_classify(pointer(AT)), GANTRY_MEM_NONE);
}

/* Return whether the debug layer takes the first 64 bytes at AT for a stack. */
static bool
is_stack(struct gantry_dma_dev *dev, const char *lines)
{
	enum gantry_dma_misuse m;

	maps = lines;
	m = dma_debug_memory(dev, pointer(AT), 64);
	assert_true(m == GANTRY_DMA_MISUSE_MAP_STACK || m == GANTRY_DMA_MISUSE_MAX);
	return m == GANTRY_DMA_MISUSE_MAP_STACK;
}

static void
stack_is_anonymous_memory_above_a_guard(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);

	assert_true(is_stack(dev,
			"20fff000-21000000 ---p 0 0:0 0\n21000000-21800000 rw-p 0 0:0 0\n"));
	assert_true(is_stack(dev,
			"20ff0000-21000000 ---p 0 0:0 0\n21000000-21800000 rw-p 0 0:0 0\n"));
	assert_true(is_stack(dev, "21000000-21800000 rw-p 0 0:0 0 [stack]\n"));
	/* No guard, a gap between them, and more than 64 KiB. */
	assert_false(is_stack(dev, "21000000-21800000 rw-p 0 0:0 0\n"));
	assert_false(is_stack(dev,
			"20fff000-21000000 r--p 0 0:0 0\n21000000-21800000 rw-p 0 0:0 0\n"));
	assert_false(is_stack(dev,
			"20ffe000-20fff000 ---p 0 0:0 0\n21000000-21800000 rw-p 0 0:0 0\n"));
	assert_false(is_stack(dev,
			"20fef000-21000000 ---p 0 0:0 0\n21000000-21800000 rw-p 0 0:0 0\n"));
	/* Memory of a file, and memory that is shared. */
	assert_false(is_stack(dev,
			"20fff000-21000000 ---p 0 0:0 0\n21000000-21800000 rw-p 0 8:1 7 /tmp/file\n"));
	assert_false(is_stack(dev,
			"20fff000-21000000 ---p 0 0:0 0\n21000000-21800000 rw-s 0 0:0 0\n"));
	/* The mapping below the guard is not its neighbour. */
	assert_true(is_stack(dev,
			"10000000-10001000 rw-p 0 0:0 0\n20fff000-21000000 ---p 0 0:0 0\n"
			"21000000-21800000 rw-p 0 0:0 0\n30000000-30001000 rw-p 0 0:0 0\n"));
}

/* The C library's own heaps begin at multiples of 64 MiB, and have memory without access below. */
static void
heap_of_the_c_library_is_no_stack(void **state)
{
	maps = "23fff000-24000000 ---p 0 0:0 0\n24000000-24800000 rw-p 0 0:0 0\n";
	assert_int_equal(dma_debug_memory(DEV(state), pointer(0x24000000), 64),
			GANTRY_DMA_MISUSE_MAX);
	maps = "22ffe000-22fff000 ---p 0 0:0 0\n22fff000-24800000 rw-p 0 0:0 0\n";
	assert_int_equal(dma_debug_memory(DEV(state), pointer(0x24000000), 64),
			GANTRY_DMA_MISUSE_MAP_STACK);
}

static void
range_that_ends_outside_memory_is_invalid(void **state)
{
	maps = "21000000-21001000 rw-p 0 0:0 0\n";
	assert_int_equal(dma_debug_memory(DEV(state), pointer(AT + 4096 - 64), 64),
			GANTRY_DMA_MISUSE_MAX);
	assert_int_equal(dma_debug_memory(DEV(state), pointer(AT + 4096 - 64), 65),
			GANTRY_DMA_MISUSE_MAP_INVALID);
	assert_int_equal(dma_debug_memory(DEV(state), pointer(AT - 1), 64),
			GANTRY_DMA_MISUSE_MAP_INVALID);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bar_is_known_by_the_name_of_its_file),
		cmocka_unit_test(memory_without_any_access_is_no_memory),
		cmocka_unit_test(mapping_begins_and_ends_where_its_line_says),
		ON_DEVICE(stack_is_anonymous_memory_above_a_guard),
		ON_DEVICE(heap_of_the_c_library_is_no_stack),
		ON_DEVICE(range_that_ends_outside_memory_is_invalid),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_maps", tests, NULL, NULL);
}
