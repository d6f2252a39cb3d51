/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Ends of wires: nothing, captures with files, names of TAPs.
 */

#include "wire_fakes.h"

#include <pcap/pcap.h>

static char err[WIRE_ERR_LEN];

static void
null_sink_takes_every_frame(void **state)
{
	struct wire_dir *dir;
	struct wire_sink *null;
	struct wire_stats stats;

	wire_dir_free(fresh(0, 0, 0));
	assert_int_equal(wire_null_open(&null, err), 0);
	source.avail = 5;
	source.len = 60;
	dir = wire_dir_new(&source.src, null, 0);
	assert_int_equal(wire_dir_poll(dir, T0), 5);
	wire_dir_get_stats(dir, T0, &stats);
	assert_int_equal(stats.drops, 0);
	wire_dir_free(dir);
}

/* A recorded capture is replayed, with the wire's own times. */
static void
recorded_capture_replays_with_exact_times(void **state)
{
	char path[] = "/tmp/test_wire_XXXXXX";
	char pcap_err[PCAP_ERRBUF_SIZE];
	struct wire_source *replay;
	struct wire_sink *record;
	struct pcap_pkthdr *hdr;
	const u_char *data;
	struct wire_dir *dir;
	uint64_t last = 0, t, number = 0;
	pcap_t *pcap;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);

	wire_dir_free(fresh(0, 0, 0));
	assert_int_equal(wire_pcap_open_sink(path, &record, err), 0);
	source.avail = 100;
	source.len = 124;
	dir = wire_dir_new(&source.src, record, 1000);
	for (t = 0; t <= MS; t += 100 * US)
		drain(dir, T0 + t);
	wire_dir_free(dir);

	pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, pcap_err);
	assert_non_null(pcap);
	while (pcap_next_ex(pcap, &hdr, &data) == 1) {
		t = hdr->ts.tv_sec * SEC + hdr->ts.tv_usec;
		assert_int_equal(hdr->len, 124);
		assert_int_equal(hdr->caplen, 124);
		assert_memory_equal(data, &number, sizeof(number));
		if (number++ != 0)
			assert_int_equal(t - last, 148 * 8);
		last = t;
	}
	assert_int_equal(number, 100);
	pcap_close(pcap);

	wire_dir_free(fresh(0, 0, 0));
	sink.sink.listening = NULL; /* always */
	assert_int_equal(wire_pcap_open_source(path, &replay, err), 0);
	dir = wire_dir_new(replay, &sink.sink, 0);
	assert_int_equal(drain(dir, T0), 100);
	assert_int_equal(sink.got, 100);
	assert_int_equal(sink.number, 99);
	assert_int_equal(sink.last_len, 124);
	assert_true(sink.in_order);
	assert_int_equal(drain(dir, T0), 0);
	wire_dir_free(dir);
	unlink(path);
}

/* Write a file. */
static void
write_file(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void
unusable_capture_files_are_refused(void **state)
{
	/* Header, link type 1; a frame of 100 bytes, 20 of which were kept. */
	uint8_t bytes[24 + 16 + 20] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4,
		0, [18] = 1, [20] = 1, [32] = 20, [36] = 100, [40] = 0xAA };
	char path[] = "/tmp/test_wire_XXXXXX";
	struct wire_source *replay;
	struct wire_sink *record;
	struct wire_dir *dir;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path, bytes, sizeof(bytes));
	wire_dir_free(fresh(0, 0, 0));
	sink.sink.listening = NULL;
	assert_int_equal(wire_pcap_open_source(path, &replay, err), 0);
	dir = wire_dir_new(replay, &sink.sink, 0);
	assert_int_equal(drain(dir, T0), 1);
	assert_int_equal(sink.last_len, 100);
	wire_dir_free(dir);

	bytes[20] = 101; /* raw IP */
	write_file(path, bytes, sizeof(bytes));
	assert_true(wire_pcap_open_source(path, &replay, err) < 0);
	assert_non_null(strstr(err, "no Ethernet"));
	write_file(path, "hello", 5);
	assert_true(wire_pcap_open_source(path, &replay, err) < 0);
	assert_non_null(strstr(err, path));
	unlink(path);
	assert_true(wire_pcap_open_source(path, &replay, err) < 0);
	assert_non_null(strstr(err, "No such file"));
	assert_true(wire_pcap_open_source("/tmp", &replay, err) < 0);
	assert_non_null(strstr(err, "regular"));
	assert_true(wire_pcap_open_sink("/nonexistent/x", &record, err) < 0);
	assert_non_null(strstr(err, "No such file"));
	assert_true(wire_pcap_open_sink("/dev/null", &record, err) < 0);
	assert_true(wire_pcap_open_sink("-", &record, err) < 0);
}

static void
unusable_tap_names_are_refused(void **state)
{
	struct wire_source *src;
	struct wire_sink *snk;

	assert_true(wire_tap_open("", &src, &snk, err) < 0);
	assert_true(wire_tap_open("sixteen-letters-", &src, &snk, err) < 0);
	/* The loopback interface exists, and is no TAP, or the process has no permission. */
	assert_true(wire_tap_open("lo", &src, &snk, err) < 0);
	assert_non_null(strstr(err, "TAP lo"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_sink_takes_every_frame),
		cmocka_unit_test(recorded_capture_replays_with_exact_times),
		cmocka_unit_test(unusable_capture_files_are_refused),
		cmocka_unit_test(unusable_tap_names_are_refused),
	};

	return cmocka_run_group_tests_name("wire_ends", tests, NULL, NULL);
}
