/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Byte transcripts of other clients, and the replies of the server, byte by byte.
 */

#include "vfu_server_test.h"

/*
 * Interoperation: raw bytes in, and every byte of the replies compared. The transcripts follow
 * the specification, and messages that these clients were seen to send.
 */

struct step {
	const char *what;
	const char *send; /* hexadecimal */
	const char *text; /* appended with its NUL, or NULL */
	const char *reply;
	const char *reply_text;
	int fd; /* 'm': memory goes along, 'e': an eventfd, 'r': the reply has one */
};

static size_t
bytes(uint8_t *out, const char *hex, const char *text)
{
	size_t n = 0;
	unsigned int b;
	int used;

	for (; sscanf(hex, " %2x%n", &b, &used) == 1; hex += used)
		out[n++] = (uint8_t)b;
	if (text != NULL) {
		memcpy(out + n, text, strlen(text) + 1);
		n += strlen(text) + 1;
	}
	return n;
}

static void
play(const struct step *steps, size_t n)
{
	int s = raw_connect(dev.path), mem = memory_file(MEM_SIZE),
	    event = eventfd(0, EFD_NONBLOCK);

	for (size_t i = 0; i < n; i++) {
		const struct step *p = &steps[i];
		uint8_t out[1024], expect[1024], got[1024];
		size_t len = bytes(out, p->send, p->text), want;
		int *pass = p->fd == 'm' ? &mem : p->fd == 'e' ? &event : NULL, fd;

		print_message("    %s\n", p->what);
		raw_send(s, out, len, pass, pass != NULL ? 1 : 0);
		want = bytes(expect, p->reply, p->reply_text);
		if (want == 0)
			continue;
		assert_true(raw_recv(s, got, want, &fd));
		assert_memory_equal(got, expect, want);
		assert_int_equal(fd >= 0, p->fd == 'r');
		if (fd >= 0)
			close(fd);
	}
	close(mem);
	close(event);
	close(s);
	wait_until(is_forgotten(&dev));
}

static void
qemu_transcript_gets_exact_replies(void **state)
{
	/* clang-format off */
	static const struct step steps[] = {
		{ "VERSION 0.0",
			"0000 0100 d6000000 00000000 00000000  0000 0000",
			"{\"capabilities\": {\"max_msg_fds\": 16, \"write_multiple\": true, "
			"\"max_dma_maps\": 65535, \"migration\": {\"pgsize\": 4096, \"max_bitmap_size\": "
			"268435456}, \"pgsizes\": 4096, \"max_data_xfer_size\": 1048576}}",
			"0000 0100 8f000000 01000000 00000000  0000 0000",
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
			"\"max_dma_maps\":57344,\"pgsizes\":4096,\"write_multiple\":true}}", 0 },
		{ "DMA_MAP of guest memory, with its descriptor",
			"0100 0200 30000000 00000000 00000000  20000000 03000000 0000000000000000"
			"0000000000000000 0000080000000000", NULL,
			"0100 0200 10000000 01000000 00000000", NULL, 'm' },
		{ "DMA_MAP of a ROM without one, read only",
			"0200 0200 30000000 00000000 00000000  20000000 01000000 0000000000000000"
			"0000fcff00000000 0000040000000000", NULL,
			"0200 0200 10000000 01000000 00000000", NULL, 0 },
		{ "DEVICE_GET_INFO",
			"0300 0400 20000000 00000000 00000000  10000000 00000000 00000000 00000000", NULL,
			"0300 0400 20000000 01000000 00000000  10000000 03000000 09000000 05000000", NULL, 0 },
		{ "DEVICE_GET_REGION_INFO of BAR0, the fixed part",
			"0400 0500 30000000 00000000 00000000  20000000 00000000 00000000 00000000"
			"0000000000000000 0000000000000000", NULL,
			"0400 0500 30000000 01000000 00000000  50000000 07000000 00000000 00000000"
			"0000020000000000 0000000000000000", NULL, 0 },
		{ "again with room for the capabilities",
			"0500 0500 30000000 00000000 00000000  50000000 00000000 00000000 00000000"
			"0000000000000000 0000000000000000", NULL,
			"0500 0500 60000000 01000000 00000000  50000000 0f000000 00000000 20000000"
			"0000020000000000 0000000000000000  0100 0100 00000000 02000000 00000000"
			"00c0000000000000 0010000000000000 00e0000000000000 0010000000000000", NULL, 'r' },
		{ "DEVICE_GET_REGION_INFO of configuration space",
			"0600 0500 30000000 00000000 00000000  20000000 00000000 07000000 00000000"
			"0000000000000000 0000000000000000", NULL,
			"0600 0500 30000000 01000000 00000000  20000000 03000000 07000000 00000000"
			"0001000000000000 0000000000000000", NULL, 0 },
		{ "DEVICE_GET_IRQ_INFO of MSI-X",
			"0700 0700 20000000 00000000 00000000  10000000 00000000 02000000 00000000", NULL,
			"0700 0700 20000000 01000000 00000000  10000000 01000000 02000000 19000000", NULL, 0 },
		{ "REGION_READ of 4 bytes of configuration space",
			"0800 0900 20000000 00000000 00000000  0400000000000000 07000000 04000000", NULL,
			"0800 0900 24000000 01000000 00000000  0400000000000000 07000000 04000000"
			"04050607", NULL, 0 },
		{ "REGION_WRITE of 2 bytes of it",
			"0900 0a00 22000000 00000000 00000000  0400000000000000 07000000 02000000 0701", NULL,
			"0900 0a00 20000000 01000000 00000000  0400000000000000 07000000 02000000", NULL, 0 },
		{ "a posted REGION_WRITE: no reply",
			"0a00 0a00 24000000 10000000 00000000  0000000000000000 00000000 04000000 deadbeef", NULL,
			"", NULL, 0 },
		{ "REGION_WRITE_MULTI, posted",
			"0b00 0f00 30000000 10000000 00000000  0100000000000000"
			"0400000000000000 00000000 04000000 0102030400000000", NULL, "", NULL, 0 },
		{ "REGION_READ of what the two wrote",
			"0c00 0900 20000000 00000000 00000000  0000000000000000 00000000 08000000", NULL,
			"0c00 0900 28000000 01000000 00000000  0000000000000000 00000000 08000000"
			"deadbeef01020304", NULL, 0 },
		{ "DEVICE_SET_IRQS: an eventfd for vector 0",
			"0d00 0800 24000000 00000000 00000000  14000000 24000000 02000000 00000000 01000000", NULL,
			"0d00 0800 10000000 01000000 00000000", NULL, 'e' },
		{ "the same without one: unwired",
			"0e00 0800 24000000 00000000 00000000  14000000 24000000 02000000 00000000 01000000", NULL,
			"0e00 0800 10000000 01000000 00000000", NULL, 0 },
		{ "DEVICE_SET_IRQS: all of MSI-X off",
			"0f00 0800 24000000 00000000 00000000  14000000 21000000 02000000 00000000 00000000", NULL,
			"0f00 0800 10000000 01000000 00000000", NULL, 0 },
		{ "DMA_UNMAP",
			"1000 0300 28000000 00000000 00000000  18000000 00000000"
			"0000000000000000 0000080000000000", NULL,
			"1000 0300 28000000 01000000 00000000  18000000 00000000"
			"0000000000000000 0000080000000000", NULL, 0 },
		{ "DMA_UNMAP of everything",
			"1100 0300 28000000 00000000 00000000  18000000 02000000"
			"0000000000000000 0000000000000000", NULL,
			"1100 0300 28000000 01000000 00000000  18000000 02000000"
			"0000000000000000 0000000000000000", NULL, 0 },
		{ "DEVICE_RESET",
			"1200 0d00 10000000 00000000 00000000", NULL,
			"1200 0d00 10000000 01000000 00000000", NULL, 0 },
		{ "an error: region 100",
			"1300 0900 20000000 00000000 00000000  0000000000000000 64000000 04000000", NULL,
			"1300 0900 10000000 21000000 16000000", NULL, 0 },
	};
	/* clang-format on */

	play(steps, sizeof(steps) / sizeof(steps[0]));
}

/* libvfio-user's sample client: version 0.1, compact JSON; also requests dirty pages. */
static void
libvfio_user_transcript_gets_exact_replies(void **state)
{
	/* clang-format off */
	static const struct step steps[] = {
		{ "VERSION 0.1",
			"0000 0100 5a000000 00000000 00000000  0000 0100",
			"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576}}      ",
			"0000 0100 55000000 01000000 00000000  0000 0100",
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}", 0 },
		{ "DEVICE_GET_INFO",
			"0100 0400 20000000 00000000 00000000  10000000 00000000 00000000 00000000", NULL,
			"0100 0400 20000000 01000000 00000000  10000000 03000000 09000000 05000000", NULL, 0 },
		{ "DMA_MAP with the newer MMAP flag",
			"0200 0200 30000000 00000000 00000000  20000000 07000000 0000000000000000"
			"0000001000000000 0000010000000000", NULL,
			"0200 0200 10000000 01000000 00000000", NULL, 'm' },
		{ "DMA_MAP over it",
			"0300 0200 30000000 00000000 00000000  20000000 03000000 0000000000000000"
			"0000001000000000 0000010000000000", NULL,
			"0300 0200 10000000 21000000 11000000", NULL, 'm' },
		{ "DEVICE_FEATURE, which is not offered",
			"0400 1000 18000000 00000000 00000000  08000000 01000500", NULL,
			"0400 1000 10000000 21000000 5f000000", NULL, 0 },
		{ "DEVICE_GET_REGION_IO_FDS: none",
			"0500 0600 20000000 00000000 00000000  10000000 00000000 00000000 00000000", NULL,
			"0500 0600 20000000 01000000 00000000  10000000 00000000 00000000 00000000", NULL, 0 },
	};
	/* clang-format on */

	play(steps, sizeof(steps) / sizeof(steps[0]));
}

/*
 * SPDK's client: all messages have number 0; no JSON; a region info request as long as the
 * buffer for the reply; DMA_UNMAP with the memory's descriptor.
 */
static void
spdk_transcript_gets_exact_replies(void **state)
{
	/* clang-format off */
	static const struct step steps[] = {
		{ "VERSION without JSON",
			"0000 0100 14000000 00000000 00000000  0000 0100", NULL,
			"0000 0100 55000000 01000000 00000000  0000 0100",
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}", 0 },
		{ "DEVICE_GET_REGION_INFO with a long payload",
			"0000 0500 60000000 00000000 00000000  50000000 00000000 00000000 00000000"
			"0000000000000000 0000000000000000 0000000000000000 0000000000000000"
			"0000000000000000 0000000000000000 0000000000000000 0000000000000000", NULL,
			"0000 0500 60000000 01000000 00000000  50000000 0f000000 00000000 20000000"
			"0000020000000000 0000000000000000  0100 0100 00000000 02000000 00000000"
			"00c0000000000000 0010000000000000 00e0000000000000 0010000000000000", NULL, 'r' },
		{ "DMA_MAP",
			"0000 0200 30000000 00000000 00000000  20000000 03000000 0000000000000000"
			"0000002000000000 0000020000000000", NULL,
			"0000 0200 10000000 01000000 00000000", NULL, 'm' },
		{ "DMA_UNMAP with a descriptor",
			"0000 0300 28000000 00000000 00000000  18000000 00000000"
			"0000002000000000 0000020000000000", NULL,
			"0000 0300 28000000 01000000 00000000  18000000 00000000"
			"0000002000000000 0000020000000000", NULL, 'm' },
	};
	/* clang-format on */

	play(steps, sizeof(steps) / sizeof(steps[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(qemu_transcript_gets_exact_replies),
		T(libvfio_user_transcript_gets_exact_replies),
		T(spdk_transcript_gets_exact_replies),
	};

	return cmocka_run_group_tests_name("vfio_user_transcripts", tests, NULL, NULL);
}
