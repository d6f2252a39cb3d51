/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mutated messages, from a fixed seed: valid conversations in which bytes, lengths and
 * descriptors change. Nothing may crash, hang or leak, and afterwards the component must serve
 * a correct peer as if nothing had happened.
 */

#include <fcntl.h>
#include <pthread.h>

#include "vfu_rcu.h"
#include "vfu_test.h"

#define SERVER_ROUNDS 600
#define CLIENT_ROUNDS 400
#define TABLE_NR      64 /* entries of the page table */

static uint64_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return n == 0 ? 0 : (uint32_t)(seed >> 33) % n;
}

/* Values at which errors are likely. */
static uint64_t
odd_number(void)
{
	static const uint64_t n[] = { 0, 1, 3, 7, 8, 15, 16, 255, 256, 4095, 4096, 65535, 65536,
		0x1ffff, 0x20000, 1u << 20, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX,
		UINT64_MAX - 4095 };

	return n[rnd(sizeof(n) / sizeof(n[0]))];
}

static void
mutate(uint8_t *buf, size_t len)
{
	for (unsigned int n = rnd(4); n > 0 && len > 0; n--) {
		uint64_t v = odd_number();
		size_t width = (size_t)1 << rnd(4), at = rnd((uint32_t)len);

		if (rnd(2) == 0)
			buf[at] ^= (uint8_t)(1u << rnd(8));
		else if (at + width <= len)
			memcpy(buf + (at & ~(width - 1)), &v, width);
	}
}

/**
 * Write a valid command of some kind.
 *
 * @return its length, bytes
 */
static size_t
some_command(uint8_t *buf)
{
	struct vfio_user_header h = { .msg_id = (uint16_t)rnd(65536) };
	uint64_t page = (uint64_t)rnd(16) * 4096;
	union {
		struct vfio_user_dma_map map;
		struct vfio_user_dma_unmap unmap;
		struct vfio_user_io_page_table table;
		struct vfio_user_device_info info;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
		struct vfio_irq_set set;
		uint8_t bytes[128];
	} p;
	struct vfio_user_region_access a = { rnd(0x20000), rnd(9), rnd(16) };
	uint64_t one = 1;
	size_t len = 0;

	memset(&p, 0, sizeof(p));
	h.cmd = (uint16_t)(1 + rnd(17));
	if (h.cmd == 17)
		h.cmd = VFIO_USER_IO_PAGE_TABLE;
	switch (h.cmd) {
	case VFIO_USER_VERSION:
		memcpy(p.bytes, "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}", 39);
		len = 39;
		break;
	case VFIO_USER_DMA_MAP:
		p.map = (struct vfio_user_dma_map){ 32, 1 + rnd(3), page, (uint64_t)rnd(64) * 4096,
			4096 * (1 + rnd(4)) };
		len = sizeof(p.map);
		break;
	case VFIO_USER_DMA_UNMAP:
		p.unmap = (struct vfio_user_dma_unmap){ 24, 0, (uint64_t)rnd(64) * 4096,
			4096 * (1 + rnd(64)) };
		if (rnd(8) == 0)
			p.unmap = (struct vfio_user_dma_unmap){ 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 };
		len = sizeof(p.unmap);
		break;
	case VFIO_USER_IO_PAGE_TABLE:
		p.table = (struct vfio_user_io_page_table){ 24, 0, (uint64_t)rnd(4) * 4096,
			1 + rnd(TABLE_NR + 2) };
		len = sizeof(p.table);
		break;
	case VFIO_USER_DEVICE_GET_INFO:
		p.info.argsz = 16;
		len = sizeof(p.info);
		break;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		p.region.argsz = 32 + rnd(100);
		p.region.index = rnd(10);
		len = sizeof(p.region);
		break;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		p.irq.argsz = 16;
		p.irq.index = rnd(6);
		len = sizeof(p.irq);
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		p.set.argsz = 20;
		p.set.flags = (1u << rnd(3)) | (8u << rnd(3));
		p.set.index = rnd(5);
		p.set.start = rnd(4);
		p.set.count = rnd(4);
		len = sizeof(p.set) + (p.set.flags & VFIO_IRQ_SET_DATA_BOOL ? p.set.count : 0);
		break;
	case VFIO_USER_REGION_READ:
		memcpy(p.bytes, &a, sizeof(a));
		len = sizeof(a);
		break;
	case VFIO_USER_REGION_WRITE:
		memcpy(p.bytes, &a, sizeof(a));
		len = sizeof(a) + a.count;
		break;
	case VFIO_USER_REGION_WRITE_MULTI:
		memcpy(p.bytes, &one, 8);
		a.count = rnd(9);
		memcpy(p.bytes + 8, &a, sizeof(a));
		len = 8 + 24;
		break;
	default:
		len = rnd(64);
		break;
	}
	h.flags = rnd(8) == 0 ? VFIO_USER_F_NO_REPLY : 0;
	h.msg_size = (uint32_t)(sizeof(h) + len);
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), p.bytes, len);
	return sizeof(h) + len;
}

/* All messages of the server to the client of this round. */
static struct {
	uint8_t bytes[1 << 20];
	size_t len;
} sent;

static void
drain(int s, int flags)
{
	ssize_t n;

	while ((n = recv(s, sent.bytes + sent.len, sizeof(sent.bytes) - sent.len, flags)) > 0)
		sent.len += (size_t)n;
}

/* Count the I/O page tables that the server has accepted in this round. */
static unsigned int
accepted_tables(void)
{
	struct vfio_user_header h;
	unsigned int n = 0;

	for (size_t at = 0; at + sizeof(h) <= sent.len; at += h.msg_size) {
		memcpy(&h, sent.bytes + at, sizeof(h));
		assert_true(h.msg_size >= sizeof(h));
		n += h.cmd == VFIO_USER_IO_PAGE_TABLE && h.flags == VFIO_USER_F_TYPE_REPLY;
	}
	return n;
}

static struct device dev;
static atomic_bool stop_polling;

/* The data path in the meantime: access every page that is mapped. */
static void *
poll_thread(void *arg)
{
	uint8_t buf[256] = { 0 };
	uint64_t at = 0;

	vfu_rcu_register();
	while (!stop_polling) {
		volatile uint8_t *p = vfu_dma_ptr(dev.server, at * 4096, 64, VFU_DMA_READ);

		if (p != NULL)
			buf[0] = p[63];
		/*
		 * Accesses to memory without a descriptor take as long as the client needs: not
		 * every time.
		 */
		if (p != NULL || at % 64 == 5)
			vfu_dma_write(dev.server, at * 4096 + 4000, buf, sizeof(buf));
		vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, at % 25);
		at = (at + 1) % 70;
		vfu_rcu_quiescent();
		if (at == 0) {
			vfu_rcu_offline();
			usleep(100);
			vfu_rcu_online();
		}
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
mutated_messages_do_not_harm_the_server(void **state)
{
	int mem, event, table, before = count_fds();
	unsigned int tables = 0;
	uint64_t *entries;
	struct vfu_client_params params = { 0 };
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	pthread_t poller;
	uint32_t v;

	seed = 20260801;
	device_start(&dev);
	mem = memory_file(16 * 4096);
	event = eventfd(0, EFD_NONBLOCK);
	table = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(table, TABLE_NR * 8), 0);
	assert_int_equal(fcntl(table, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	entries = mmap(NULL, TABLE_NR * 8, PROT_READ | PROT_WRITE, MAP_SHARED, table, 0);
	pthread_create(&poller, NULL, poll_thread, NULL);
	for (unsigned int round = 0; round < SERVER_ROUNDS; round++) {
		int s = raw_connect(dev.path);

		if (rnd(8) != 0) {
			static const char version[] = "\1\0\1\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\1";
			char asking[] = "\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0"
					"{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":1}}";

			asking[4] = sizeof(asking); /* msg_size in the header */
			if (rnd(2) == 0)
				raw_send(s, version, 20, NULL, 0);
			else
				raw_send(s, asking, sizeof(asking), NULL, 0);
		}
		for (unsigned int n = 0; n < 40; n++) {
			const int files[3] = { mem, event, table };
			int fds[3] = { files[rnd(3)], mem, event };
			uint8_t buf[256];
			size_t len = some_command(buf);
			unsigned int nr_fds = rnd(3) == 0 ? 1 + rnd(3) : 0;

			entries[rnd(TABLE_NR)] = odd_number() ^ (uint64_t)rnd(70 * 4096);
			if (((struct vfio_user_header *)buf)->cmd == VFIO_USER_IO_PAGE_TABLE &&
					rnd(2) == 0) {
				fds[0] = table;
				nr_fds = 1;
			}
			if (rnd(3) == 0)
				mutate(buf + 16, len - 16);
			if (rnd(20) == 0)
				mutate(buf, 16);
			if (rnd(30) == 0)
				len = 1 + rnd((uint32_t)len);
			if (send_fds(s, buf, len, fds, nr_fds, MSG_DONTWAIT) < 0)
				break;
			drain(s, MSG_DONTWAIT);
		}
		/* The server answers what it has received, and closes its end. */
		shutdown(s, SHUT_WR);
		drain(s, 0);
		tables += accepted_tables();
		sent.len = 0;
		close(s);
	}
	print_message("    %u tables\n", tables);
	assert_true(tables > SERVER_ROUNDS / 50); /* not all of them were refused */

	/* Connect a correct client. The server may still serve the last of the others. */
	for (unsigned int i = 0; i < 1000; i++) {
		if (vfu_client_connect(dev.path, &params, &c, err) == 0)
			break;
		usleep(20000);
		c = NULL;
	}
	assert_non_null(c);
	assert_int_equal(vfu_client_region_read(c, 7, 0, &v, 4), 0);
	assert_int_equal(vfu_client_dma_map(c, mem, 0, 0, 4096, VFU_DMA_READ | VFU_DMA_WRITE), 0);
	assert_int_equal(vfu_client_dma_unmap(c, 0, 4096), 0);
	vfu_client_close(c);
	stop_polling = true;
	pthread_join(poller, NULL);
	device_stop(&dev);
	assert_int_equal(dev.attached, dev.detached);
	munmap(entries, TABLE_NR * 8);
	close(mem);
	close(event);
	close(table);
	wait_until(count_fds() <= before);
}

/* The client, opposite a server whose replies are mutated. */

static int listener;
static atomic_bool stop_serving;

static void *
mad_server(void *arg)
{
	int mem = memory_file(0x20000);

	while (!stop_serving) {
		int s = accept(listener, NULL, NULL);
		struct vfio_user_header h;
		unsigned int n = 0;

		if (s < 0)
			continue;
		while (recv(s, &h, sizeof(h), MSG_WAITALL) == sizeof(h)) {
			uint8_t in[4096], out[4096] = { 0 };
			struct {
				struct vfio_region_info r;
				struct vfio_region_info_cap_sparse_mmap cap;
				struct vfio_region_sparse_mmap_area area;
			} region = { { 64, 15, 0, 32, 0x20000, 0 }, { { 1, 1, 0 }, 1, 0 },
				{ 0xc000, 0x1000 } };
			size_t len = h.msg_size - sizeof(h);
			unsigned int nr_fds = 0;

			if (len > sizeof(in) || recv(s, in, len, MSG_WAITALL) < (ssize_t)len)
				break;
			switch (h.cmd) {
			case VFIO_USER_VERSION:
				len = 39;
				memcpy(out + 16, "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}",
						39);
				break;
			case VFIO_USER_DEVICE_GET_REGION_INFO:
				memcpy(&region.r.index, in + 8, 4);
				memcpy(out + 16, &region, sizeof(region));
				len = sizeof(region);
				nr_fds = 1;
				break;
			case VFIO_USER_REGION_READ:
				memcpy(out + 16, in, 16);
				len = 16 + in[12];
				break;
			default:
				memcpy(out + 16, in, len);
				break;
			}
			h.flags = 1;
			h.msg_size = (uint32_t)(16 + len);
			memcpy(out, &h, 16);
			/* Mostly mutate replies after VERSION, or this would test VERSION only. */
			if (n++ != 0 || rnd(4) == 0) {
				if (rnd(3) == 0)
					mutate(out + 16, len);
				if (rnd(12) == 0)
					mutate(out, 16);
				if (rnd(12) == 0)
					nr_fds = rnd(4);
			}
			int fds[4] = { mem, mem, mem, mem };
			if (send_fds(s, out, 16 + len, fds, nr_fds, 0) < 0)
				break;
		}
		close(s);
	}
	close(mem);
	return NULL;
}

static void
mutated_replies_do_not_harm_the_client(void **state)
{
	/*
	 * A reply that announces more bytes than it has makes the client wait: use short time
	 * limits.
	 */
	struct vfu_client_params params = { .timeout_ms = 50 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[100], err[VFU_ERR_LEN];
	int before = count_fds(), connected = 0, answered = 0;
	pthread_t thread;

	seed = 1357911;
	test_path(path, sizeof(path));
	strcpy(sa.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 4), 0);
	pthread_create(&thread, NULL, mad_server, NULL);

	for (unsigned int round = 0; round < CLIENT_ROUNDS; round++) {
		struct vfu_device_info info;
		struct vfu_irq_info irq;
		struct vfu_region r;
		struct vfu_client *c;
		uint8_t buf[64];

		if (vfu_client_connect(path, &params, &c, err) != 0) {
			assert_true(strlen(err) > 0 && strchr(err, '\n') == NULL);
			continue;
		}
		connected++;
		answered += vfu_client_device_info(c, &info) == 0;
		for (unsigned int i = 0; i < 9; i++) {
			if (vfu_client_region_info(c, i, &r) != 0)
				continue;
			answered++;
			assert_true(r.nr_areas <= VFU_MAX_AREAS);
			for (unsigned int a = 0; a < r.nr_areas; a++)
				assert_true(r.areas[a].offset + r.areas[a].size <= r.size);
			if (r.fd >= 0) {
				/* An area that the client reports as mappable must be readable. */
				uint64_t at = r.nr_areas != 0 ? r.areas[0].offset : 0;
				uint64_t size = r.nr_areas != 0 ? r.areas[0].size : r.size;
				volatile uint8_t *p = mmap(NULL, size, PROT_READ, MAP_SHARED, r.fd,
						(off_t)(r.fd_offset + at));

				if (p != MAP_FAILED) {
					(void)p[size - 1];
					munmap((void *)(uintptr_t)p, size);
				}
				close(r.fd);
			}
		}
		answered += vfu_client_irq_info(c, 2, &irq) == 0;
		answered += vfu_client_region_read(c, 7, 0, buf, sizeof(buf)) == 0;
		answered += vfu_client_region_write(c, 7, 0, buf, 4) == 0;
		answered += vfu_client_dma_map(c, -1, 0, 0, 4096, 3) == 0;
		answered += vfu_client_dma_unmap(c, 0, 4096) == 0;
		answered += vfu_client_reset(c) == 0;
		vfu_client_close(c);
	}
	/*
	 * Not everything was refused. A time limit may have expired while a thread lost its
	 * core.
	 */
	print_message("    %d connected, %d answers\n", connected, answered);
	assert_true(connected > CLIENT_ROUNDS / 10);
	assert_true(answered > connected);
	stop_serving = true;
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	unlink(path);
	wait_until(count_fds() <= before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_messages_do_not_harm_the_server),
		cmocka_unit_test(mutated_replies_do_not_harm_the_client),
	};

	return cmocka_run_group_tests_name("vfio_user_fuzz", tests, NULL, NULL);
}
