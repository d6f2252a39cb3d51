/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Replays and recordings: their locks, files that are full or no files, the bytes that are written,
 * and what they count and report.
 */

#include "capture_files.h"
#include "stderr_capture.h"

/* Return the number of files beyond standard error that a program executed now would inherit. */
static unsigned int
inherited(void)
{
	unsigned int n = 0;

	for (int fd = 3; fd < 256; fd++) {
		const int flags = fcntl(fd, F_GETFD);

		n += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	return n;
}

static struct capture_writer *
created(void)
{
	struct capture_writer *w;

	assert_int_equal(capture_create(path, &w, err, sizeof(err)), 0);
	return w;
}

static void
not_created(int error, const char *why)
{
	struct capture_writer *w;
	const int before = count_fds();

	assert_int_equal(capture_create(path, &w, err, sizeof(err)), error);
	assert_string_equal(err, why);
	assert_int_equal(count_fds(), before);
}

/* Recordings exclude each other and replays; replays share a file. */
static void
captures_are_locked_while_they_are_used(void **state)
{
	const unsigned int before = inherited();
	const int fds = count_fds();
	struct capture_writer *w = created();
	struct capture *c[2];
	struct stat st;

	refused(-EBUSY, "another process records it");
	not_created(-EBUSY, "another process uses it");
	assert_int_equal(inherited(), before);
	assert_true(capture_finish(w));
	c[0] = opened();
	c[1] = opened();
	assert_int_equal(inherited(), before);
	not_created(-EBUSY, "another process uses it");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24); /* as it was */
	capture_close(c[0]);
	capture_close(c[1]);
	/* Where there are no locks, captures are used without. */
	lock_errno = ENOLCK;
	w = created();
	assert_true(capture_finish(w));
	c[0] = opened();
	capture_close(c[0]);
	/* An error of an earlier call is none of these. */
	lock_errno = 0;
	errno = EWOULDBLOCK;
	w = created();
	assert_true(capture_finish(w));
	errno = EWOULDBLOCK;
	c[0] = opened();
	capture_close(c[0]);
	assert_int_equal(count_fds(), fds);
}

static void
recording_needs_a_regular_file(void **state)
{
	int reader;

	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	not_created(-ENXIO, "No such device or address"); /* and nobody waits for its reader */
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	not_created(-EINVAL, "not a regular file");
	close(reader);
	snprintf(path, sizeof(path), "-");
	not_created(-EINVAL, "not a regular file");
	assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
	snprintf(path, sizeof(path), "%s/none/capture", folder);
	not_created(-ENOENT, "No such file or directory");
	setup(state);
	unlink(path);
}

static void
assert_file(const void *bytes, size_t len)
{
	static uint8_t is[65536];
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_int_equal(fread(is, 1, sizeof(is), file), len);
	fclose(file);
	assert_memory_equal(is, bytes, len);
}

/* The name decides the format; its end alone. */
static void
recordings_are_exact_to_the_byte(void **state)
{
	static const uint32_t pcap[] = { 0xA1B23C4D, 0x00040002, 0, 0, 262144, 1, /* header */
		7, 999999999, 61, 61 };
	static const uint32_t ng[] = { SHB, 28, 0x1A2B3C4D, 1, ~0u, ~0u, 28, /* section */
		1, 32, 1, 262144, 9 | 1 << 16, 9, 0, 32,                     /* interface */
		6, 96, 0, 1, (uint32_t)(7999999999 & ~0u), 61, 61 };
	static const char *const names[] = { "x.pcap", "pcapng", "x.pcapngx", ".pcapng",
		"x.pcapng" };
	const uint32_t tail = 96;
	const mode_t old = umask(0);
	struct capture_writer *w;
	uint8_t frame[61];
	unsigned int i;
	struct stat st;

	umask(022);
	memset(frame, 0x5A, sizeof(frame));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		/* The file loses its former contents. */
		used = 0;
		put_bytes(1, 1000);
		save();
		unlink(i == 0 ? path : "");
		w = created();
		assert_file(i < 3 ? (const void *)pcap : ng, i < 3 ? 24 : 60);
		assert_true(capture_write(w, 7999999999, frame, sizeof(frame)));
		assert_true(capture_finish(w));
		used = 0;
		put(i < 3 ? (const void *)pcap : ng, i < 3 ? sizeof(pcap) : sizeof(ng));
		put(frame, sizeof(frame));
		if (i >= 3) {
			pad();
			put(&tail, 4);
		}
		assert_file(image, used);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0644);
		unlink(path);
	}
	umask(old);
}

/* One system call is for forty of the longest usual frames. */
static void
frames_are_written_many_at_once(void **state)
{
	static const uint8_t frame[1514];
	struct capture_writer *w = created();
	struct stat st;

	for (unsigned int i = 0; i < 40; i++)
		assert_true(capture_write(w, i, frame, sizeof(frame)));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24);
	assert_true(capture_finish(w));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24 + 40 * (16 + 1514));
}

/* Permit files of so many bytes only, as a disk does that is full. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit rl;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

static void
full_disk_is_an_error_at_once_or_later(void **state)
{
	static const uint8_t frame[1514];
	struct capture_writer *w;
	unsigned int n;
	bool good;

	limit_files(10);
	not_created(-EFBIG, "File too large");
	/* Found when the buffer is written, or when the file is closed. */
	for (n = 0; n < 2; n++) {
		limit_files(100);
		w = created();
		good = capture_write(w, 0, frame, sizeof(frame));
		assert_true(good);
		for (unsigned int i = 0; n == 1 && i < 100; i++)
			good = capture_write(w, 0, frame, sizeof(frame));
		limit_files(n == 0 ? 100 : RLIM_INFINITY);
		assert_int_equal(good, n == 0);
		assert_false(capture_finish(w));
	}
	limit_files(RLIM_INFINITY);
}

/* Replays and recordings. */

static void
assert_reported(const char *want)
{
	char line[1024] = "";

	if (*want != '\0')
		snprintf(line, sizeof(line), "gantry: capture %s: %s\n", path, want);
	assert_string_equal(captured_stderr(), line);
}

static struct wire_source *
replayed(void)
{
	struct wire_source *src;

	save();
	assert_int_equal(wire_pcap_open_source(path, &src, err), 0);
	assert_true(src->patient);
	return src;
}

/* Take all frames of a replay. Return their number. */
static unsigned int
play(struct wire_source *src)
{
	struct m82576_frame frame;
	unsigned int n = 0;

	while (src->pending(src))
		n += src->next(src, 0, &frame, 1, 0);
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 0);
	return n;
}

static uint64_t refused_so_far;

static uint64_t
fake_filtered(const struct wire_sink *sink)
{
	return refused_so_far;
}

/* A replay counts what the port's filters refuse from its start on, and reports it at its end. */
static void
replay_reports_frames_that_filters_refuse(void **state)
{
	struct wire_sink port = { .filtered = fake_filtered }, null = { 0 };
	struct wire_replay_stats stats;
	struct wire_source *src;

	pcap_head(0xA1B2C3D4, 1);
	for (unsigned int i = 0; i < 3; i++)
		pcap_record(0, 0, i, 60, 60);
	for (unsigned int i = 0; i < 3; i++) {
		refused_so_far = 100;
		src = replayed();
		wire_pcap_get_stats(src, &stats);
		assert_false(stats.started);
		assert_false(stats.ended);
		assert_int_equal(stats.filtered, 0);
		src->start(src, i < 2 ? &port : &null);
		wire_pcap_get_stats(src, &stats);
		assert_true(stats.started);
		assert_int_equal(stats.filtered, 0);
		refused_so_far += i == 0 ? 2 : 0;
		begin_stderr_capture();
		assert_int_equal(play(src), 3);
		assert_reported(i == 0 ? "the port's filters refused 2 of 3 frames: they are for other "
					 "addresses or VLANs: make the application set promiscuous "
					 "mode, or give the port their address with mac=" :
					 "");
		wire_pcap_get_stats(src, &stats);
		assert_true(stats.started && stats.ended);
		assert_false(stats.broken);
		assert_int_equal(stats.filtered, i == 0 ? 2 : 0);
		assert_int_equal(stats.frames, 3);
		src->close(src);
	}
}

static void
replay_reports_records_that_it_leaves_out(void **state)
{
	static const char *const lines[] = {
		"6 records are left out: 1 not Ethernet, 2 shorter than 14 bytes, 3 longer than "
		"16384 bytes",
		"1 records are left out: 1 not Ethernet, 0 shorter than 14 bytes, 0 longer than "
		"16384 bytes",
		"1 records are left out: 0 not Ethernet, 1 shorter than 14 bytes, 0 longer than "
		"16384 bytes",
		"1 records are left out: 0 not Ethernet, 0 shorter than 14 bytes, 1 longer than "
		"16384 bytes",
		"",
	};
	struct wire_source *src;

	for (unsigned int i = 0; i < 5; i++) {
		begin_ng();
		interface(113, 0, -1, -1, 0);
		for (unsigned int k = 0; k < (i == 0 || i == 1); k++)
			enhanced(1, 0, 1, 60, 60, 0);
		for (unsigned int k = 0; k < (i == 0 ? 2 : i == 2); k++)
			enhanced(0, 0, 2, 13, 13, 0);
		for (unsigned int k = 0; k < (i == 0 ? 3 : i == 3); k++)
			enhanced(0, 0, 3, 20, WIRE_FRAME_MAX + 1, 0);
		enhanced(0, 0, 4, 60, 60, 0);
		src = replayed();
		begin_stderr_capture();
		assert_int_equal(play(src), 1);
		assert_reported(lines[i]);
		src->close(src);
	}
}

/* A frame whose FCS the file has, and one whose FCS was cut. */
static void
fcs_is_checked_only_where_all_of_it_was_captured(void **state)
{
	struct wire_replay_stats stats;
	struct m82576_frame frame;
	struct wire_source *src;
	uint32_t fcs;

	pcap_head(0xA1B2C3D4, 0x24000001);
	for (unsigned int i = 0; i < 4; i++) {
		pcap_record(0, 0, i, i == 1 ? 63 : i == 3 ? 70 : 64, 64);
		fcs = (uint32_t)crc32(0, image + used - (i == 3 ? 70 : 64), 60);
		if (i != 1)
			memcpy(image + used - (i == 3 ? 10 : 4), &fcs, 4);
		if (i == 2)
			image[used - 1] ^= 0x80;
	}
	src = replayed();
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(src->next(src, 0, &frame, 1, 0), 1);
		assert_int_equal(frame.len, 60);
		assert_int_equal(frame.data[0], i);
		assert_int_equal(frame.flags, i == 2 ? M82576_FRAME_BAD_FCS : 0);
	}
	wire_pcap_get_stats(src, &stats);
	assert_int_equal(stats.bad_fcs, 1);
	assert_int_equal(stats.filled, 0);
	assert_int_equal(stats.too_short, 0);
	src->close(src);
	/* An FCS of two bytes is none of Ethernet: stripped, and not checked. */
	pcap_head(0xA1B2C3D4, 0x14000001);
	pcap_record(0, 0, 1, 64, 64);
	pcap_record(0, 0, 1, 30, 102);
	src = replayed();
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 1);
	assert_int_equal(frame.len, 62);
	assert_int_equal(frame.flags, 0);
	/* Bytes that were not captured are zeros. */
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 1);
	assert_int_equal(frame.len, 100);
	assert_int_equal(frame.data[29], 0x5A);
	for (unsigned int i = 30; i < 100; i++)
		assert_int_equal(frame.data[i], 0);
	src->close(src);
}

static void
replay_that_breaks_reports_it_once(void **state)
{
	const unsigned int failures = wire_pcap_failures();
	struct wire_replay_stats stats;
	struct wire_source *src;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	src = replayed();
	read_errno = EIO;
	begin_stderr_capture();
	assert_int_equal(play(src), 0);
	assert_reported("cannot be read: Input/output error, at byte 24: the replay ends early: repair "
			"the file");
	wire_pcap_get_stats(src, &stats);
	assert_true(stats.broken && stats.ended);
	assert_int_equal(wire_pcap_failures(), failures + 1);
	read_errno = 0;
	src->close(src);
}

static void
failure_to_open_a_replay_names_file_and_cause(void **state)
{
	char want[WIRE_ERR_LEN + 64];
	const int fds = count_fds();
	struct wire_source *src;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	used--;
	save();
	assert_int_equal(wire_pcap_open_source(path, &src, err), -EINVAL);
	snprintf(want, sizeof(want), "capture %s: the file breaks off, at byte 99: repair the file",
			path);
	assert_string_equal(err, want);
	used++;
	save();
	rewind_errno = EIO;
	assert_int_equal(wire_pcap_open_source(path, &src, err), -EINVAL);
	snprintf(want, sizeof(want), "capture %s: cannot be read again, at byte 0: repair the file",
			path);
	assert_string_equal(err, want);
	rewind_errno = 0;
	unlink(path);
	assert_int_equal(wire_pcap_open_source(path, &src, err), -ENOENT);
	snprintf(want, sizeof(want), "capture %s: No such file or directory", path);
	assert_string_equal(err, want);
	assert_int_equal(count_fds(), fds);
}

/* The time in the file is the real time at which the frame was on the wire. */
static void
recording_has_real_times_and_good_frames(void **state)
{
	static const uint8_t data[60] = { 1 };
	struct m82576_frame frames[3];
	struct timespec mono, real[2];
	struct wire_sink *sink;
	uint64_t at[3], ts;
	struct capture *c;

	for (unsigned int i = 0; i < 3; i++)
		frames[i] = (struct m82576_frame){ .data = data, .len = 60 - i };
	frames[1].flags = M82576_FRAME_BAD_FCS;
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &real[0]), 0);
	assert_int_equal(wire_pcap_open_sink(path, &sink, err), 0);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &mono), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &real[1]), 0);
	at[0] = (uint64_t)mono.tv_sec * NS + (uint64_t)mono.tv_nsec;
	at[1] = at[0] + 1;
	at[2] = at[0] + 2 * NS;
	assert_int_equal(sink->put(sink, at, frames, 3, false), 3);
	assert_int_equal(sink->drops(sink), 0);
	assert_false(sink->takes_rest);
	sink->close(sink);
	c = opened();
	ts = next(c).ts_ns;
	assert_in_range(ts, (uint64_t)real[0].tv_sec * NS, (uint64_t)(real[1].tv_sec + 60) * NS);
	assert_int_equal(next(c).ts_ns, ts + 2 * NS);
	end_of(c);
}

/* A recording that fails reports it once; the frames after that count as dropped. */
static void
recording_that_fails_counts_and_reports_it(void **state)
{
	static const uint8_t data[WIRE_FRAME_MAX];
	const unsigned int failures = wire_pcap_failures();
	const int fds = count_fds();
	const uint64_t at[2] = { 0 };
	struct m82576_frame frames[2];
	struct wire_sink *sink;
	char want[WIRE_ERR_LEN];
	unsigned int n, i;

	for (i = 0; i < 2; i++)
		frames[i] = (struct m82576_frame){ .data = data, .len = WIRE_FRAME_MAX };
	for (n = 0; n < 2; n++) {
		limit_files(1000);
		assert_int_equal(wire_pcap_open_sink(path, &sink, err), 0);
		begin_stderr_capture();
		for (i = 0; n == 0 && wire_pcap_failures() == failures; i++) {
			assert_true(i < 100);
			assert_int_equal(sink->put(sink, at, frames, 1, false), 1);
			assert_int_equal(sink->drops(sink), 0);
		}
		assert_int_equal(sink->put(sink, at, frames, 2, true), 2);
		assert_int_equal(sink->drops(sink), n == 0 ? 2 : 0);
		/* Without frames after the failure, the recording notices it when it is closed. */
		sink->close(sink);
		limit_files(RLIM_INFINITY);
		assert_reported("cannot be written (disk full?); it is incomplete");
		assert_int_equal(wire_pcap_failures(), failures + 1 + n);
	}
	assert_int_equal(mkfifo(strcat(path, ".fifo"), 0600), 0);
	assert_int_equal(wire_pcap_open_sink(path, &sink, err), -ENXIO);
	snprintf(want, sizeof(want), "capture %.64s: No such device or address", path);
	assert_string_equal(err, want);
	unlink(path);
	setup(state);
	assert_int_equal(count_fds(), fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILES(captures_are_locked_while_they_are_used),
		FILES(recording_needs_a_regular_file),
		FILES(recordings_are_exact_to_the_byte),
		FILES(frames_are_written_many_at_once),
		FILES(full_disk_is_an_error_at_once_or_later),
		FILES(replay_reports_frames_that_filters_refuse),
		FILES(replay_reports_records_that_it_leaves_out),
		FILES(fcs_is_checked_only_where_all_of_it_was_captured),
		FILES(replay_that_breaks_reports_it_once),
		FILES(failure_to_open_a_replay_names_file_and_cause),
		FILES(recording_has_real_times_and_good_frames),
		FILES(recording_that_fails_counts_and_reports_it),
	};

	return cmocka_run_group_tests_name("wire_record", tests, make_folder, remove_folder);
}
