/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Files that processes share (sealed_file.h), and the numbers of the standard descriptors
 * (std_fds.h). The linker redirects fcntl() and open() to this file, so that they fail.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../common/fds.h"
#include "sealed_file.h"
#include "std_fds.h"

#define LEN      0x3000u
#define NAME     "gantry-sealed"
#define SEALS    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define LONGEST  249 /* of a name, memfd_create(2) */
#define TOO_LONG (UINT64_C(1) << 63)

static int seal_error, future_error, open_error; /* 0: the call succeeds */

int __real_fcntl64(int fd, int cmd, ...);
int __wrap_fcntl64(int fd, int cmd, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap___open64_2(const char *path, int flags);

int
__wrap_fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = cmd == F_GETFD || cmd == F_GETFL || cmd == F_GET_SEALS ? 0 : va_arg(ap, int);
	va_end(ap);
	if (cmd == F_ADD_SEALS) {
		errno = arg & F_SEAL_FUTURE_WRITE ? future_error : seal_error;
		if (errno != 0)
			return -1;
	}
	return __real_fcntl64(fd, cmd, arg);
}

int
__wrap_open64(const char *path, int flags, ...)
{
	errno = open_error;
	return open_error != 0 ? -1 : __real_open64(path, flags);
}

/* The C library's check of flags that are no constant (_FORTIFY_SOURCE) */
int
__wrap___open64_2(const char *path, int flags)
{
	return __wrap_open64(path, flags);
}

static int
setup(void **state)
{
	seal_error = future_error = open_error = 0;
	return 0;
}

static void
sealed_file_keeps_its_size(void **state)
{
	uint8_t bytes[LEN], zero[LEN] = { 0 };
	struct stat st;
	int fd = sealed_file(NAME, LEN, 0);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, LEN);
	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pread(fd, bytes, LEN, 0), LEN);
	assert_memory_equal(bytes, zero, LEN);
	assert_int_equal(pwrite(fd, "x", 1, LEN - 1), 1); /* it can be written */
	assert_int_equal(ftruncate(fd, LEN + 1), -1);
	assert_int_equal(ftruncate(fd, LEN - 1), -1);
	close(fd);
}

static void
file_that_cannot_be_sealed_leaves_nothing(void **state)
{
	const int before = count_fds();
	char name[LONGEST + 2];
	void *map = &map;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(sealed_file(name, LEN, 0), -EINVAL);
	assert_int_equal(sealed_file(NAME, LEN, ~0u), -EINVAL);
	assert_int_equal(sealed_file(NAME, TOO_LONG, 0), -EINVAL);
	assert_int_equal(sealed_file_to_read(name, LEN, &map), -EINVAL);
	assert_ptr_equal(map, MAP_FAILED);
	assert_int_equal(sealed_file_to_read(NAME, TOO_LONG, &map), -EINVAL);
	assert_ptr_equal(map, MAP_FAILED);
	assert_int_equal(sealed_file_to_read(NAME, 0, &map), -EINVAL);
	seal_error = EBUSY;
	assert_int_equal(sealed_file(NAME, LEN, 0), -EBUSY);
	future_error = EPERM;
	seal_error = 0;
	assert_int_equal(sealed_file_to_read(NAME, LEN, &map), -EPERM);
	future_error = EINVAL;
	seal_error = EBUSY;
	assert_int_equal(sealed_file_to_read(NAME, LEN, &map), -EBUSY);
	future_error = seal_error = 0;
	open_error = EMFILE;
	assert_int_equal(sealed_file_to_read(NAME, LEN, &map), -EMFILE);
	assert_int_equal(count_fds(), before);
	assert_int_equal(count_mappings(NAME), 0);
}

/* Old kernels have no seal against later writers. */
static void
file_to_read_is_written_by_its_mapping_alone(void **state)
{
	const int before = count_fds();
	uint8_t byte;

	for (unsigned int old = 0; old < 2; old++) {
		void *map = NULL, *other;
		char path[32];
		int fd, again;

		future_error = old != 0 ? EINVAL : 0;
		fd = sealed_file_to_read(NAME, LEN, &map);
		assert_true(fd >= 0);
		assert_int_equal(count_fds(), before + 1);
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(fd, F_GET_SEALS),
				old != 0 ? SEALS : SEALS | F_SEAL_FUTURE_WRITE);
		assert_int_equal(((uint8_t *)map)[LEN - 1], 0);
		((uint8_t *)map)[LEN - 1] = 9;
		assert_int_equal(pread(fd, &byte, 1, LEN - 1), 1);
		assert_int_equal(byte, 9);
		assert_int_equal(pwrite(fd, "x", 1, 0), -1);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = open(path, O_RDWR | O_CLOEXEC);
		if (again >= 0 && old == 0) {
			assert_int_equal(pwrite(again, "x", 1, 0), -1);
			other = mmap(NULL, LEN, PROT_WRITE, MAP_SHARED, again, 0);
			assert_ptr_equal(other, MAP_FAILED);
		}
		if (again >= 0)
			close(again);
		munmap(map, LEN);
		close(fd);
	}
}

/*
 * Reserve the numbers in a process in which these descriptors are closed (a bit for each). Return
 * the exit status: 0, or the step that failed, from 10 on; or the status of the function.
 */
static int
reserve(unsigned int closed)
{
	const pid_t child = fork();
	int status, fd;

	assert_true(child >= 0);
	if (child == 0) {
		for (fd = 0; fd <= 2; fd++) {
			int replacement = open("/dev/zero", O_RDWR);

			dup2(replacement, fd);
			close(replacement);
		}
		for (fd = 0; fd <= 2; fd++)
			if (closed >> fd & 1)
				close(fd);
		open_error = closed >> 3 != 0 ? EMFILE : 0;
		std_fds_reserve();
		for (fd = 0; fd <= 2; fd++) {
			int mode = closed >> fd & 1 ? fd == 0 ? O_WRONLY : O_RDONLY : O_RDWR;

			if ((fcntl(fd, F_GETFL) & O_ACCMODE) != mode)
				_exit(10 + fd);
		}
		_exit(open("/dev/null", O_RDONLY) > 2 ? 0 : 20);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
closed_standard_descriptors_are_reserved(void **state)
{
	for (unsigned int closed = 0; closed < 8; closed++)
		assert_int_equal(reserve(closed), 0);
	for (unsigned int closed = 1; closed < 8; closed++)
		assert_int_equal(reserve(closed | 8), 1); /* without a descriptor */
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(sealed_file_keeps_its_size),
		T(file_that_cannot_be_sealed_leaves_nothing),
		T(file_to_read_is_written_by_its_mapping_alone),
		T(closed_standard_descriptors_are_reserved),
	};

	return cmocka_run_group_tests_name("common_files", tests, NULL, NULL);
}
