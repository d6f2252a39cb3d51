/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of memory classes and of the three address spaces (lib/dma/core/dma_translate.c): CPU
 * virtual (X), physical (Y) and bus (Z).
 */

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "dma_eal.h"

#include <rte_malloc.h>

#include "gantry_dma.h"

static struct gantry_dma_dev *dev;

static int
setup(void **state)
{
	struct gantry_dma_params p = { .name = "test", .socket_id = SOCKET_ID_ANY };

	dev = gantry_dma_dev_create(&p);
	assert_non_null(dev);
	return gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64));
}

static int
teardown(void **state)
{
	gantry_dma_dev_destroy(dev);
	return 0;
}

/*
 * X, Y and Z of the same bytes. To show that the bytes are the same as well takes a device: see
 * virtual_physical_and_bus_address_lead_to_same_bytes in test_bus_vfio_user_memory.c.
 */
static void
three_addresses_agree(void **state)
{
	uint8_t *x = rte_zmalloc(NULL, 8192, 4096);
	gantry_phys_addr_t y;
	gantry_dma_addr_t z;
	unsigned int i;

	assert_non_null(x);
	memset(x, 0x5a, 8192); /* memory that was never touched has no Y yet */
	for (i = 0; i < 8192; i += 1000) {
		z = gantry_dma_map_single(dev, x + i, 64, GANTRY_DMA_BIDIRECTIONAL);
		assert_false(gantry_dma_mapping_error(dev, z));
		assert_int_equal(z, gantry_virt_to_bus(dev, x + i));
		assert_ptr_equal(gantry_bus_to_virt(dev, z), x + i);
		if (geteuid() != 0) {
			assert_int_equal(gantry_virt_to_phys(x + i, &y), -EPERM);
			continue;
		}
		assert_int_equal(gantry_virt_to_phys(x + i, &y), 0);
		assert_int_equal(y % 4096, (uintptr_t)(x + i) % 4096);
		if (rte_eal_iova_mode() == RTE_IOVA_PA)
			assert_int_equal(z, y);
		else
			assert_int_equal(z, (uintptr_t)(x + i));
	}
	if (geteuid() == 0) {
		assert_int_equal(gantry_virt_to_phys(x, &y), 0);
		print_message("X %p  Y 0x%" PRIx64 "  Z 0x%" PRIx64 "\n", (void *)x, y,
				gantry_virt_to_bus(dev, x));
	}
	rte_free(x);
}

static void
process_memory_has_no_bus_address(void **state)
{
	int on_stack = 0;

	assert_true(gantry_dma_mapping_error(dev, gantry_virt_to_bus(dev, &on_stack)));
	assert_non_null(strstr(gantry_dma_last_error(), "process memory"));
	assert_true(gantry_dma_mapping_error(dev, gantry_virt_to_bus(dev, NULL)));
	assert_null(gantry_bus_to_virt(dev, 1));
	assert_null(gantry_bus_to_virt(dev, GANTRY_DMA_MAPPING_ERROR));
}

static void
memory_is_classified(void **state)
{
	void *huge = rte_malloc(NULL, 64, 0), *heap = malloc(64);
	void *reserved = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *bar = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int on_stack = 0, i;

	assert_int_equal(gantry_mem_classify(huge), GANTRY_MEM_HUGEPAGE);
	assert_int_equal(gantry_mem_classify(heap), GANTRY_MEM_PROCESS);
	assert_int_equal(gantry_mem_classify(&on_stack), GANTRY_MEM_PROCESS);
	assert_int_equal(gantry_mem_classify((void *)(uintptr_t)memory_is_classified),
			GANTRY_MEM_PROCESS);
	assert_int_equal(gantry_mem_classify(NULL), GANTRY_MEM_NONE);
	assert_int_equal(gantry_mem_classify((void *)UINTPTR_MAX), GANTRY_MEM_NONE);
	assert_int_equal(gantry_mem_classify(reserved), GANTRY_MEM_NONE);

	assert_int_equal(gantry_mem_mmio_add(bar, 4096), 0);
	assert_int_equal(gantry_mem_classify(bar + 4095), GANTRY_MEM_MMIO);
	assert_int_equal(gantry_mem_classify(bar + 4096), GANTRY_MEM_PROCESS);
	gantry_mem_mmio_del(bar);
	assert_int_equal(gantry_mem_classify(bar), GANTRY_MEM_PROCESS);
	assert_int_equal(gantry_mem_mmio_add(NULL, 1), -EINVAL);
	assert_int_equal(gantry_mem_mmio_add(bar, 0), -EINVAL);
	for (i = 0; gantry_mem_mmio_add(bar, 64) == 0; i++)
		assert_true(i < 1000);
	assert_int_equal(gantry_mem_mmio_add(bar, 64), -ENOSPC);
	gantry_mem_mmio_del(bar);
	assert_int_equal(gantry_mem_mmio_add(bar, 64), 0);
	gantry_mem_mmio_del(bar);

	for (i = GANTRY_MEM_NONE; i <= GANTRY_MEM_MMIO; i++)
		assert_string_not_equal(gantry_mem_class_name(i), "unknown");
	munmap(reserved, 4096);
	munmap(bar, 8192);
	free(heap);
	rte_free(huge);
}

/* Physically contiguous or not: the difference between kmalloc() and vmalloc(). */
static void
physical_contiguity_is_found(void **state)
{
	const size_t len = 16 << 20;
	uint8_t *heap = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	gantry_phys_addr_t phys;
	int ret;

	/* A page that was never touched has no physical address. */
	assert_true(gantry_virt_to_phys(heap, &phys) < 0);
	assert_int_equal(phys, GANTRY_PHYS_ADDR_BAD);
	assert_int_equal(gantry_phys_contiguous(heap, 0), -EINVAL);
	assert_int_equal(gantry_phys_contiguous(heap, SIZE_MAX), -EINVAL);
	if (geteuid() != 0) {
		print_message("needs root, for the rest\n");
		munmap(heap, len);
		skip();
	}
	assert_int_equal(gantry_virt_to_phys(heap, &phys), -EFAULT);
	madvise(heap, len, MADV_NOHUGEPAGE);
	memset(heap, 1, len);
	ret = gantry_phys_contiguous(heap, len);
	assert_true(ret == 0 || ret == 1);
	assert_int_equal(gantry_phys_contiguous(heap, 4096), 1);
	print_message("16 MiB of mmap are %scontiguous\n", ret != 0 ? "" : "not ");
	madvise(heap + len / 2, 4096, MADV_DONTNEED);
	assert_int_equal(gantry_phys_contiguous(heap, len), -EFAULT);
	munmap(heap, len);

	if (eal_huge()) {
		uint8_t *huge = rte_malloc(NULL, 1 << 20, 1 << 20);

		assert_non_null(huge);
		assert_int_equal(gantry_phys_contiguous(huge, 1 << 20), 1);
		rte_free(huge);
	}
}

/* Without privilege the call fails with -EPERM; it does not return physical address 0. */
static void
physical_address_needs_privilege(void **state)
{
	uint8_t *x = rte_zmalloc(NULL, 64, 0);
	int status;
	pid_t pid;

	assert_non_null(x);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		gantry_phys_addr_t phys;
		bool refused;

		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(3);
		*(volatile uint8_t *)x = 1; /* maps the shared page into the child */
		refused = gantry_virt_to_phys(x, &phys) == -EPERM && phys == GANTRY_PHYS_ADDR_BAD;
		refused = refused && strstr(gantry_dma_last_error(), "root") != NULL;
		refused = refused && gantry_phys_contiguous(x, 64) == -EPERM;
		_exit(refused ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	rte_free(x);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_addresses_agree),
		cmocka_unit_test(process_memory_has_no_bus_address),
		cmocka_unit_test(memory_is_classified),
		cmocka_unit_test(physical_contiguity_is_found),
		cmocka_unit_test(physical_address_needs_privilege),
	};
	int ret;

	eal_start(argc, argv, NULL);
	ret = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, setup, teardown);
	rte_eal_cleanup();
	return ret;
}
