/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Set-up without memory: of devices, ends of wires and a client. The linker replaces the functions
 * that allocate (--wrap). A case repeats the set-up, and the first, second, ... allocation of its
 * thread fails, until none is left that could. Each attempt must end with an error of one line, and
 * leave no memory and no file descriptor behind.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../common/fds.h"
#include "failing.h"
#include "m82576.h"
#include "vfu_client.h"
#include "wire.h"

static char folder[] = "/tmp/gantry-memory-XXXXXX";
static char socket_path[64], capture_path[64], zst_path[64], record_path[64];
static struct m82576 *model;
static struct wire_source *src;
static struct wire_sink *sink;

static int
open_device(char *err)
{
	const struct m82576_params p = { .name = "t0", .socket = socket_path, .speed_mbps = 1000 };

	return m82576_create(&p, &model, err);
}

static void
close_device(void)
{
	m82576_destroy(model);
}

static int
open_wire_to_device(char *err)
{
	return wire_dev_open(model, &src, &sink, err);
}

static void
close_wire(void)
{
	if (src != NULL)
		src->close(src);
	if (sink != NULL)
		sink->close(sink);
	src = NULL;
	sink = NULL;
}

static int
open_nothing(char *err)
{
	return wire_null_open(&sink, err);
}

static int
open_replay(char *err)
{
	return wire_pcap_open_source(capture_path, &src, err);
}

static int
open_zst_replay(char *err)
{
	return wire_pcap_open_source(zst_path, &src, err);
}

static int
open_recording(char *err)
{
	return wire_pcap_open_sink(record_path, &sink, err);
}

static struct vfu_client *client;

static int
open_client(char *err)
{
	return vfu_client_connect(socket_path, &(struct vfu_client_params){ .timeout_ms = 10000 },
			&client, err);
}

static void
close_client(void)
{
	vfu_client_close(client);
}

/*
 * Wait until no more memory and files are in use than before. Threads of a server in this process
 * release what they had for the client, or what they were started with, in their own time.
 */
static void
settle(long *memory, int *files)
{
	unsigned int i;

	for (i = 0; i < 10000 && (live > *memory || count_fds() > *files); i++)
		usleep(1000);
	assert_true(live <= *memory);
	assert_true(count_fds() <= *files);
	*memory = live;
	*files = count_fds();
}

/* Call a set-up until no allocation fails. Return the number of attempts. */
static unsigned int
attempts(int (*set_up)(char *err), void (*undo)(void))
{
	int files = count_fds(), n;
	long memory = live;
	char err[256];
	int ret;

	for (n = 1;; n++) {
		err[0] = '\0';
		left = n;
		ret = set_up(err);
		if (left != 0) {
			left = 0;
			assert_int_equal(ret, 0);
			undo();
			settle(&memory, &files);
			return n;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_non_null(strstr(err, "memory"));
		assert_null(strchr(err, '\n'));
		settle(&memory, &files);
	}
}

static void
each_set_up_fails_cleanly(void **state)
{
	char err[VFU_ERR_LEN];

	assert_true(attempts(open_nothing, close_wire) > 1);
	assert_true(attempts(open_replay, close_wire) > 4);
	assert_int_equal(attempts(open_zst_replay, close_wire), 7);
	assert_true(attempts(open_recording, close_wire) > 3);
	assert_true(attempts(open_device, close_device) > 5);
	assert_int_equal(open_device(err), 0);
	assert_int_equal(attempts(open_wire_to_device, close_wire), 3);
	assert_true(attempts(open_client, close_client) > 2);
	close_device();
}

/* A direction without memory leaves its ends to the caller. */
static void
direction_without_memory_takes_nothing(void **state)
{
	struct wire_dir *dir;
	char err[WIRE_ERR_LEN];

	assert_int_equal(open_replay(err), 0);
	assert_int_equal(open_nothing(err), 0);
	left = 1;
	assert_null(wire_dir_new(src, sink, 0));
	assert_int_equal(left, 0);
	dir = wire_dir_new(src, sink, 0);
	assert_non_null(dir);
	wire_dir_free(dir);
	src = NULL;
	sink = NULL;
}

/* The first step of a TAP; the others need one. */
static void
tap_without_memory_is_refused(void **state)
{
	char err[WIRE_ERR_LEN];

	left = 1;
	assert_int_equal(wire_tap_open("gantry-mem", &src, &sink, err), -ENOMEM);
	assert_string_equal(err, "TAP gantry-mem: out of memory");
	assert_int_equal(left, 0);
}

static int
make_files(void **state)
{
	/* A section, an Ethernet interface, and a packet of 60 bytes (pcapng). */
	static const uint32_t head[] = { 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, ~0u, ~0u, 28, 1, 20, 1, 0,
		20, 6, 92, 0, 0, 0, 60, 60 };
	static const uint8_t data[60];
	static const uint32_t tail = 92;
	/* The same, compressed with Zstandard: a frame whose only block stores it. */
	static const uint32_t block = (sizeof(head) + sizeof(data) + sizeof(tail)) << 3 | 1;
	static const uint8_t frame[] = { 0x28, 0xB5, 0x2F, 0xFD, 0, 0, block & 0xFF, block >> 8,
		0 };
	FILE *f;
	int i;

	assert_non_null(mkdtemp(folder));
	snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
	snprintf(capture_path, sizeof(capture_path), "%s/c", folder);
	snprintf(zst_path, sizeof(zst_path), "%s/z", folder);
	snprintf(record_path, sizeof(record_path), "%s/r", folder);
	for (i = 0; i < 2; i++) {
		f = fopen(i == 0 ? capture_path : zst_path, "wb");
		assert_non_null(f);
		if (i == 1)
			assert_int_equal(fwrite(frame, sizeof(frame), 1, f), 1);
		assert_int_equal(fwrite(head, sizeof(head), 1, f), 1);
		assert_int_equal(fwrite(data, sizeof(data), 1, f), 1);
		assert_int_equal(fwrite(&tail, sizeof(tail), 1, f), 1);
		assert_int_equal(fclose(f), 0);
	}
	return 0;
}

static int
remove_files(void **state)
{
	unlink(capture_path);
	unlink(zst_path);
	unlink(record_path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_set_up_fails_cleanly),
		cmocka_unit_test(direction_without_memory_takes_nothing),
		cmocka_unit_test(tap_without_memory_is_refused),
	};

	return cmocka_run_group_tests_name("no_memory", tests, make_files, remove_files);
}
