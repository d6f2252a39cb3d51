/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server without memory: a command that fails changes nothing, leaks nothing, and succeeds
 * when it is repeated. The linker redirects the server's malloc() and mmap() to this file. The
 * test makes those of the server's control thread fail.
 */

#include <fcntl.h>
#include <pthread.h>

#include <linux/vfio.h>

#include "server_priv.h"
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
	wait_until(is_forgotten(&dev));
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
	/* One unit of one file. */
	assert_int_equal(dev.server->nr_maps, 2);
	assert_int_equal(dev.server->mapped, 2 * UINT64_C(0x200000));
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

/* The mapping that divides a full leaf: the second half may get no memory after the first one. */
static void
divided_leaf_without_memory_changes_nothing(void **state)
{
	const uint32_t last = dev.server->table->nr_leaves - 1;
	uint64_t page;
	int n, ret = ENOMEM;

	/* The last leaf has the pages from here on; fill the gaps between them. */
	page = (dev.server->table->leaves[last].leaf->maps[0].iova - IOVA) / PAGE + 1;
	for (; dev.server->table->leaves[last].leaf->nr < VFU_LEAF_MAPS; page += 2)
		assert_int_equal(raw_map(sock, mem, page * PAGE, IOVA + page * PAGE, PAGE, RW), 0);
	for (n = FIRST; ret != 0; n++) {
		const unsigned int before = mapped();

		assert_true(n < 20);
		mallocs_left = n;
		ret = raw_map(sock, mem, page * PAGE, IOVA + page * PAGE, PAGE, RW);
		mallocs_left = -1;
		assert_int_equal(mapped(), before + (ret == 0));
	}
	assert_int_equal(n - 1, FIRST + 3); /* the table and both halves */
}

static void
message_without_memory_ends_the_connection(void **state)
{
	const struct vfio_user_header h = { .cmd = VFIO_USER_DEVICE_RESET, .msg_size = sizeof(h) };

	mallocs_left = 1;
	raw_send(sock, &h, sizeof(h), NULL, 0);
	assert_true(raw_closed(sock));
	mallocs_left = -1;
	wait_until(is_forgotten(&dev));
	assert_string_equal(dev.why, "out of memory");
	assert_int_equal(dev.resets, 0);
}

static unsigned int
replaced_tables(void)
{
	unsigned int n = 0;

	for (const struct vfu_dma_table *t = dev.server->table->older; t != NULL; t = t->older)
		n++;
	assert_int_equal(dev.server->nr_retired, n);
	return n;
}

/* The server keeps at most 15 replaced tables: the sixteenth waits for a grace period. */
static void
replaced_tables_are_freed_in_time(void **state)
{
	const unsigned int before = replaced_tables();

	assert_int_equal(before, PAGES / 2 % 16);
	for (unsigned int i = 1; i <= 40; i++) {
		uint64_t at = (2 * i - 1) * PAGE;

		assert_int_equal(raw_map(sock, mem, at, IOVA + at, PAGE, RW), 0);
		assert_int_equal(replaced_tables(), (before + i) % 16);
	}
	assert_int_equal(raw_unmap(sock, IOVA + PAGE, PAGE), 0);
	assert_int_equal(replaced_tables(), 0);
	assert_int_equal(raw_map(sock, mem, PAGE, IOVA + PAGE, PAGE, RW), 0);
	assert_int_equal(replaced_tables(), 1);
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

/* Connect again, as a client that knows page tables and has one page mapped. */
static void
attach_for_page_table(void)
{
	static const char version[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8,"
				      "\"" VFU_CAP_IO_PAGE_TABLE "\":1}}";

	close(sock);
	wait_until(is_forgotten(&dev));
	sock = raw_connect(dev.path);
	assert_int_equal(raw_command(sock, VFIO_USER_VERSION, version, sizeof(version)), 0);
	assert_int_equal(raw_map(sock, mem, 0, IOVA, PAGE, RW), 0);
}

static void
page_table_without_memory_changes_nothing(void **state)
{
	const struct vfio_user_io_page_table p = { sizeof(p), 0, 0, PAGE / 8 };
	int table = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	assert_int_equal(ftruncate(table, PAGE), 0);
	assert_int_equal(fcntl(table, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	attach_for_page_table();
	for (unsigned int i = 0; i < 2; i++) {
		mallocs_left = i == 0 ? FIRST : -1;
		mmaps_left = i == 1 ? 1 : -1;
		ret = raw_command_fd(sock, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), table);
		mallocs_left = mmaps_left = -1;
		assert_int_equal(ret, ENOMEM);
		assert_int_equal(mappings_of(table), 0);
		assert_int_equal(dev.server->nr_maps, 1);
		assert_int_equal(dev.server->mapped, 0x200000);
		assert_non_null(device_ptr(&dev, IOVA, PAGE, RW));
	}
	assert_int_equal(raw_command_fd(sock, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), table), 0);
	assert_int_equal(mappings_of(table), 1);
	assert_int_equal(dev.server->nr_maps, 2);
	assert_int_equal(dev.server->mapped, 0x200000 + PAGE);
	assert_null(device_ptr(&dev, IOVA, PAGE, RW));
	close(sock);
	wait_until(dev.server->conn == NULL && dev.server->nr_maps == 0);
	assert_int_equal(mappings_of(table), 0);
	assert_int_equal(dev.server->mapped, 0);
	sock = raw_attach(&dev);
	close(table);
}

static int
set_irqs(uint32_t flags, uint32_t count, int efd)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.count = count,
		.flags = flags,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};

	return efd >= 0 ? raw_command_fd(sock, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), efd) :
			  raw_command(sock, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set));
}

#define WIRE (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define STOP (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER) /* with a count of 0 */
#define MASK (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK)

static void
vectors_without_memory_stay_as_they_are(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), changed, before;
	uint64_t n;

	assert_int_equal(set_irqs(WIRE, 1, efd), 0);
	assert_int_equal(set_irqs(MASK, 1, -1), 0);
	changed = dev.irqs_changed;
	before = count_fds();
	for (unsigned int i = 0; i < 2; i++) {
		mallocs_left = FIRST;
		assert_int_equal(i == 0 ? set_irqs(STOP, 0, -1) : set_irqs(WIRE, 1, efd), ENOMEM);
		mallocs_left = -1;
		assert_int_equal(dev.irqs_changed, changed);
		assert_int_equal(count_fds(), before);
		POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
		assert_int_equal(read(efd, &n, 8), -1);
		assert_true(vfu_server_irq_pending(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0));
	}
	assert_int_equal(set_irqs(STOP, 0, -1), 0);
	assert_int_equal(dev.irqs_changed, changed + 1);
	assert_int_equal(count_fds(), before - 1);
	POLLING(assert_false(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
	close(efd);
}

/* A client whose eventfds are wired without a DMA thread gets its interrupts from the others. */
static void
interrupts_without_dma_thread_are_sent(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t n;

	mallocs_left = FIRST;
	assert_int_equal(set_irqs(WIRE, 1, efd), 0);
	assert_int_equal(mallocs_left, 0);
	mallocs_left = -1;
	assert_false(dev.server->async.started);
	POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
	assert_int_equal(read(efd, &n, 8), 8);

	/* Memory without a descriptor requires the thread. */
	mallocs_left = FIRST;
	assert_int_equal(raw_map(sock, -1, 0, 0, PAGE, RW), ENOMEM);
	mallocs_left = -1;
	assert_non_null(strstr(dev.line, "no thread starts for memory without a file descriptor"));
	assert_unchanged();
	assert_int_equal(raw_map(sock, -1, 0, 0, PAGE, RW), 0);
	assert_true(dev.server->async.started);
	close(efd);
}

static int
read_all(void *buf, size_t len)
{
	int ret;

	POLLING(ret = dma_read(dev.server, 0, buf, len));
	return ret;
}

/* An access that cannot be queued, or has no room for the answer, is a fault. */
static void
access_without_memory_is_a_fault(void **state)
{
	struct vfu_server_stats st;
	uint32_t value = 0;

	assert_int_equal(raw_map(sock, -1, 0, 0, PAGE, RW), 0);
	for (uint64_t i = 1; i <= 3; i++) {
		/* The last one fails in the DMA thread. */
		control = i == 3 ? dev.server->async.thread : pthread_self();
		mallocs_left = 1;
		if (i == 1)
			POLLING(assert_int_equal(vfu_dma_write(dev.server, 0, &value, 4), -EFAULT));
		else
			assert_int_equal(read_all(&value, 4), -EFAULT);
		mallocs_left = -1;
		assert_int_equal(device_faults(&dev), i);
		assert_int_equal(vfu_dma_last_fault()->why, VFU_DMA_NO_ANSWER);
		assert_int_equal(vfu_dma_last_fault()->prot, i == 1 ? VFU_DMA_WRITE : VFU_DMA_READ);
		assert_int_equal(vfu_dma_last_fault()->iova, 0);
		vfu_server_get_stats(dev.server, &st);
		assert_int_equal(st.dma_posted, 0);
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
		cmocka_unit_test_setup_teardown(message_without_memory_ends_the_connection, setup,
				teardown),
		cmocka_unit_test_setup_teardown(divided_leaf_without_memory_changes_nothing, setup,
				teardown),
		cmocka_unit_test_setup_teardown(map_without_memory_changes_nothing, setup,
				teardown),
		cmocka_unit_test_setup_teardown(replaced_tables_are_freed_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(unmap_without_memory_changes_nothing, setup,
				teardown),
		cmocka_unit_test_setup_teardown(page_table_without_memory_changes_nothing, setup,
				teardown),
		cmocka_unit_test_setup_teardown(vectors_without_memory_stay_as_they_are, setup,
				teardown),
		cmocka_unit_test_setup_teardown(interrupts_without_dma_thread_are_sent, setup,
				teardown),
		cmocka_unit_test_setup_teardown(access_without_memory_is_a_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupt_without_memory_is_sent, setup, teardown),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_memory", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
