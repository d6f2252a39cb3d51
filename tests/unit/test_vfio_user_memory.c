/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server without memory: a command that fails changes nothing, leaks nothing, and succeeds
 * when it is repeated. The linker redirects the server's malloc() and mmap() to this file. The
 * test makes those of the server's control thread fail.
 */

#include <pthread.h>

#include <linux/vfio.h>

#include "vfu_test.h"

#define IOVA  UINT64_C(0x40000000)
#define PAGE  0x1000u
#define PAGES 600 /* more than a leaf of the table holds */

static struct device dev;
static int sock, mem;
static _Atomic(pthread_t) control;
static atomic_int mallocs_left = -1, mmaps_left = -1; /* calls until one fails; -1: none fails */

void *__real_malloc(size_t size);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

static bool
fails(atomic_int *left)
{
	return *left > 0 && control != 0 && pthread_equal(pthread_self(), control) && --*left == 0;
}

void *
__wrap_malloc(size_t size)
{
	if (fails(&mallocs_left)) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_malloc(size);
}

void *
__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fails(&mmaps_left)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap64(addr, len, prot, flags, fd, offset);
}

static void
note_thread(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	control = pthread_self();
}

/* Connect a client that maps every second page, and identify the server's control thread. */
static int
setup(void **state)
{
	struct {
		struct vfio_user_region_access a;
		uint32_t value;
	} w = { { 0, 0, 4 }, 1 };

	device_start(&dev);
	dev.on_write = note_thread;
	sock = raw_attach(&dev);
	mem = memory_file((size_t)PAGES * PAGE);
	for (unsigned int i = 0; i < PAGES; i += 2)
		assert_int_equal(raw_map(sock, mem, i * PAGE, IOVA + i * PAGE, PAGE, RW), 0);
	assert_int_equal(raw_command(sock, VFIO_USER_REGION_WRITE, &w, sizeof(w.a) + 4), 0);
	wait_until(control != 0);
	return 0;
}

static int
teardown(void **state)
{
	mallocs_left = mmaps_left = -1;
	close(sock);
	wait_until(dev.detached == dev.attached);
	close(mem);
	device_stop(&dev);
	control = 0;
	return 0;
}

static unsigned int
mapped(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		n += device_ptr(&dev, IOVA + i * PAGE, PAGE, RW) != NULL;
	return n;
}

static void
assert_unchanged(void)
{
	struct vfu_server_stats st;

	assert_int_equal(mapped(), PAGES / 2);
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.dma_maps, PAGES / 2);
	assert_int_equal(st.dma_bytes, (uint64_t)PAGES / 2 * PAGE);
}

/**
 * Count the mappings of a file in this process.
 *
 * @return the number of its entries in /proc/self/maps
 */
static unsigned int
mappings_of(int fd)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], ino[32];
	struct stat st;
	unsigned int n = 0;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(ino, sizeof(ino), " %lu ", (unsigned long)st.st_ino);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, ino) != NULL;
	fclose(f);
	return n;
}

/* The first malloc() of a command is for the message; if it fails, the connection ends. */
#define FIRST 2

static void
map_without_memory_changes_nothing(void **state)
{
	int other = memory_file(PAGE), n, ret = ENOMEM;

	for (n = FIRST; ret != 0; n++) {
		assert_true(n < 20);
		mallocs_left = n;
		ret = raw_map(sock, other, 0, IOVA + PAGE, PAGE, RW);
		mallocs_left = -1;
		if (ret == 0)
			break;
		assert_int_equal(ret, ENOMEM);
		assert_unchanged();
		assert_int_equal(mappings_of(other), 0);
	}
	assert_true(n > FIRST + 2); /* window, table, leaves */
	assert_int_equal(mapped(), PAGES / 2 + 1);
	assert_int_equal(raw_unmap(sock, IOVA + PAGE, PAGE), 0);
	mmaps_left = 1;
	assert_int_equal(raw_map(sock, other, 0, IOVA + PAGE, PAGE, RW), ENOMEM);
	mmaps_left = -1;
	assert_unchanged();
	assert_int_equal(raw_map(sock, other, 0, IOVA + PAGE, PAGE, RW), 0);
	close(other);
}

static void
unmap_without_memory_changes_nothing(void **state)
{
	static const unsigned int pages[] = { 1, 2, 3, 300, PAGES };
	unsigned int i, k;
	int n, ret;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		ret = ENOMEM;
		for (n = FIRST; ret != 0; n++) {
			assert_true(n < 20);
			mallocs_left = n;
			ret = raw_unmap(sock, IOVA + 100 * PAGE, pages[i] * PAGE);
			mallocs_left = -1;
			if (ret != 0) {
				assert_int_equal(ret, ENOMEM);
				assert_unchanged();
			}
		}
		for (k = 100; k < PAGES && k < 100 + pages[i]; k += 2) {
			assert_null(device_ptr(&dev, IOVA + k * PAGE, 1, RW));
			assert_int_equal(raw_map(sock, mem, k * PAGE, IOVA + k * PAGE, PAGE, RW),
					0);
		}
		assert_unchanged();
	}
}

/* The interrupt waits behind a posted write, and queues without memory. */
static void
interrupt_without_memory_is_sent(void **state)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.count = 1,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	struct {
		struct vfio_user_header h;
		struct vfio_user_dma_access a;
		uint32_t value;
	} q;
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint32_t value = 0x5a;
	uint64_t n;

	assert_int_equal(raw_map(sock, -1, 0, 0, PAGE, RW), 0);
	assert_int_equal(raw_command_fd(sock, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), efd),
			0);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0, &value, sizeof(value)), 0));
	control = pthread_self();
	mallocs_left = 1;
	POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
	assert_true(raw_recv(sock, &q, sizeof(q.h) + sizeof(q.a) + sizeof(value), NULL));
	assert_int_equal(read(efd, &n, 8), -1);
	q.h.flags = VFIO_USER_F_TYPE_REPLY;
	q.h.msg_size = sizeof(q.h) + sizeof(q.a);
	raw_send(sock, &q, q.h.msg_size, NULL, 0);
	vfu_dma_wait(dev.server);
	assert_int_equal(read(efd, &n, 8), 8);
	assert_int_equal(n, 1);
	close(efd);
}

int
main(void)
{
	int ret;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(map_without_memory_changes_nothing, setup,
				teardown),
		cmocka_unit_test_setup_teardown(unmap_without_memory_changes_nothing, setup,
				teardown),
		cmocka_unit_test_setup_teardown(interrupt_without_memory_is_sent, setup, teardown),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_memory", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
