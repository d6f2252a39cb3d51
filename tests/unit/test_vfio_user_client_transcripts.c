/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Byte transcripts of another server, and the client of lib/vfio_user, which understands them.
 */

#include <pthread.h>

#include "vfu_test.h"

/*
 * The replies of libvfio-user's server, byte for byte as its source composes the messages
 * (lib/tran.c, lib/libvfio-user.c, lib/irq.c). Only the id is that of the request. They differ
 * from our server's in three points: spaces in the JSON text, "migration" in it, and MMAP
 * without a descriptor.
 */
static const struct transcript {
	uint16_t cmd;
	uint16_t len;
	bool fd;
	const char *bytes;
} foreign[] = {
	/* VERSION 0.1; the server's own is 0.2, and the lower one counts */
	{ 1, 125, false,
			"\x00\x00\x01\x00\x7d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x00\x00\x01\x00"
			"{ \"capabilities\": { \"max_msg_fds\": 8, "
			"\"max_data_xfer_size\": 1048576, "
			"\"migration\": { \"pgsize\": 4096 } } }\0" },
	/* DEVICE_GET_INFO */
	{ 4, 32, false,
			"\x00\x00\x04\x00\x20\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x10\x00\x00\x00\x03\x00\x00\x00\x09\x00\x00\x00\x05\x00\x00\x00" },
	/* DEVICE_GET_REGION_INFO: BAR 0, two areas, one descriptor */
	{ 5, 96, true,
			"\x00\x00\x05\x00\x60\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x50\x00\x00\x00\x0f\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00\x00"
			"\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
			"\x01\x00\x01\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
			"\x00\x10\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00"
			"\x00\x30\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00" },
	/* the same: BAR 2 has a file, but no areas: MMAP without a descriptor */
	{ 5, 48, false,
			"\x00\x00\x05\x00\x30\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x20\x00\x00\x00\x07\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
			"\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" },
	/* the same: configuration space */
	{ 5, 48, false,
			"\x00\x00\x05\x00\x30\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x20\x00\x00\x00\x03\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00"
			"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" },
	/* DEVICE_GET_IRQ_INFO: MSI-X */
	{ 7, 32, false,
			"\x00\x00\x07\x00\x20\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x10\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x19\x00\x00\x00" },
	/* DEVICE_SET_IRQS: only the header */
	{ 8, 16, false, "\x00\x00\x08\x00\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" },
	/* DMA_MAP: only the header */
	{ 2, 16, false, "\x00\x00\x02\x00\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" },
	/* DMA_UNMAP: a copy of the request */
	{ 3, 40, false,
			"\x00\x00\x03\x00\x28\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00"
			"\x00\x10\x00\x00\x00\x00\x00\x00" },
	/* DMA_UNMAP that the server refuses: ENOENT, only the header */
	{ 3, 16, false, "\x00\x00\x03\x00\x10\x00\x00\x00\x21\x00\x00\x00\x02\x00\x00\x00" },
	/* REGION_READ */
	{ 9, 36, false,
			"\x00\x00\x09\x00\x24\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x04\x00\x00\x00"
			"\x86\x80\xc9\x10" },
	/* REGION_WRITE: the access without its data */
	{ 10, 32, false,
			"\x00\x00\x0a\x00\x20\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
			"\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00" },
	/* DEVICE_RESET */
	{ 13, 16, false, "\x00\x00\x0d\x00\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" },
};

#define FOREIGN (sizeof(foreign) / sizeof(foreign[0]))

struct foreign_server {
	int listen_fd, mem;
	unsigned int done;
};

static void *
foreign_thread(void *arg)
{
	struct foreign_server *s = arg;
	int sock = accept(s->listen_fd, NULL, NULL);
	struct vfio_user_header h;
	uint8_t msg[4096];

	while (s->done < FOREIGN && raw_recv(sock, &h, sizeof(h), NULL)) {
		const struct transcript *t = &foreign[s->done];

		if (h.cmd != t->cmd || h.msg_size > sizeof(msg) ||
				(h.msg_size > sizeof(h) &&
						!raw_recv(sock, msg, h.msg_size - sizeof(h), NULL)))
			break;
		memcpy(msg, t->bytes, t->len);
		memcpy(msg, &h.msg_id, sizeof(h.msg_id));
		try_send(sock, msg, t->len, &s->mem, t->fd ? 1 : 0);
		s->done++;
	}
	/* Wait until the client closes. */
	while (raw_recv(sock, msg, 1, NULL))
		;
	close(sock);
	return NULL;
}

static void
client_understands_libvfio_user_replies(void **state)
{
	struct foreign_server s = { .mem = memory_file(0x4000) };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct vfu_client_params params = { .timeout_ms = SOON_MS };
	int before = count_fds(), fd = eventfd(0, 0);
	struct vfu_device_info info;
	struct vfu_irq_info irq;
	struct vfu_region r;
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	pthread_t thread;
	uint32_t v = 0;

	test_path(sa.sun_path, sizeof(sa.sun_path));
	s.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s.listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s.listen_fd, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, foreign_thread, &s), 0);

	assert_int_equal(vfu_client_connect(sa.sun_path, &params, &c, err), 0);
	assert_int_equal(vfu_client_device_info(c, &info), 0);
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(vfu_client_region_info(c, 0, &r), 0);
	assert_int_equal(r.size, 0x4000);
	assert_int_equal(r.flags, 7);
	assert_int_equal(r.nr_areas, 2);
	assert_int_equal(r.areas[0].offset, 0x1000);
	assert_int_equal(r.areas[1].offset, 0x3000);
	assert_int_equal(r.areas[1].size, 0x1000);
	assert_int_equal(r.fd_offset, 0);
	assert_true(r.fd >= 0);
	close(r.fd);
	assert_int_equal(vfu_client_region_info(c, 2, &r), 0);
	assert_int_equal(r.size, 0x1000);
	assert_int_equal(r.flags, 3);
	assert_int_equal(r.fd, -1);
	assert_int_equal(vfu_client_region_info(c, VFIO_PCI_CONFIG_REGION_INDEX, &r), 0);
	assert_int_equal(r.size, 0x100);
	assert_int_equal(vfu_client_irq_info(c, VFIO_PCI_MSIX_IRQ_INDEX, &irq), 0);
	assert_int_equal(irq.count, 25);
	assert_int_equal(irq.flags, VFIO_IRQ_INFO_EVENTFD);
	assert_int_equal(vfu_client_set_irq_fds(c, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &fd), 0);
	assert_int_equal(vfu_client_dma_map(c, s.mem, 0, 0x100000, 0x1000, 3), 0);
	assert_int_equal(vfu_client_dma_unmap(c, 0x100000, 0x1000), 0);
	assert_int_equal(vfu_client_dma_unmap(c, 0x100000, 0x1000), -ENOENT);
	assert_int_equal(vfu_client_region_read(c, VFIO_PCI_CONFIG_REGION_INDEX, 0, &v, 4), 0);
	assert_int_equal(v, 0x10c98086);
	assert_int_equal(vfu_client_region_write(c, 0, 0x40, &v, 4), 0);
	assert_int_equal(vfu_client_reset(c), 0);
	assert_true(vfu_client_alive(c));
	vfu_client_close(c);
	pthread_join(thread, NULL);
	assert_int_equal(s.done, FOREIGN);
	close(s.listen_fd);
	unlink(sa.sun_path);
	close(fd);
	wait_until(count_fds() <= before);
	close(s.mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_understands_libvfio_user_replies),
	};

	return cmocka_run_group_tests_name("vfio_user_client_transcripts", tests, NULL, NULL);
}
