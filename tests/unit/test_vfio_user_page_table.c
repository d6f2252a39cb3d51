/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The I/O page table (vfio_user.h): its negotiation, its command, the memory that the device
 * reaches through it, also if its entries are invalid, and the promise that no access starts
 * after an entry was cleared.
 *
 *    bus address                table (shared by the client)        memory (mapped by DMA_MAP)
 *    BASE + i * PAGE  ------>   entry i: page | READ | WRITE ---->  IOVA + page * PAGE
 *                               the client stores, the server loads
 */

#include <fcntl.h>
#include <pthread.h>

#include <linux/falloc.h>

#include "vfu_rcu.h"
#include "vfu_test.h"
#include "promise_server.h"

#define PAGE   0x1000u
#define BASE   UINT64_C(0x80000000) /* bus address of the table's first page */
#define NR     64u
#define IOVA   UINT64_C(0x5000000) /* at which DMA_MAP maps the memory */
#define SEALED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct device dev;
/* The client's memory, the first half of which is mapped, and its table. */
static int sock, mem_fd, table_fd;
static uint8_t *mem;
static uint64_t *table;

static int
table_file(uint64_t nr, unsigned int flags, int seals)
{
	int fd = memfd_create("page-table", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0)
		return fd;
	assert_int_equal(ftruncate(fd, (off_t)(nr * 8)), 0);
	if (seals != 0)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/**
 * Send VERSION with these capabilities.
 *
 * @param json   receives the capabilities of the reply
 *
 * @return the error number of the reply, or 0
 */
static int
version(int s, const char *caps, char *json, size_t size)
{
	uint8_t req[512] = { 0, 0, 1, 0 }, reply[4096];
	struct vfio_user_header h;
	size_t len;

	strcpy((char *)req + 4, caps);
	h = raw_command_fds(s, VFIO_USER_VERSION, req, 4 + strlen(caps) + 1, NULL, 0, reply, &len);
	if (h.error_no != 0)
		return (int)h.error_no;
	assert_true(len > 4 && len - 4 <= size && reply[len - 1] == '\0');
	memcpy(json, reply + 4, len - 4);
	return 0;
}

static int
attach(void)
{
	int s = raw_connect(dev.path);
	char json[512];

	assert_int_equal(version(s, "{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":1}}", json,
					 sizeof(json)),
			0);
	assert_non_null(strstr(json, "\"" VFU_CAP_IO_PAGE_TABLE "\":1"));
	return s;
}

static int
set_table(int s, int fd, uint64_t base, uint64_t nr)
{
	struct vfio_user_io_page_table p = { sizeof(p), 0, base, nr };

	return raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), fd);
}

static void
memory(void)
{
	mem_fd = memory_file(MEM_SIZE);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (size_t i = 0; i < MEM_SIZE; i++)
		mem[i] = (uint8_t)(i * 7 + (i >> 12));
	table_fd = table_file(NR, 0, SEALED);
	table = mmap(NULL, NR * 8, PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
	assert_ptr_not_equal(table, MAP_FAILED);
}

static void
memory_gone(void)
{
	munmap(mem, MEM_SIZE);
	munmap(table, NR * 8);
	close(mem_fd);
	close(table_fd);
}

/* Connect a client with half of the memory mapped, and an empty page table. */
static int
setup(void **state)
{
	device_start(&dev);
	memory();
	sock = attach();
	assert_int_equal(raw_map(sock, mem_fd, 0, IOVA, MEM_SIZE / 2, RW), 0);
	assert_int_equal(set_table(sock, table_fd, BASE, NR), 0);
	return 0;
}

static int
teardown(void **state)
{
	close(sock);
	wait_until(is_forgotten(&dev));
	memory_gone();
	device_stop(&dev);
	return 0;
}

static int
setup_device(void **state)
{
	device_start(&dev);
	memory();
	return 0;
}

static int
teardown_device(void **state)
{
	memory_gone();
	device_stop(&dev);
	return 0;
}

static void *
ptr(uint64_t iova, size_t len, uint32_t prot)
{
	return device_ptr(&dev, iova, len, prot);
}

static int
get(uint64_t addr, void *buf, size_t len)
{
	int ret;

	POLLING(ret = dma_read(dev.server, addr, buf, len));
	return ret;
}

static int
put(uint64_t addr, const void *buf, size_t len)
{
	int ret;

	POLLING(ret = vfu_dma_write(dev.server, addr, buf, len));
	return ret;
}

/* Assert that the last access failed, at this address, for this reason. */
static void
assert_fault(uint64_t iova, uint32_t prot, enum vfu_dma_why why)
{
	const struct vfu_dma_fault *f = vfu_dma_last_fault();

	assert_int_equal(f->iova, iova);
	assert_int_equal(f->prot, prot);
	assert_int_equal(f->why, why);
	assert_true(strlen(vfu_dma_why_text(f)) > 5);
}

static uint64_t
entry(uint64_t page, uint64_t prot)
{
	return (IOVA + page * PAGE) | prot;
}

/* Negotiation. */

static void
page_table_without_negotiation_is_refused(void **state)
{
	char json[512];
	uint8_t buf[8];
	int s = raw_connect(dev.path);

	/* The reply is the same as before the extension existed. */
	assert_int_equal(version(s, "{\"capabilities\":{}}", json, sizeof(json)), 0);
	assert_string_equal(json,
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}");
	assert_int_equal(set_table(s, table_fd, BASE, NR), EOPNOTSUPP);
	assert_non_null(strstr(dev.line, "not negotiated"));
	assert_int_equal(raw_map(s, mem_fd, 0, IOVA, PAGE, RW), 0);
	assert_int_equal(get(IOVA, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, mem, sizeof(buf));
	close(s);
	wait_until(is_forgotten(&dev));
}

/* A server on which the extension is switched off behaves as if the client had not requested it. */
static void
disabled_page_table_is_not_negotiated(void **state)
{
	struct vfu_server_desc desc;
	char json[512], err[VFU_ERR_LEN];
	int s;

	memset(&dev, 0, sizeof(dev));
	memory();
	dev.bar_fd = memory_file(BAR0_SIZE);
	fill_desc(&desc, dev.bar_fd);
	desc.no_page_table = true;
	test_path(dev.path, sizeof(dev.path));
	if (vfu_server_start(dev.path, &desc, &dev_ops, &dev, &dev.server, err) != 0)
		fail_msg("%s", err);
	s = raw_connect(dev.path);
	assert_int_equal(version(s, "{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":1}}", json,
					 sizeof(json)),
			0);
	assert_string_equal(json,
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}");
	assert_int_equal(set_table(s, table_fd, BASE, NR), EOPNOTSUPP);
	close(s);
	wait_until(is_forgotten(&dev));
	device_stop(&dev);
	memory_gone();
}

static void
page_table_version_is_negotiated_or_refused(void **state)
{
	static const char *const bad[] = { "0", "-1", "true", "\"1\"", "1.5", "null", "[1]", "{}" };
	char caps[100], json[512];
	int s;

	/* A later version of the extension: the server answers with the version that it knows. */
	s = raw_connect(dev.path);
	assert_int_equal(version(s, "{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":7}}", json,
					 sizeof(json)),
			0);
	assert_non_null(strstr(json, "\"" VFU_CAP_IO_PAGE_TABLE "\":1"));
	assert_int_equal(set_table(s, table_fd, BASE, NR), 0);
	close(s);
	wait_until(is_forgotten(&dev));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s = raw_connect(dev.path);
		snprintf(caps, sizeof(caps), "{\"capabilities\":{\"%s\":%s}}",
				VFU_CAP_IO_PAGE_TABLE, bad[i]);
		assert_int_equal(version(s, caps, json, sizeof(json)), EINVAL);
		assert_true(raw_closed(s));
		close(s);
	}
}

/* A server without the extension: the client reports that, and sends no command of it. */
static void *
plain_server(void *arg)
{
	static const char reply[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}";
	int s = accept(*(int *)arg, NULL, NULL);
	struct vfio_user_header h;
	uint8_t in[600];

	assert_true(raw_recv(s, &h, sizeof(h), NULL));
	assert_true(raw_recv(s, in, h.msg_size - sizeof(h), NULL));
	assert_non_null(strstr((char *)in + 4, VFU_CAP_IO_PAGE_TABLE));
	h.flags = VFIO_USER_F_TYPE_REPLY;
	h.msg_size = sizeof(h) + sizeof(reply);
	raw_send(s, &h, sizeof(h), NULL, 0);
	raw_send(s, reply, sizeof(reply), NULL, 0);
	assert_int_equal(recv(s, in, 1, 0), 0); /* nothing more arrives */
	close(s);
	return NULL;
}

static void
client_reports_server_without_page_table(void **state)
{
	struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char path[100], err[VFU_ERR_LEN];
	struct vfu_client *c;
	pthread_t thread;

	test_path(path, sizeof(path));
	strcpy(sa.sun_path, path);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pthread_create(&thread, NULL, plain_server, &listener);
	if (vfu_client_connect(path, &params, &c, err) != 0)
		fail_msg("%s", err);
	assert_int_equal(vfu_client_page_table(c, table_fd, BASE, NR), -EOPNOTSUPP);
	assert_true(vfu_client_alive(c));
	vfu_client_close(c);
	pthread_join(thread, NULL);
	close(listener);
	unlink(path);
}

/* The command. */

static void
invalid_page_table_messages_change_nothing(void **state)
{
	struct vfio_user_io_page_table p = { sizeof(p), 0, BASE, NR };
	int s = attach(), two[2] = { table_fd, table_fd }, other;
	char path[40];
	uint8_t buf[8];

	assert_int_equal(raw_map(s, mem_fd, 0, IOVA, PAGE, RW), 0);
	/* Length. */
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, 0, table_fd), EINVAL);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p) - 1, table_fd),
			EINVAL);
	p.argsz = sizeof(p) - 1;
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), table_fd),
			EINVAL);
	p.argsz = sizeof(p);
	/* Flags. */
	p.flags = 1;
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), table_fd),
			EINVAL);
	assert_non_null(strstr(dev.line, "flags"));
	p.flags = 0;
	/* Descriptors. */
	assert_int_equal(raw_command(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p)), EINVAL);
	assert_int_equal(raw_command_fds(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), two, 2, NULL,
					 NULL)
					 .error_no,
			EINVAL);
	assert_non_null(strstr(dev.line, "one file descriptor"));
	/* Numbers. */
	assert_int_equal(set_table(s, table_fd, BASE + 8, NR), EINVAL);
	assert_int_equal(set_table(s, table_fd, BASE, 0), EINVAL);
	close(s);
	wait_until(is_forgotten(&dev));
	s = attach(); /* a fresh client, whose refusals are still reported */
	assert_int_equal(raw_map(s, mem_fd, 0, IOVA, PAGE, RW), 0);
	assert_int_equal(set_table(s, table_fd, BASE, UINT64_MAX), EINVAL);
	assert_int_equal(set_table(s, table_fd, BASE, UINT64_C(1) << 61), EINVAL);
	other = table_file(VFU_MAX_PTES + 1, 0, SEALED);
	assert_int_equal(set_table(s, other, BASE, VFU_MAX_PTES + 1), EINVAL);
	close(other);
	assert_int_equal(set_table(s, table_fd, 0 - (uint64_t)(NR - 1) * PAGE, NR), EINVAL);
	/* Files: short, unsealed, with other seals, of huge pages, or no memory. */
	other = memory_file(PAGE);
	assert_int_equal(set_table(s, other, BASE, NR), EINVAL);
	assert_non_null(strstr(dev.line, "sealed"));
	close(other);
	other = table_file(NR, 0, F_SEAL_GROW);
	assert_int_equal(set_table(s, other, BASE, NR), EINVAL);
	close(other);
	other = table_file(NR - 1, 0, SEALED);
	assert_int_equal(set_table(s, other, BASE, NR), EINVAL);
	assert_non_null(strstr(dev.line, "room"));
	close(other);
	other = table_file(1 << 18, MFD_HUGETLB, SEALED);
	if (other >= 0) {
		assert_int_equal(set_table(s, other, BASE, NR), EINVAL);
		close(other);
	}
	close(s);
	wait_until(is_forgotten(&dev));
	s = attach();
	assert_int_equal(raw_map(s, mem_fd, 0, IOVA, PAGE, RW), 0);
	assert_int_equal(set_table(s, s, BASE, NR), EINVAL);
	other = open("/", O_RDONLY | O_DIRECTORY);
	assert_int_equal(set_table(s, other, BASE, NR), EINVAL);
	close(other);
	/* None of these has changed anything. */
	assert_int_equal(get(IOVA, buf, sizeof(buf)), 0);
	/* The server needs read access only. A second table is refused. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", table_fd);
	other = open(path, O_RDONLY);
	assert_int_equal(set_table(s, other, BASE, NR), 0);
	close(other);
	assert_int_equal(set_table(s, table_fd, BASE, NR), EEXIST);
	assert_int_equal(get(IOVA, buf, sizeof(buf)), -EFAULT);
	close(s);
	wait_until(is_forgotten(&dev));
}

/* The largest table, at the end of the address space. */
static void
largest_table_at_the_end_of_the_address_space_translates(void **state)
{
	int s = attach(), big = table_file(VFU_MAX_PTES, 0, SEALED), before = count_fds();
	const uint64_t base = 0 - (uint64_t)VFU_MAX_PTES * PAGE;
	uint64_t *t = mmap(NULL, VFU_MAX_PTES * 8ul, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, big, 0);
	struct vfu_server_stats st;
	uint8_t buf[2];

	assert_int_equal(raw_map(s, mem_fd, 0, IOVA, PAGE, RW), 0);
	assert_int_equal(set_table(s, big, base, VFU_MAX_PTES), 0);
	wait_until(count_fds() <= before); /* none remains open */
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.ptes, VFU_MAX_PTES);
	t[VFU_MAX_PTES - 1] = entry(0, RW);
	assert_int_equal(get(UINT64_MAX, buf, 1), 0);
	assert_int_equal(buf[0], mem[PAGE - 1]);
	assert_int_equal(get(UINT64_MAX, buf, 2), -EFAULT);
	assert_null(ptr(UINT64_MAX, 2, VFU_DMA_READ));
	assert_null(ptr(base, SIZE_MAX, VFU_DMA_READ));
	assert_int_equal(get(base - 1, buf, 1), -EFAULT);
	assert_fault(base - 1, VFU_DMA_READ, VFU_DMA_NO_ENTRY);
	assert_int_equal(get(base, buf, 1), -EFAULT);
	t[0] = entry(0, RW);
	assert_int_equal(get(base, buf, 1), 0);
	munmap(t, VFU_MAX_PTES * 8ul);
	close(big);
	close(s);
	wait_until(is_forgotten(&dev));
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.ptes, 0);
}

/* Memory that the device reaches. */

static void
entry_and_mapping_must_both_permit_an_access(void **state)
{
	uint64_t before = device_faults(&dev);
	uint8_t b = 0;

	POLLING(assert_true(vfu_dma_paged(dev.server)));
	for (uint64_t bits = 0; bits < PAGE; bits++) { /* bits above 1 have no meaning */
		bool r = bits & VFU_PTE_READ, w = bits & VFU_PTE_WRITE;

		table[3] = entry(5, bits);
		assert_true((ptr(BASE + 3 * PAGE + 17, 1, VFU_DMA_READ) != NULL) == r);
		assert_true((ptr(BASE + 3 * PAGE + 17, 1, VFU_DMA_WRITE) != NULL) == w);
		assert_true((ptr(BASE + 3 * PAGE + 17, 1, RW) != NULL) == (r && w));
		assert_true((get(BASE + 3 * PAGE + 17, &b, 1) == 0) == r);
		if (!r)
			assert_fault(BASE + 3 * PAGE + 17, VFU_DMA_READ,
					w ? VFU_DMA_ENTRY_FORBIDS : VFU_DMA_NO_ENTRY);
		b = (uint8_t)bits;
		assert_true((put(BASE + 3 * PAGE + 17, &b, 1) == 0) == w);
		if (!w)
			assert_fault(BASE + 3 * PAGE + 17, VFU_DMA_WRITE,
					r ? VFU_DMA_ENTRY_FORBIDS : VFU_DMA_NO_ENTRY);
		else
			assert_int_equal(mem[5 * PAGE + 17], b);
	}
	/* A pointer that does not exist is not counted as a fault. */
	assert_int_equal(device_faults(&dev) - before, PAGE / 2 * 2);

	/* The permission of DMA_MAP also counts. */
	assert_int_equal(raw_map(sock, mem_fd, MEM_SIZE / 2, 0x1000, PAGE, VFU_DMA_READ), 0);
	assert_int_equal(raw_map(sock, mem_fd, MEM_SIZE / 2, 0x2000, PAGE, VFU_DMA_WRITE), 0);
	table[3] = 0x1000 | RW;
	assert_non_null(ptr(BASE + 3 * PAGE, 1, VFU_DMA_READ));
	assert_null(ptr(BASE + 3 * PAGE, 1, VFU_DMA_WRITE));
	assert_int_equal(put(BASE + 3 * PAGE, &b, 1), -EFAULT);
	assert_fault(BASE + 3 * PAGE, VFU_DMA_WRITE, VFU_DMA_NOT_PERMITTED);
	table[3] = 0x2000 | RW;
	assert_int_equal(get(BASE + 3 * PAGE, &b, 1), -EFAULT);
	assert_fault(BASE + 3 * PAGE, VFU_DMA_READ, VFU_DMA_NOT_PERMITTED);
	assert_int_equal(put(BASE + 3 * PAGE, &b, 1), 0);
	table[3] = 0x9000 | RW;
	assert_int_equal(get(BASE + 3 * PAGE, &b, 1), -EFAULT);
	assert_fault(BASE + 3 * PAGE, VFU_DMA_READ, VFU_DMA_NOT_MAPPED);
	/* The memory's own address is no longer valid. */
	assert_int_equal(get(IOVA, &b, 1), -EFAULT);
	assert_fault(IOVA, VFU_DMA_READ, VFU_DMA_NO_ENTRY);
}

static void
ranges_are_split_at_pages_that_are_not_adjacent(void **state)
{
	uint8_t buf[3 * PAGE], want[3 * PAGE];

	/* Adjacent by bus address and in memory: one piece. */
	table[10] = entry(20, RW);
	table[11] = entry(21, RW);
	table[12] = entry(22, RW);
	assert_ptr_equal(ptr(BASE + 10 * PAGE + 5, 2 * PAGE + 9, RW),
			(uint8_t *)ptr(BASE + 10 * PAGE, 1, RW) + 5);
	/* Adjacent by bus address, not in memory: two pieces, and no pointer. */
	table[11] = entry(7, RW);
	assert_null(ptr(BASE + 10 * PAGE + PAGE - 1, 2, RW));
	assert_non_null(ptr(BASE + 10 * PAGE, PAGE, RW));
	assert_int_equal(get(BASE + 10 * PAGE + 100, buf, 2 * PAGE), 0);
	memcpy(want, mem + 20 * PAGE + 100, PAGE - 100);
	memcpy(want + PAGE - 100, mem + 7 * PAGE, PAGE);
	memcpy(want + 2 * PAGE - 100, mem + 22 * PAGE, 100);
	assert_memory_equal(buf, want, 2 * PAGE);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 3);
	assert_int_equal(put(BASE + 10 * PAGE, buf, sizeof(buf)), 0);
	assert_memory_equal(mem + 20 * PAGE, buf, PAGE);
	assert_memory_equal(mem + 7 * PAGE, buf + PAGE, PAGE);
	assert_memory_equal(mem + 22 * PAGE, buf + 2 * PAGE, PAGE);
	assert_int_equal(mem[21 * PAGE], (uint8_t)(21 * PAGE * 7 + 21)); /* no longer mapped */
	/*
	 * A hole in the middle: the device may have written before the hole, but never behind
	 * it.
	 */
	table[11] = 0;
	memset(want, 0xee, sizeof(want));
	assert_int_equal(put(BASE + 10 * PAGE, want, sizeof(want)), -EFAULT);
	assert_fault(BASE + 11 * PAGE, VFU_DMA_WRITE, VFU_DMA_NO_ENTRY);
	assert_memory_equal(mem + 22 * PAGE, buf + 2 * PAGE, PAGE);
	assert_int_equal(get(BASE + 10 * PAGE + 10, buf, 2 * PAGE), -EFAULT);
	/* One page at two bus addresses; one of them is revoked. */
	table[30] = entry(9, RW);
	table[31] = entry(9, VFU_PTE_READ);
	assert_int_equal(put(BASE + 30 * PAGE, "both", 5), 0);
	assert_int_equal(get(BASE + 31 * PAGE, buf, 5), 0);
	assert_string_equal((char *)buf, "both");
	table[30] = 0;
	assert_int_equal(get(BASE + 30 * PAGE, buf, 5), -EFAULT);
	assert_int_equal(get(BASE + 31 * PAGE, buf, 5), 0);
	/* Adjacent by bus address and in memory, but from two DMA_MAPs. */
	assert_int_equal(raw_map(sock, mem_fd, MEM_SIZE / 2, IOVA + MEM_SIZE / 2, PAGE, RW), 0);
	table[40] = entry(MEM_SIZE / 2 / PAGE - 1, RW);
	table[41] = entry(MEM_SIZE / 2 / PAGE, RW);
	assert_null(ptr(BASE + 41 * PAGE - 4, 8, RW));
	assert_int_equal(get(BASE + 41 * PAGE - 4, buf, 8), 0);
	assert_memory_equal(buf, mem + MEM_SIZE / 2 - 4, 8);
	/* The last entry, and the page behind it. */
	table[NR - 1] = entry(1, RW);
	assert_int_equal(get(BASE + NR * PAGE - 1, buf, 1), 0);
	assert_int_equal(get(BASE + NR * PAGE - 1, buf, 2), -EFAULT);
	assert_fault(BASE + NR * PAGE, VFU_DMA_READ, VFU_DMA_NO_ENTRY);
	assert_null(ptr(BASE + NR * PAGE - 1, 2, VFU_DMA_READ));
	assert_int_equal(get(BASE - 1, buf, 1), -EFAULT);
	assert_int_equal(get(BASE, buf, 0), 0);
	assert_null(ptr(BASE + NR * PAGE - 1, 0, VFU_DMA_READ));
	assert_null(ptr(BASE + NR * PAGE - 1, SIZE_MAX, VFU_DMA_READ));
}

/* DMA_MAP and DMA_UNMAP of memory to which a table leads. */
static void
entries_follow_dma_map_and_unmap(void **state)
{
	struct vfio_user_dma_unmap all = { sizeof(all), VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 };
	uint8_t b;

	table[0] = entry(2, RW);
	assert_int_equal(get(BASE, &b, 1), 0);
	assert_int_equal(raw_unmap(sock, IOVA, MEM_SIZE / 2), 0);
	assert_int_equal(get(BASE, &b, 1), -EFAULT);
	assert_fault(BASE, VFU_DMA_READ, VFU_DMA_NOT_MAPPED);
	assert_int_equal(raw_map(sock, mem_fd, 0, IOVA, 4 * PAGE, RW), 0);
	assert_int_equal(get(BASE, &b, 1), 0);
	assert_int_equal(b, mem[2 * PAGE]);
	/* DMA_UNMAP of everything, and a reset: the table remains. */
	assert_int_equal(raw_command(sock, VFIO_USER_DMA_UNMAP, &all, sizeof(all)), 0);
	assert_int_equal(get(BASE, &b, 1), -EFAULT);
	assert_int_equal(raw_map(sock, mem_fd, 0, IOVA, 4 * PAGE, RW), 0);
	assert_int_equal(raw_command(sock, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(get(IOVA, &b, 1), -EFAULT);
	assert_int_equal(get(BASE, &b, 1), 0);
}

/**
 * Find the server's mapping of the table.
 *
 * @return its address, or NULL: the server has none
 */
static void *
server_table(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	void *found = NULL;
	char line[400];

	while (fgets(line, sizeof(line), f) != NULL) {
		void *at = (void *)strtoul(line, NULL, 16);

		if (strstr(line, "page-table") != NULL && at != table) /* not the client's own */
			found = at;
	}
	fclose(f);
	return found;
}

/* The table ends with its client. The next client has none, even if it maps the same memory. */
static void
table_ends_with_its_client(void **state)
{
	uint8_t b;

	table[0] = entry(2, RW);
	assert_non_null(server_table());
	for (unsigned int i = 0; i < 3; i++) {
		close(sock);
		wait_until(is_forgotten(&dev));
		wait_until(server_table() == NULL);
		assert_int_equal(get(BASE, &b, 1), -EFAULT);
		assert_fault(BASE, VFU_DMA_READ, VFU_DMA_NOT_MAPPED);
		sock = attach();
		assert_int_equal(raw_map(sock, mem_fd, 0, IOVA, MEM_SIZE / 2, RW), 0);
		POLLING(assert_false(vfu_dma_paged(dev.server)));
		assert_int_equal(get(IOVA, &b, 1), 0);
		assert_int_equal(get(BASE, &b, 1), -EFAULT);
		assert_int_equal(set_table(sock, table_fd, BASE, NR), 0);
		assert_int_equal(get(IOVA, &b, 1), -EFAULT);
		assert_int_equal(get(BASE, &b, 1), 0);
	}
}

/* Nothing can shorten the table. A hole in it is an empty table. */
static void
table_cannot_shrink_and_a_hole_is_empty(void **state)
{
	uint8_t b;

	table[0] = entry(2, RW);
	assert_int_equal(get(BASE, &b, 1), 0);
	assert_int_equal(ftruncate(table_fd, 0), -1);
	assert_int_equal(ftruncate(table_fd, 8), -1);
	assert_int_equal(get(BASE, &b, 1), 0);
	assert_int_equal(fallocate(table_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE),
			0);
	assert_int_equal(get(BASE, &b, 1), -EFAULT);
	assert_fault(BASE, VFU_DMA_READ, VFU_DMA_NO_ENTRY);
	assert_false(vfu_server_dma_poisoned(dev.server));
	assert_int_equal(table[0], 0);
	table[0] = entry(2, RW);
	assert_int_equal(get(BASE, &b, 1), 0);
}

/*
 * If the kernel nevertheless provides no page for the table (here the test replaces the mapping
 * by one of an empty file), the table is empty from then on, and the server drops the client.
 */
static void
missing_table_page_drops_the_client(void **state)
{
	int empty;
	uint8_t b;

	setup(state); /* here, because cmocka handles SIGBUS when a test begins */
	table[0] = entry(2, RW);
	assert_int_equal(get(BASE, &b, 1), 0);
	empty = memory_file(0);
	assert_ptr_not_equal(mmap(server_table(), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, empty,
					     0),
			MAP_FAILED);
	assert_int_equal(get(BASE, &b, 1), -EFAULT);
	wait_until(is_forgotten(&dev));
	assert_non_null(strstr(dev.why, "truncated"));
	assert_true(raw_closed(sock));
	close(empty);
	teardown(state);
}

/* Memory without a descriptor behind the table: by message, page by page. */
static uint8_t own[4 * PAGE];

static int
own_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	assert_true(iova >= 0x10000 && iova + len <= 0x10000 + sizeof(own));
	memcpy(buf, own + (iova - 0x10000), len);
	return 0;
}

static int
own_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	assert_true(iova >= 0x10000 && iova + len <= 0x10000 + sizeof(own));
	memcpy(own + (iova - 0x10000), buf, len);
	return 0;
}

static void
paged_memory_without_descriptor_is_accessed_by_message(void **state)
{
	struct vfu_client_params params = {
		.dma_read = own_read,
		.dma_write = own_write,
		.timeout_ms = SOON_MS,
	};
	char err[VFU_ERR_LEN];
	uint8_t buf[2 * PAGE];
	struct vfu_client *c;

	if (vfu_client_connect(dev.path, &params, &c, err) != 0)
		fail_msg("%s", err);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x10000, sizeof(own), RW), 0);
	assert_int_equal(vfu_client_page_table(c, table_fd, BASE, NR), 0);
	assert_int_equal(vfu_client_page_table(c, table_fd, BASE, NR), -EEXIST);
	for (size_t i = 0; i < sizeof(own); i++)
		own[i] = (uint8_t)(i ^ (i >> 8));
	table[0] = (0x10000 + 3 * PAGE) | RW;
	table[1] = (0x10000 + 1 * PAGE) | RW;
	assert_null(ptr(BASE, 1, VFU_DMA_READ));
	assert_int_equal(get(BASE + 50, buf, PAGE), 0);
	assert_memory_equal(buf, own + 3 * PAGE + 50, PAGE - 50);
	assert_memory_equal(buf + PAGE - 50, own + PAGE, 50);
	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(put(BASE + PAGE - 1, buf, 2), 0);
	vfu_dma_wait(dev.server);
	assert_int_equal(own[4 * PAGE - 1], 0x77);
	assert_int_equal(own[PAGE], 0x77);
	table[1] = 0;
	assert_int_equal(get(BASE + 50, buf, PAGE), -EFAULT);
	vfu_client_close(c);
	wait_until(is_forgotten(&dev));
	memset(table, 0, NR * 8);
}

/*
 * A hostile client: the table holds anything, and changes all the time. The device must reach
 * nothing but the first half of the memory, and may write only to pages that were mapped for
 * writing.
 */

static atomic_bool stop;
static atomic_ulong reached;

static uint64_t
random_number(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed ^ (*seed >> 29);
}

static void *
wild_device(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	uint8_t buf[3 * PAGE];

	memset(buf, 0x5a, sizeof(buf));
	vfu_rcu_register();
	while (!stop) {
		for (unsigned int i = 0; i < 32; i++) {
			uint64_t r = random_number(&seed);
			uint64_t at = BASE - PAGE + r % ((NR + 2) * PAGE);
			size_t len = 1 + (r >> 32) % sizeof(buf);
			volatile uint8_t *p = vfu_dma_ptr(dev.server, at, len, VFU_DMA_WRITE);

			if (p != NULL) {
				p[0] = p[len - 1] = 0x5a;
				reached++;
			}
			p = vfu_dma_ptr(dev.server, at, len, VFU_DMA_READ);
			if (p != NULL)
				buf[0] = p[0] ^ p[0] ^ p[len - 1] ^ p[len - 1] ^ 0x5a;
			buf[0] = 0x5a;
			if (vfu_dma_write(dev.server, at, buf, len) == 0)
				reached++;
			dma_read(dev.server, at, buf, len);
			memset(buf, 0x5a, sizeof(buf));
		}
		vfu_rcu_quiescent();
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
random_entries_reach_mapped_memory_only(void **state)
{
	const size_t half = MEM_SIZE / 2;
	uint8_t *copy = malloc(MEM_SIZE);
	pthread_t threads[2];
	uint64_t seed = 4711;
	uint32_t n;

	/* One page of the mapped half is read-only. The other half is not mapped. */
	assert_int_equal(raw_unmap(sock, IOVA, half), 0);
	assert_int_equal(raw_map(sock, mem_fd, 0, IOVA, PAGE, VFU_DMA_READ), 0);
	assert_int_equal(raw_map(sock, mem_fd, PAGE, IOVA + PAGE, half - PAGE, RW), 0);
	memcpy(copy, mem, MEM_SIZE);
	stop = false;
	reached = 0;
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, wild_device, (void *)(i + 1));
	for (n = 0; n < 2000000 || reached < 1000; n++) {
		uint64_t r = random_number(&seed), e = random_number(&seed);

		switch (r >> 61) {
		case 0:
			e = 0;
			break;
		case 1: /* anything */
			break;
		case 2: /* the ends of the address space */
			e = (r & 1 ? UINT64_MAX : 0) ^ (e & 0x1fff);
			break;
		case 3: /* the table's own bus addresses */
			e = BASE + e % (NR * PAGE);
			break;
		default: /* the memory, and some pages before and behind it */
			e = IOVA - 4 * PAGE + e % (MEM_SIZE + 8 * PAGE);
			break;
		}
		__atomic_store_n(&table[r % NR], e, __ATOMIC_RELAXED);
	}
	stop = true;
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(reached > 0);
	assert_memory_equal(mem, copy, PAGE);
	assert_memory_equal(mem + half, copy + half, MEM_SIZE - half);
	assert_false(vfu_server_dma_poisoned(dev.server));
	assert_int_equal(dev.detached + 1, dev.attached);
	/* The table then works again. */
	memset(table, 0, NR * 8);
	table[1] = entry(1, RW);
	assert_int_equal(put(BASE + PAGE, "fine", 5), 0);
	assert_string_equal((char *)mem + PAGE, "fine");
	free(copy);
}

/* Once an entry is cleared, and a locked instruction has been executed, no access starts. */

static uint64_t
set_entry(void *arg, unsigned int i)
{
	__atomic_store_n(&table[i], entry(3 + i, RW), __ATOMIC_RELEASE);
	return BASE + i * PAGE;
}

static void
clear_entries(void *arg, const uint64_t *addr, unsigned int nr)
{
	while (nr-- > 0)
		__atomic_store_n(&table[nr], 0, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_seq_cst);
}

static void
no_access_starts_after_an_entry_is_cleared(void **state)
{
	struct promise p = {
		PROMISE_OF_SERVER(dev.server),
		.map = set_entry,
		.unmap = clear_entries,
	};

	for (unsigned int i = 0; i < 8; i++)
		p.memory[i] = (uint64_t *)(void *)(mem + (3 + i) * PAGE);
	p.nr = 1;
	promise_test(&p, 2000);
	p.nr = 8;
	promise_test(&p, 2000);
}

int
main(void)
{
	int ret;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define D(f) cmocka_unit_test_setup_teardown(f, setup_device, teardown_device)
	const struct CMUnitTest tests[] = {
		D(page_table_without_negotiation_is_refused),
		cmocka_unit_test(disabled_page_table_is_not_negotiated),
		D(page_table_version_is_negotiated_or_refused),
		D(client_reports_server_without_page_table),
		D(invalid_page_table_messages_change_nothing),
		D(largest_table_at_the_end_of_the_address_space_translates),
		T(entry_and_mapping_must_both_permit_an_access),
		T(ranges_are_split_at_pages_that_are_not_adjacent),
		T(entries_follow_dma_map_and_unmap),
		T(table_ends_with_its_client),
		T(table_cannot_shrink_and_a_hole_is_empty),
		cmocka_unit_test(missing_table_page_drops_the_client),
		D(paged_memory_without_descriptor_is_accessed_by_message),
		T(random_entries_reach_mapped_memory_only),
		T(no_access_starts_after_an_entry_is_cleared),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_page_table", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
